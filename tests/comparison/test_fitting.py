"""Files of others are left alone, a comparison without any model is none, and detectors are timed in turn."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from blemish.comparison.fitting import check_unclaimed, fit_all, scoring_speed
from blemish.comparison.methods import read_methods
from blemish.datasets import Dataset, Sample
from blemish.errors import BlemishError
from blemish.images.frame import Frame
from tests.support import BACKBONE, texture_files

PADIM = read_methods(["padim"], backbone=BACKBONE, weights="random")


@pytest.mark.parametrize(
    "name", [*(f"padim{end}" for end in (".safetensors", ".checkpoint", ".log.jsonl", ".json")), "synthetic"]
)
def test_other_files_and_synthetic_images_are_not_written_over(tmp_path: Path, name: str) -> None:
    (tmp_path / "synthetic").mkdir()
    check_unclaimed(PADIM, 1, tmp_path)
    file = tmp_path / ("synthetic/000.png" if name == "synthetic" else name)
    file.write_text("mine")
    with pytest.raises(BlemishError, match=f"{name} was not made by a comparison"):
        check_unclaimed(PADIM, 1, tmp_path)
    (tmp_path / "results").mkdir()  # a comparison was here
    (tmp_path / "padim.json").write_text('{"fit": "fingerprint"}')  # the record of a fit
    check_unclaimed(PADIM, 1, tmp_path)


def test_no_method_that_can_be_fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "blemish.comparison.fitting.run_experiments",
        lambda experiments, *_, **__: {experiments[0].fit: "It is broken."},
    )
    with pytest.raises(BlemishError, match=r"padim cannot be fitted: It is broken\."):
        fit_all(PADIM, 1, Dataset("d"), [], tmp_path)


def test_detectors_take_turns_after_one_batch_to_warm_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds, order = {"slow": 2.0, "fast": 0.25}, []

    def detector(name: str) -> Any:
        def engine(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            assert images.shape == (4, 32, 32, 3)
            order.append(name)
            return images.mean(axis=(1, 2, 3)), images.mean(axis=3)

        return SimpleNamespace(batch_size=4, frame=Frame(resize=32, crop=None), engine=engine)

    clock = "blemish.comparison.fitting.time.perf_counter"
    monkeypatch.setattr(clock, lambda: sum(seconds[name] for name in order))
    monkeypatch.setattr("blemish.comparison.fitting.LEAST_SECONDS", 0.5)
    samples = [Sample(path, 0) for path in texture_files(tmp_path, 3)]
    detectors = {name: detector(name) for name in seconds}
    assert scoring_speed(detectors, samples) == {
        "slow": [pytest.approx(2)] * 5,
        "fast": [pytest.approx(16)] * 5,
    }
    assert order == ["slow", "fast", *["slow", "fast", "fast"] * 5]
