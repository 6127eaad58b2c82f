"""300 new images and their rows by a plain prediction.

Test files import the fixtures by name: as a plugin they would take the place of others' `model` and `folder`.
"""

import os
from pathlib import Path

import pytest

from blemish.export import export_model
from blemish.inference.detector import Detector
from blemish.inference.inputs import expand_inputs
from tests.support import small_fit, texture_files

BATCH = 16


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    _, fitted = small_fit(tmp_path_factory.mktemp("model"))
    exported = fitted.with_suffix(".onnx")
    export_model(fitted, exported)
    return exported


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 images in two folders, more than a worker takes at once; one is broken, one empty, one hidden."""
    root = tmp_path_factory.mktemp("new")
    texture_files(root / "a", 200, seed=1)
    texture_files(root / "b" / "c", 97, seed=2)
    (root / "a" / "broken.png").write_bytes(b"no picture")
    (root / "b" / "empty.png").touch()
    (root / "b" / "note.txt").touch()
    (root / ".hidden.png").touch()
    Path(os.fsdecode(bytes(root) + b"/b/\xff.png")).write_bytes((root / "a" / "000.png").read_bytes())
    return root


@pytest.fixture(scope="module")
def expected(model: Path, folder: Path) -> list[dict[str, object]]:
    detector = Detector.load(model, threads=1)
    paths = list(expand_inputs([str(folder)]))
    return [result.to_row() for result in detector.predict_many(paths, consecutive=True)]


def same_scores(rows: list[dict[str, object]], expected: list[dict[str, object]]) -> bool:
    """To rounding; where paths are spelt otherwise, errors are too."""
    return len(rows) == len(expected) and all(
        row["p_value"] == other["p_value"]
        and row["is_anomalous"] == other["is_anomalous"]
        and bool(row["error"]) == bool(other["error"])
        and same_score(row["score"], other["score"])
        for row, other in zip(rows, expected, strict=True)
    )


def same_score(score: object, other: object) -> bool:
    return score is None if other is None else score == pytest.approx(other, rel=1e-5)
