"""The configuration of a run."""

from pathlib import Path

import pytest

from blemish.errors import ConfigError
from blemish.models.gtrans.config import GTransConfig
from blemish.training.config import build_config

TOML = """
method = "gtrans"
preset = "paper"
false_alarm_rate = 0.05
model = {backbone = "resnet18", layers = [2, 3], combine = "P4"}
frame = {resize = 128, crop = 112}
[training]
epochs = 10
seed = 3
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
    found = config.model.model_dump()
    assert (found["backbone"], found["layers"], found["combine"]) == ("resnet34", (2, 3), "P4")
    assert found["tfm"] == "none"
    other = build_config(file, ["method=sagan", "model={}"], {"method": "ganomaly", "frame": {"crop": 64}})
    assert (other.method, other.preset, other.frame.size) == ("ganomaly", "paper", 64)


def test_a_preset_is_the_same_after_runs_that_changed_its_values() -> None:
    gtrans = {"method": "gtrans"}
    before = build_config(values=gtrans)
    assert build_config(assignments=["training.epochs=1", "model.damage=0"], values=gtrans) != before
    assert build_config(values=gtrans) == before


def test_an_assignment_is_a_toml_value_or_a_bare_word() -> None:
    given = ["model.layers=[1, 2]", "model.combine=P4", 'model.alpha="mse"', "model.sigma=2"]
    config = build_config(assignments=given, values={"method": "gtrans"})
    assert isinstance(config.model, GTransConfig)
    assert (config.model.layers, config.model.combine, config.model.alpha) == ((1, 2), "P4", "mse")
    assert config.model.sigma == 2.0


@pytest.mark.parametrize(
    ("assignments", "words"),
    [
        (["training.epochs=0"], "'training.epochs': input should be greater than or equal to 1"),
        (["training.learning_rate=inf"], "'training.learning_rate': .* finite"),
        (["training.precision=fp16"], "'training.precision': .*'auto', 'fp32' or 'bf16'"),
        (["training.epoch=5"], "no configuration field 'training.epoch'; did you mean training.epochs"),
        (
            ["preset=best"],
            "gtrans has no preset 'best'; choose one of: with-memory, improved, paper, paper-fast",
        ),
        (["model.token=5"], "'model.token' in gtrans; did you mean model.tokens"),
        (["epochs=5"], "'epochs'; did you mean training.epochs"),
        (["trainin.epochs=5"], "'trainin'; did you mean training"),
        (["preset=Paper_fast"], "no preset 'Paper_fast'; did you mean paper-fast"),
        (["preset=paper", "method=rad"], "rad has no preset 'paper'; choose one of: standard"),
        (["model.layers=[3, 2, 1]"], "'model.layers': layers must be ascending"),
        (["model.layers=[2, 3]", "model.combine=P6"], "'model': combine \"P6\" needs three layers"),
        (["model=3"], "'model': "),
        (["frame.crop=300"], r"'frame': crop \(300\) must not be larger"),
        (["false_alarm_rate=0"], "'false_alarm_rate': .* greater than 0"),
        (["method=anotrans", "model.channels=30"], "'model': channels must be even and a multiple of heads"),
        (
            ["method=sagan", "frame.aspect=2"],
            r"sagan takes square images, not 192 x 96 pixels; set frame.aspect=1",
        ),
        (["method=ganomaly", "model.score_weight=0.5"], "no configuration field 'model.score_weight'"),
        (["training.adam_betas=[0.5, 1.0]"], r"'training.adam_betas.1': .* less than 1"),
        (["method=nothing"], "no method 'nothing'; choose one of: .*gtrans"),
        (["training.epochs"], "takes section.field=value"),
        (["training.epochs.x=5"], "'training.epochs': "),
        (["training=5", "training.epochs=5"], "'training.epochs' is no field: 'training' has a value"),
    ],
)
def test_what_cannot_be_is_named_in_one_sentence(assignments: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        build_config(None, ["method=gtrans", *assignments])
    assert "\n" not in str(caught.value) and str(caught.value).endswith((".", "?"))


OUT_OF_RANGE = {
    "gtrans": (
        *("training.batch_size=1", "training.epochs=many", "training.learning_rate=nan"),
        *("training.seed=4294967296", "training.validation_share=1", "training.schedule=linear"),
        *("training.adam_betas=0.5", "model.combine=P8", "model.tfm=decoder", "model.layers=[0, 1, 2]"),
        *("model.tokens=0", "model.tokens=100000000", "model.sigma=0", "model.alpha_lambda=inf"),
    ),
    "anotrans": ("model.patch=3", "model.skip=sca", "model.score_weight=1.1", "training=3"),
    "ganomaly": ("model.d_steps=0",),
    "sagan": ("model.pool=mean", "model.batchnorm_at_test=batch"),
}


@pytest.mark.parametrize(
    ("method", "text"), [(method, text) for method, texts in OUT_OF_RANGE.items() for text in texts]
)
def test_a_value_out_of_range_is_named_by_its_field(method: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"^Configuration field '{text.partition('=')[0]}': "):
        build_config(None, [f"method={method}", text])


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


def test_what_is_tolerated_is_a_text_or_a_list() -> None:
    assert build_config(assignments=["tolerate=light"]).tolerate == ("light",)
    assert build_config(values={"tolerate": "place,light"}).tolerate == ("light", "place")
    assert build_config(values={"tolerate": ["place"]}) == build_config(assignments=["tolerate=place"])
    with pytest.raises(ConfigError, match=r"'tolerate.0': input should be 'light', 'place' or 'turn'\.$"):
        build_config(values={"tolerate": "glare"})
