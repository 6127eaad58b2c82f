"""A result is validated once and draws itself."""

import numpy as np
import pytest

from blemish.images.drawing import HeatScale, attention_overlay, overlay
from blemish.inference.result import Result

SCALE = HeatScale(1.0, 8.0)
PICTURE, REDRAWN = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
MAP = np.random.default_rng(1).random((32, 32), dtype=np.float32) * 4


def test_it_draws_what_it_has() -> None:
    mask, attention = MAP > 3, MAP / 4
    plain = Result("a.png", 4.0, 0.1, True, MAP, PICTURE)
    assert (plain.overlay(SCALE) == overlay(PICTURE, MAP, SCALE)).all()
    assert list(plain.pictures(SCALE)) == ["input", "heat map"]
    shown = Result("a.png", 4.0, 0.1, True, MAP, PICTURE, REDRAWN, attention)
    whole = shown.pictures(SCALE, mask)
    assert list(whole) == ["input", "reconstruction", "error map", "Grad-CAM (own scale)"]
    assert (whole["reconstruction"] == REDRAWN).all()
    assert (whole["error map"] == shown.overlay(SCALE, mask)).all()
    assert (whole["Grad-CAM (own scale)"] == attention_overlay(PICTURE, attention)).all()


def test_an_error_has_nothing_to_draw_and_what_contradicts_itself_is_refused() -> None:
    unreadable = Result("a.png", error="unreadable")
    nothing = dict.fromkeys(("score", "p_value", "is_anomalous"))
    assert unreadable.to_row() == {"path": "a.png", **nothing, "error": "unreadable"}
    for draw in (unreadable.overlay, unreadable.pictures):
        with pytest.raises(ValueError, match="unreadable"):
            draw(SCALE)
    for wrong in ({}, {"score": 1.0, "error": "gone"}):
        with pytest.raises(ValueError, match="either a score or an error"):
            Result("a.png", **wrong)
    with pytest.raises(ValueError, match=r"\[H, W\]"):
        Result("a.png", 1.0, anomaly_map=MAP[None])
