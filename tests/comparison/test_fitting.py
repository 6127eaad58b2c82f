"""Files that no comparison made are left alone, and a comparison without any model is none."""

from pathlib import Path

import pytest

from blemish.comparison.fitting import check_unclaimed, fit_all
from blemish.comparison.methods import read_methods
from blemish.datasets import Dataset
from blemish.errors import BlemishError
from blemish.experiments.experiment import Experiment
from tests.support import BACKBONE

PADIM = read_methods(["padim"], backbone=BACKBONE, weights="random")


@pytest.mark.parametrize("ending", [".safetensors", ".checkpoint", ".log.jsonl", ".json"])
def test_other_files_are_not_written_over(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"padim{ending}").write_text("mine")
    with pytest.raises(BlemishError, match=f"padim{ending} was not made by a comparison"):
        check_unclaimed(PADIM, 1, tmp_path)


def test_files_with_a_record_of_their_fit_are(tmp_path: Path) -> None:
    (tmp_path / "padim.safetensors").write_text("of a comparison")
    (tmp_path / "padim.json").write_text('{"fit": "fingerprint"}')
    check_unclaimed(PADIM, 1, tmp_path)


def test_other_synthetic_images_are_not_written_over(tmp_path: Path) -> None:
    drawn = tmp_path / "synthetic" / "000.png"
    drawn.parent.mkdir()
    check_unclaimed(PADIM, 1, tmp_path)
    drawn.write_text("mine")
    with pytest.raises(BlemishError, match="synthetic was not made by a comparison"):
        check_unclaimed(PADIM, 1, tmp_path)
    (tmp_path / "results").mkdir()  # a comparison was here
    check_unclaimed(PADIM, 1, tmp_path)


def test_no_method_that_can_be_fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(experiments: list[Experiment], *_: object, **__: object) -> dict[str, str]:
        return {experiments[0].fit: "It is broken."}

    monkeypatch.setattr("blemish.comparison.fitting.run_experiments", fail)
    with pytest.raises(BlemishError, match=r"padim cannot be fitted: It is broken\."):
        fit_all(PADIM, 1, Dataset("d"), [], tmp_path)
