"""From fitting to rows: a picture of another part is told beside its verdict."""

import csv
from pathlib import Path

import pytest

from blemish.api import evaluate
from blemish.datasets import read_dataset
from blemish.datasets.drawn import generate
from blemish.inference.detector import Detector
from blemish.training.config import build_config
from blemish.training.fit import fit
from tests.inference.support import predict
from tests.support import BACKBONE


@pytest.fixture(scope="module")
def metal(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of drawn parts and a model of them."""
    root = tmp_path_factory.mktemp("metal")
    folder = generate(root / "parts", train=20, test=3, size=96)
    frame = {"resize": 64, "crop": None}
    values = {"method": "patchcore", "model": {"backbone": BACKBONE}, "frame": frame}
    fit(read_dataset(str(folder)), build_config(values=values), root / "metal.safetensors", weights="random")
    return folder, root / "metal.safetensors"


def test_rows_say_which_pictures_show_another_part(metal: tuple[Path, Path], tmp_path: Path) -> None:
    folder, model = metal
    fabric = generate(tmp_path / "fabric", texture="fabric", train=4, test=1, size=96)
    own = [str(path) for path in sorted(folder.glob("test/*/*.png"))]
    others = [str(path) for path in sorted(fabric.glob("train/good/*.png"))]
    detector = Detector.load(model)
    assert predict(own + others, detector=detector, csv=tmp_path / "rows.csv")["other_parts"] == 4
    with (tmp_path / "rows.csv").open() as file:
        told = [row["is_other_part"] for row in csv.DictReader(file)]
    assert told == ["false"] * len(own) + ["true"] * 4


def test_an_evaluation_counts_the_good_ones(metal: tuple[Path, Path], tmp_path: Path) -> None:
    folder, model = metal
    fabric = generate(tmp_path / "fabric", texture="fabric", train=2, test=3, size=96)
    detector = Detector.load(model)
    found = evaluate(detector, good=fabric / "test/good", bad=folder / "test/hole")
    assert [row["is_other_part"] for row in found.images] == [True] * 3 + [False] * 3
    assert any(note.startswith("3 images look as a whole unlike") for note in found.notes)
    assert not any("unlike" in note for note in evaluate(detector, str(folder)).notes)


def test_a_defect_may_look_like_another_part(metal: tuple[Path, Path], tmp_path: Path) -> None:
    folder, model = metal
    fabric = generate(tmp_path / "fabric", texture="fabric", train=2, test=3, size=96)
    found = evaluate(Detector.load(model), good=folder / "test/good", bad=fabric / "test/hole")
    assert [row["is_other_part"] for row in found.images] == [False] * 3 + [True] * 3
    assert not any("unlike" in note for note in found.notes)
