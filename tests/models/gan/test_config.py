"""The configuration of the reconstructing GANs: their own defaults, and the frames they can take."""

from pathlib import Path

import pytest

from blemish.errors import ConfigError
from blemish.models.gan.config import AnoTransConfig
from blemish.training.config import RunConfig, build_config

GANS = ("anotrans", "ganomaly", "sagan", "skip_ganomaly")


@pytest.mark.parametrize("method", GANS)
def test_the_reconstructing_methods_bring_defaults_of_their_own(method: str) -> None:
    config = build_config(method=method)
    training = config.training
    assert training.epochs == (15 if method == "ganomaly" else 25)
    assert training.batch_size == (32 if method == "anotrans" else 64)
    assert (training.learning_rate, training.adam_betas) == (2e-4, (0.5, 0.999))
    assert (training.lr_decay, training.weight_decay) == (1.0, 0.0)
    assert (training.validation_share, training.select) == (0.1, "last")
    assert (config.frame.resize, config.frame.crop, config.frame.size) == (128, None, 128)
    assert (config.method, config.false_alarm_rate) == (method, 0.01)


def test_the_other_methods_defaults_leave_gtranss_alone() -> None:
    before = build_config()
    for method in GANS:
        build_config(method=method)
    assert build_config(method="gtrans") == build_config() == before
    assert (before.training.adam_betas, before.training.select) == ((0.9, 0.999), "best")


def test_anotrans_is_the_papers() -> None:
    model = build_config(method="anotrans").model
    assert isinstance(model, AnoTransConfig)
    assert (model.patch, model.channels, model.heads, model.window) == (2, 64, 4, 2)
    assert (model.attention, model.skip, model.input_norm) == ("window", "sac", True)
    assert (model.adversarial_weight, model.contextual_weight, model.latent_weight) == (1, 50, 1)
    assert (model.d_steps, model.score_weight, model.sigma) == (2, 0.9, 4.0)
    assert (model.restart_discriminator, model.latent_trains_discriminator) == (False, True)
    assert model.batchnorm_at_test == "eval"


GAN_TOML = """
method = "anotrans"
[model]
skip = "cbam"
[training]
learning_rate = 1e-3
adam_betas = [0.9, 0.99]
seed = 3
[frame]
resize = 64
"""


def test_a_file_assignments_and_named_fields_win_over_a_methods_defaults(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(GAN_TOML)
    config = build_config(
        file,
        ["training.select=best", "training.learning_rate=5e-4", "model.d_steps=3", "frame.crop=32"],
        training__epochs=7,
        training__batch_size=None,
    )
    training, model = config.training, config.model
    assert (training.learning_rate, training.adam_betas, training.seed) == (5e-4, (0.9, 0.99), 3)
    assert (training.select, training.epochs) == ("best", 7)
    assert (training.batch_size, training.lr_decay, training.validation_share) == (32, 1.0, 0.1)
    assert (config.frame.resize, config.frame.crop) == (64, 32)
    assert isinstance(model, AnoTransConfig) and (model.skip, model.d_steps) == ("cbam", 3)
    other = build_config(file, ["method=sagan", "model={}"], method="ganomaly", frame__resize=32)
    assert (other.method, other.frame.size, other.training.batch_size) == ("ganomaly", 32, 64)


@pytest.mark.parametrize("method", GANS)
def test_what_a_gan_file_says_is_read_back_equal(method: str) -> None:
    config = build_config(None, ["model.d_steps=3", "frame.resize=64"], method=method)
    values = config.model_dump(mode="json")
    assert values["model"]["d_steps"] == 3 and values["frame"] == {"resize": 64, "crop": None}
    values["model"] = type(config.model).model_validate(values["model"])
    assert RunConfig.model_validate(values) == config


@pytest.mark.parametrize(
    ("method", "fields", "taken", "refused"),
    [
        ("anotrans", (), (32, 64, 96, 224), (40, 48, 100, 256 + 16)),
        ("anotrans", ("model.patch=4",), (32, 64, 128), (48, 80, 96)),
        ("anotrans", ("model.attention=global",), (32, 48, 80), (40, 72)),
        ("ganomaly", (), (32, 64, 128, 256), (48, 96, 160, 224)),
        ("skip_ganomaly", (), (32, 64, 128, 256), (48, 96, 160, 224)),
        ("sagan", (), (32, 48, 96, 224), (40, 72, 100)),
    ],
)
def test_frames_that_a_method_cannot_take_are_refused_with_those_it_can(
    method: str, fields: tuple[str, ...], taken: tuple[int, ...], refused: tuple[int, ...]
) -> None:
    for size in taken:
        assert build_config(None, fields, method=method, frame__resize=size).frame.size == size
        cropped = build_config(None, fields, method=method, frame__resize=300, frame__crop=size)
        assert cropped.frame.size == size
    for size in refused:
        with pytest.raises(ConfigError, match=rf"^{method} .*takes .* pixels, not {size}; set frame\.resize"):
            build_config(None, fields, method=method, frame__resize=size)
