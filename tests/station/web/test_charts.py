"""Drawings stay inside their frame, and their colours can be read."""

import re
from datetime import UTC, datetime
from importlib import resources

import numpy as np
import pytest
from PIL import ImageColor

from blemish.calibration import Calibration
from blemish.station.records import Point
from blemish.station.web import charts


def test_long_histories_are_thinned_to_their_extremes() -> None:
    scores = np.random.default_rng(0).random(50_000)
    kept = charts.thinned(scores)
    assert len(kept) <= charts.MOST_POINTS and kept == sorted(kept)
    assert {int(scores.argmin()), int(scores.argmax())} <= set(kept)
    assert charts.thinned(scores[:2000]) == list(range(2000))


@pytest.mark.parametrize(
    "scores", [[3.0], [0.0, 0.0], [-5.0, 2.0], [1e-9, 1e6], [1e-30, 2e-30], [7e30, 8e30]]
)
def test_charts_stay_inside_their_frame(scores: list[float]) -> None:
    given = {"received": datetime.now(UTC), "feedback": None}
    points = [Point(id=at, score=score, is_anomalous=score > 1, **given) for at, score in enumerate(scores)]
    for draw in (charts.history_chart, charts.distribution_chart):
        svg = draw(points, Calibration(np.array(scores), 0.1))
        assert "nan" not in svg and "inf" not in svg
        x, y, height = (
            np.array(re.findall(rf'\b(?:{name})="([-\d.]+)"', svg), float)
            for name in ("x|cx|x1", "y|cy|y1", "height")
        )
        assert ((x >= 0) & (x <= charts.SIZE["width"])).all() and (height >= 0).all()
        assert ((y >= -1) & (y <= charts.SIZE["height"])).all()


def test_colours_can_be_read() -> None:
    style = (resources.files("blemish.station.web") / "static" / "station.css").read_text()
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]+);", part)) for part in style.split("@media", 2)[:2]
    )
    for scheme in (light, light | dark):
        for ground in ("paper", "wash", "press"):
            for ink in ("ink", "muted", "good-ink", "bad-ink"):
                assert contrast(scheme[ink], scheme[ground]) >= 4.5, (ink, ground)
        for fill in ("good-fill", "bad-fill", "none-fill"):
            assert contrast("#ffffff", scheme[fill]) >= 4.5, fill
        for mark in ("good", "bad", "edge"):
            assert contrast(scheme[mark], scheme["paper"]) >= 3, mark
        for ink, wash in (("good-ink", "good-wash"), ("ink", "warn-wash"), ("down-ink", "down-wash")):
            assert contrast(scheme[ink], scheme[wash]) >= 4.5, wash


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG, 1 to 21."""
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def luminance(colour: str) -> float:
    shares = np.array(ImageColor.getrgb(colour)) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))
