"""Settings go to the methods that they concern."""

from blemish.comparison.methods import read_methods
from blemish.images.frame import Frame
from tests.support import BACKBONE


def test_settings_go_where_they_belong() -> None:
    padim, gtrans, ganomaly = read_methods(
        ["padim", "gtrans:paper", "ganomaly"],
        assignments=["model.channels=8", "training.batch_size=4", "frame.resize=64", "frame.crop=none"],
        backbone=BACKBONE,
        weights="random",
        epochs=3,
    )
    assert padim.config.model.model_dump().items() >= {"channels": 8, "backbone": BACKBONE}.items()
    assert gtrans.config.training.epochs == 3 and gtrans.config.training.batch_size == 4
    assert gtrans.config.preset == "paper" and gtrans.config.training.seed == 0
    assert {method.config.frame for method in (padim, gtrans, ganomaly)} == {Frame(resize=64, crop=None)}
    assert (gtrans.stem(0), gtrans.stem(2)) == ("gtrans-paper", "gtrans-paper-seed2")
    assert ganomaly.weights is None and padim.weights == "random"
