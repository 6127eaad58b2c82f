"""The configuration of a run."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import blemish
from blemish.errors import ConfigError
from blemish.models.gtrans.config import GTransConfig
from blemish.training.config import RunConfig, TrainingConfig, build_config


def test_the_preset_paper_has_the_papers_values() -> None:
    config = build_config(preset="paper")
    training = config.training
    assert (training.epochs, training.batch_size, training.learning_rate) == (300, 32, 1e-3)
    assert (training.weight_decay, training.lr_decay, training.validation_share) == (1e-4, 0.9, 0.2)
    assert (config.frame.resize, config.frame.crop) == (256, 224)
    model = config.model
    assert isinstance(model, GTransConfig)
    assert (model.layers, model.tokens, model.token_dim) == ((1, 2, 3), 8, 256)
    assert (model.tfm, model.tfm_depth) == ("encoder-decoder", 2)
    assert (model.alpha, model.alpha_lambda, model.combine, model.sigma) == ("harmonic", 0.1, "P6", 4.0)


def test_a_preset_is_weaker_than_what_the_user_says(tmp_path: Path) -> None:
    improved = build_config(preset="improved")
    assert build_config() == improved
    file = tmp_path / "run.toml"
    file.write_text('preset = "improved"\n[training]\nschedule = "exponential"\n')
    config = build_config(file, ["model.tfm=none"])
    assert (config.preset, config.training.schedule) == ("improved", "exponential")
    assert config.model == improved.model.model_copy(update={"tfm": "none"})
    assert config.training.batch_size == improved.training.batch_size
    assert build_config(file, preset="paper").preset == "paper"


def test_fast_changes_the_papers_training_and_leaves_its_model(tmp_path: Path) -> None:
    fast, paper = build_config(preset="paper", fast=True), build_config(preset="paper")
    assert fast == paper.model_copy(update={"training": TrainingConfig.model_validate(GTransConfig.fast)})
    assert fast.training.epochs < paper.training.epochs
    file = tmp_path / "run.toml"
    file.write_text('preset = "paper"\n[training]\nbatch_size = 16\n')
    config = build_config(file, ["training.learning_rate=0.001"], fast=True, training__epochs=7)
    given = {"batch_size": 16, "learning_rate": 0.001, "epochs": 7}
    assert config.training == fast.training.model_copy(update=given)


def test_a_presets_fields_are_stronger_than_fast_and_leave_its_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    presets = {"slow": {"training": {"epochs": 90}}}
    monkeypatch.setattr(GTransConfig, "presets", presets)
    expected = TrainingConfig.model_validate(GTransConfig.fast | {"epochs": 90})
    assert build_config(preset="slow", fast=True).training == expected
    assert presets == {"slow": {"training": {"epochs": 90}}}


def test_improved_learns_by_the_fast_schedule_unasked_and_refuses_fast() -> None:
    improved = build_config(preset="improved")
    for asked in ({}, {"preset": "improved"}):
        with pytest.raises(
            ConfigError, match="preset improved has a schedule of its own; leave out --fast, or"
        ):
            build_config(fast=True, **asked)
    shared = build_config(preset="paper", fast=True).training.model_copy(
        update={"epochs": improved.training.epochs}
    )
    assert improved.training == shared


@pytest.mark.parametrize("method", ["patchcore", "anotrans"])
def test_methods_without_a_fast_schedule_refuse_it(method: str) -> None:
    with pytest.raises(ConfigError, match=f"{method} has no fast schedule; leave out --fast"):
        build_config(method=method, fast=True)
    with pytest.raises(ConfigError, match="leave out --fast"):
        blemish.fit("nowhere", method=method, fast=True)


TOML = """
false_alarm_rate = 0.05
[model]
backbone = "resnet18"
layers = [2, 3]
combine = "P4"
[training]
epochs = 10
seed = 3
[frame]
resize = 128
crop = 112
"""


def test_named_options_win_over_assignments_and_those_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(TOML)
    config = build_config(
        file,
        ["training.epochs=20", "training.seed=4", "model.tfm=none", "frame.crop = 96"],
        training__epochs=30,
        model__backbone="resnet34",
        training__batch_size=None,
    )
    assert config.false_alarm_rate == 0.05
    assert (config.training.epochs, config.training.seed, config.training.batch_size) == (30, 4, 8)
    assert (config.frame.resize, config.frame.crop) == (128, 96)
    assert config.model.model_dump(include={"backbone", "layers", "combine", "tfm"}) == {
        "backbone": "resnet34",
        "layers": (2, 3),
        "combine": "P4",
        "tfm": "none",
    }


def test_an_assignment_is_a_toml_value_or_a_bare_word() -> None:
    config = build_config(
        None, ["model.layers=[1, 2]", "model.combine=P4", 'model.alpha="mse"', "model.sigma=2"]
    )
    assert isinstance(config.model, GTransConfig)
    assert (config.model.layers, config.model.combine, config.model.alpha) == ((1, 2), "P4", "mse")
    assert config.model.sigma == 2.0


def test_a_dump_holds_the_models_own_fields_and_is_read_back_equal() -> None:
    config = build_config(model__backbone="resnet18", training__seed=9)
    values = config.model_dump(mode="json")
    assert values["model"]["backbone"] == "resnet18"
    values["model"] = GTransConfig.model_validate(values["model"])
    assert RunConfig.model_validate(values) == config


@pytest.mark.parametrize(
    ("assignments", "words"),
    [
        (["training.epochs=0"], "'training.epochs': input should be greater than or equal to 1"),
        (["training.batch_size=1"], "'training.batch_size': .* greater than or equal to 2"),
        (["training.epochs=many"], "'training.epochs': .* integer"),
        (["training.learning_rate=inf"], "'training.learning_rate': .* finite"),
        (["training.learning_rate=nan"], "'training.learning_rate': "),
        (["training.seed=4294967296"], "'training.seed': .* less than or equal to 4294967295"),
        (["training.precision=fp16"], "'training.precision': .*'auto', 'fp32' or 'bf16'"),
        (["training.validation_share=1"], "'training.validation_share': .* less than 1"),
        (["training.epoch=5"], "no configuration field 'training.epoch'"),
        (["model.tokenz=5"], "no configuration field 'model.tokenz'"),
        (["epochs=5"], "no configuration field 'epochs'"),
        (["model.combine=P8"], "'model.combine': "),
        (["training.schedule=linear"], "'training.schedule': "),
        (["preset=7"], "gtrans has no preset '7'"),
        (["preset=''"], "gtrans has no preset ''"),
        (["preset=best"], "gtrans has no preset 'best'; choose one of: improved, paper"),
        (["preset=paper", "method=padim"], "padim has no presets; leave out the preset 'paper'"),
        (["model.tfm=decoder"], "'model.tfm': "),
        (["model.layers=[3, 2, 1]"], "'model': layers must be ascending"),
        (["model.layers=[1, 1, 2]"], "'model': layers must be ascending"),
        (["model.layers=[0, 1, 2]"], "'model': layers must be ascending"),
        (["model.layers=[]"], "'model': layers must be ascending"),
        (["model.layers=[2, 3]", "model.combine=P6"], "'model': combine \"P6\" needs three layers"),
        (["model.tokens=0"], "'model.tokens': "),
        (["model.tokens=100000000"], "'model.tokens': "),
        (["model.sigma=0"], "'model.sigma': "),
        (["model.alpha_lambda=inf"], "'model.alpha_lambda': .* finite"),
        (["model=3"], "'model': "),
        (["frame.crop=300"], r"'frame': crop \(300\) must not be larger"),
        (["false_alarm_rate=0"], "'false_alarm_rate': .* greater than 0"),
        (["method=anotrans", "model.channels=30"], "'model': channels must be even and a multiple of heads"),
        (["method=anotrans", "model.patch=3"], "'model.patch': .* multiple of 2"),
        (["method=anotrans", "model.skip=sca"], "'model.skip': .*'sac', 'cbam' or 'identity'"),
        (["method=anotrans", "model.tokens=8"], "no configuration field 'model.tokens'"),
        (["method=anotrans", "training=3"], "'training': "),
        (["method=ganomaly", "model.score_weight=0.5"], "no configuration field 'model.score_weight'"),
        (["method=ganomaly", "model.d_steps=0"], "'model.d_steps': .* greater than or equal to 1"),
        (["method=sagan", "model.pool=mean"], "'model.pool': .*'softpool' or 'max'"),
        (["method=sagan", "model.score_weight=1.1"], "'model.score_weight': .* less than or equal to 1"),
        (
            ["method=skip_ganomaly", "model.batchnorm_at_test=batch"],
            "'model.batchnorm_at_test': .*'instance'",
        ),
        (["training.adam_betas=[0.5, 1.0]"], r"'training.adam_betas.1': .* less than 1"),
        (["training.adam_betas=0.5"], "'training.adam_betas': "),
        (["method=nothing"], "no method 'nothing'; choose one of: .*gtrans"),
        (["method=[1]"], r"no method '\[1\]'"),
        (["training.epochs"], "takes section.field=value"),
        (["=5"], "takes section.field=value"),
        (["training.epochs.x=5"], "'training.epochs': "),
        (["training=5", "training.epochs=5"], "'training.epochs' is no field: 'training' has a value"),
    ],
)
def test_what_cannot_be_is_named_in_one_sentence(assignments: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        build_config(None, assignments)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"training = [", "is not valid TOML: "),
        (b"a = '\xff'", "is not valid TOML: "),
        (b"[trainings]\nepochs = 3", "no configuration field 'trainings'"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(content: bytes | None, words: str, tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        build_config(file)


def test_a_configuration_cannot_be_changed() -> None:
    training: Any = TrainingConfig()
    with pytest.raises(ValidationError):
        training.epochs = 5


@pytest.mark.parametrize(
    "code",
    [
        "blemish.training.config; blemish.training.config.build_config()",
        "blemish.training.config; blemish.training.config.build_config(method='anotrans')",
        "blemish.models.gan.config",
        "blemish.models.gan.config",
    ],
)
def test_building_a_configuration_does_not_import_torch(code: str) -> None:
    code = f"import sys, {code}; assert not {{'torch', 'timm'}} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
