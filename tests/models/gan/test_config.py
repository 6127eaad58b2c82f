"""The configuration of the reconstructing GANs: the papers' values, and the frames they can take."""

from typing import Any

import pytest

from blemish.errors import ConfigError
from blemish.models.gan.config import AnoTransConfig
from blemish.training.config import build_config
from tests.models.gan.support import every_method


@every_method
def test_the_papers_values_are_the_defaults(method: str) -> None:
    config = build_config(values={"method": method})
    training, model = config.training, config.model
    assert training.epochs == (15 if method == "ganomaly" else 25)
    assert training.batch_size == (32 if method == "anotrans" else 64)
    assert (training.learning_rate, training.adam_betas) == (2e-4, (0.5, 0.999))
    assert (training.lr_decay, training.weight_decay) == (1.0, 0.0)
    assert (training.validation_share, training.select) == (0.1, "last")
    assert (config.frame.resize, config.frame.crop, config.frame.size) == (128, None, 128)
    found: dict[str, Any] = model.model_dump()
    assert [found[f"{name}_weight"] for name in ("adversarial", "contextual", "latent")] == [1, 50, 1]
    assert found["d_steps"] == (2 if method == "anotrans" else 1)
    assert found["restart_discriminator"] is (method != "anotrans")
    assert (found["sigma"], found["batchnorm_at_test"]) == (4.0, "eval")
    if method != "ganomaly":
        assert (found["score_weight"], found["latent_trains_discriminator"]) == (0.9, True)
    if isinstance(model, AnoTransConfig):
        assert (model.patch, model.channels, model.heads, model.window) == (2, 64, 4, 2)
        assert (model.attention, model.skip, model.input_norm) == ("window", "sac", True)


@pytest.mark.parametrize(
    ("method", "fields", "taken", "refused", "words"),
    [
        ("anotrans", {}, (32, 96, 224), (40, 48, 272), "patch 2 and window 2 takes images of 32, 64, 96, "),
        ("anotrans", {"patch": 4}, (32, 64, 128), (48, 80, 96), "patch 4 and window 2 takes images of 32, "),
        ("anotrans", {"attention": "global"}, (32, 48, 80), (40, 72), "takes images of 32, 48, 64, "),
        ("ganomaly", {}, (32, 64, 256), (48, 96, 224), "takes images of 32, 64, 128, ... pixels"),
        ("skip_ganomaly", {}, (32, 64, 256), (48, 96, 224), "takes images of 32, 64, 128, ... pixels"),
        ("sagan", {}, (32, 48, 96, 224), (40, 72, 100), "takes images of a multiple of 16 pixels"),
    ],
)
def test_frames_that_a_method_cannot_take_are_refused_with_those_it_can(
    method: str, fields: dict[str, Any], taken: tuple[int, ...], refused: tuple[int, ...], words: str
) -> None:
    def size_of(**frame: int) -> int:
        return build_config(values={"method": method, "model": fields, "frame": frame}).frame.size

    for size in taken:
        assert size_of(resize=size) == size_of(resize=300, crop=size) == size
    for size in refused:
        with pytest.raises(ConfigError, match=rf"^{method} .*{words}.*, not {size}; set frame\.resize\.$"):
            size_of(resize=size)
