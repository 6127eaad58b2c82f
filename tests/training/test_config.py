"""The configuration of a run."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from blemish.errors import ConfigError
from blemish.models.gtrans.config import GTransConfig
from blemish.training.config import TrainingConfig, build_config

TOML = """
preset = "paper"
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


def test_values_win_over_assignments_those_over_the_file_and_all_over_the_preset(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(TOML)
    config = build_config(
        file,
        ["training.epochs=20", "training.seed=4", "model.tfm=none", "frame.crop = 96"],
        {"training": {"epochs": 30, "batch_size": None}, "model": {"backbone": "resnet34"}, "preset": None},
    )
    assert (config.preset, config.false_alarm_rate) == ("paper", 0.05)
    assert (config.training.epochs, config.training.seed, config.training.batch_size) == (30, 4, 32)
    assert (config.frame.resize, config.frame.crop) == (128, 96)
    assert config.model.model_dump(include={"backbone", "layers", "combine", "tfm"}) == {
        "backbone": "resnet34",
        "layers": (2, 3),
        "combine": "P4",
        "tfm": "none",
    }
    other = build_config(file, ["method=sagan", "model={}"], {"method": "ganomaly", "frame": {"crop": 64}})
    assert (other.method, other.preset, other.frame.size) == ("ganomaly", "paper", 64)


def test_a_preset_is_the_same_after_runs_that_changed_its_values() -> None:
    before = build_config()
    assert build_config(assignments=["training.epochs=1", "model.damage=0"]) != before
    assert build_config() == before


def test_an_assignment_is_a_toml_value_or_a_bare_word() -> None:
    given = ["model.layers=[1, 2]", "model.combine=P4", 'model.alpha="mse"', "model.sigma=2"]
    config = build_config(assignments=given)
    assert isinstance(config.model, GTransConfig)
    assert (config.model.layers, config.model.combine, config.model.alpha) == ((1, 2), "P4", "mse")
    assert config.model.sigma == 2.0


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
        (["preset=best"], "gtrans has no preset 'best'; choose one of: improved, paper, paper-fast"),
        (["preset=paper", "method=padim"], "padim has no preset 'paper'; choose one of: standard"),
        (["model.tfm=decoder"], "'model.tfm': "),
        (["model.layers=[3, 2, 1]"], "'model.layers': layers must be ascending"),
        (["model.layers=[1, 1, 2]"], "'model.layers': layers must be ascending"),
        (["model.layers=[0, 1, 2]"], "'model.layers': layers must be ascending"),
        (["model.layers=[]"], "'model.layers': layers must be ascending"),
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


def test_another_seed_leaves_the_rest() -> None:
    config = build_config()
    assert config.with_seed(5) == build_config(assignments=["training.seed=5"])
    assert config.with_seed(5).with_seed(0) == config
