"""Settings go to the methods that they concern."""

import pytest

from blemish.comparison.methods import read_methods
from blemish.errors import ConfigError
from blemish.images.frame import Frame
from tests.support import BACKBONE


def test_settings_go_where_they_belong() -> None:
    settings = ["model.channels=8", "training.batch_size=4", "frame.resize=64", "frame.crop=none"]
    padim, gtrans = read_methods(
        ["padim", "gtrans:paper"], assignments=settings, backbone=BACKBONE, weights="random", epochs=3
    )
    assert padim.config.model.model_dump()["channels"] == 8
    assert gtrans.config.training.epochs == 3 and gtrans.config.training.batch_size == 4
    assert gtrans.config.preset == "paper" and gtrans.config.training.seed == 0
    assert {method.config.frame for method in (padim, gtrans)} == {Frame(resize=64, crop=None)}
    assert (gtrans.stem(0), gtrans.stem(2)) == ("gtrans-paper", "gtrans-paper-seed2")


def test_methods_without_a_backbone_are_left_alone() -> None:
    ganomaly, padim = read_methods(["ganomaly", "padim"], backbone=BACKBONE, weights="random")
    assert ganomaly.weights is None and padim.weights == "random"
    assert padim.config.model.model_dump()["backbone"] == BACKBONE


def test_a_preset_that_no_method_has() -> None:
    with pytest.raises(ConfigError, match="no preset 'paper'"):
        read_methods(["padim:paper"], weights="random")
