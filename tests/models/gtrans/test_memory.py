"""GTrans's map and a memory bank's, added."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import blemish
from blemish.errors import BlemishError
from blemish.export import export_model
from blemish.models.base import images_to_tensor
from blemish.models.gtrans.memory import SHARE
from blemish.models.memory_bank.rad import RAD
from tests.support import small_fit, texture_dataset, textures

MEMORY = {"memory": True}


def test_the_maps_of_both_are_added_each_in_units_of_its_peaks(tmp_path: Path) -> None:
    detector, _ = small_fit(tmp_path, model=MEMORY)
    engine: Any = detector.engine
    model, images = engine.model, images_to_tensor(textures(3, seed=7))
    with torch.inference_mode():
        f_g, f_m = model.features(images)
        trans = model.anomaly_map(f_g, f_m)
        bank = model.memory.bank.judge([functional.avg_pool2d(f, 3, 1, 1) for f in f_g[1:]])
        scores, maps = model(images)
    expected = SHARE * trans / model.memory.units[0] + bank / model.memory.units[1]
    torch.testing.assert_close(maps, expected)
    torch.testing.assert_close(scores, expected.amax(dim=(1, 2)))
    assert (model.memory.units > 0).all() and len(model.memory.bank.gallery) == 8, "the held-out one too"


def test_each_image_gives_its_peak_while_the_bank_leaves_it_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out: list[list[int]] = []
    leave_out = RAD.leave_out

    def noted(bank: RAD, rows: np.ndarray) -> None:
        left_out.append(rows.tolist())
        leave_out(bank, rows)

    monkeypatch.setattr(RAD, "leave_out", noted)
    small_fit(tmp_path, model=MEMORY)
    (held_out,) = {*range(8)} - {row for rows in left_out[:7] for row in rows}
    assert left_out[7:] == [[], [held_out], []], "while it calibrates"


def test_it_is_saved_and_loaded_and_has_agn_once(tmp_path: Path) -> None:
    detector, out = small_fit(tmp_path, model=MEMORY)
    image = textures(1, seed=9)[0]
    assert blemish.load(out).predict(image).score == detector.predict(image).score
    engine: Any = detector.engine
    assert not [name for name in engine.model.state_dict() if name.startswith("memory.bank.features")]


@pytest.mark.slow
def test_it_is_exported_and_integers_are_calibrated_on_images_that_are_left_out(tmp_path: Path) -> None:
    detector, out = small_fit(tmp_path, model=MEMORY)
    with pytest.raises(BlemishError, match="lacks good images that the model was fitted to"):
        export_model(
            out, tmp_path / "m.onnx", int8=True, calibrate=texture_dataset(tmp_path / "others", 4, 9)
        )
    images = texture_dataset(tmp_path / "images", 8, 0)
    report = export_model(out, tmp_path / "m.onnx", int8=True, calibrate=images)
    assert {row.engine for row in report.rows} >= {"torch", "onnxruntime"}
    (score,), (other,) = (one.calibration.scores for one in (blemish.load(tmp_path / "m.onnx"), detector))
    assert score == pytest.approx(other, rel=0.2), "a remembered image would have nearly none"
