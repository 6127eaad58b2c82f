"""Judged images as a data set: what comes out is what a fit takes."""

import csv
import io
import tracemalloc
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from blemish.datasets import read_dataset
from blemish.station.errors import Unavailable
from blemish.station.learning import dataset
from blemish.station.recipe import Recipe
from blemish.station.records import Verdict
from tests.station.learning.support import inspect, judge
from tests.station.support import encoded, good_part

GOOD, DEFECT = Verdict.GOOD, Verdict.DEFECT


def picture(seed: int, kind: str = "PNG") -> bytes:
    return encoded(good_part(seed), kind)


def unpacked(recipe: Recipe) -> tuple[dict[str, bytes], list[dict[str, str]], zipfile.ZipFile]:
    """The files in the archive by name, the rows of its table, and itself."""
    archive = zipfile.ZipFile(io.BytesIO(b"".join(dataset.stream(recipe))))
    assert archive.testzip() is None
    files = {name: archive.read(name) for name in archive.namelist()}
    return files, list(csv.DictReader(io.StringIO(files.pop("labels.csv").decode(), newline=""))), archive


def test_it_holds_the_files_as_they_came_and_is_read_as_a_dataset(recipe: Recipe, tmp_path: Path) -> None:
    never_set = datetime(1970, 1, 2, tzinfo=UTC)
    (png,) = inspect(recipe, 10, said=GOOD, image=picture(0), received=never_set)
    (jpeg,) = inspect(recipe, 11, said=GOOD, image=picture(1, "JPEG"), image_type="image/jpeg")
    (bad,) = inspect(recipe, 200, image=picture(2))
    judge(recipe, bad, DEFECT, 'a "scratch",\nlong; Kratzer äö')
    inspect(recipe, 12, image=picture(3))
    files, table, archive = unpacked(recipe)
    assert files == {
        f"train/good/{png:08}.png": picture(0),
        f"train/good/{jpeg:08}.jpg": picture(1, "JPEG"),
        f"test/defect/{bad:08}.png": picture(2),
    }
    assert [row["id"] for row in table] == [str(bad), str(jpeg), str(png)]
    assert table[0] == {
        "id": str(bad),
        "received": recipe.store.get(bad).received.isoformat(),
        "recipe": "grey",
        "lot": "",
        "serial": "",
        "file": f"test/defect/{bad:08}.png",
        "feedback": "defect",
        "feedback_by": "command line",
        "defect_kind": "",
        "note": 'a "scratch",\nlong; Kratzer äö',
        "score": "200.0",
        "model": recipe.models.active.fingerprint,
        "verdict": "",
        "decided_by": "",
    }
    entry = archive.getinfo(f"train/good/{jpeg:08}.jpg")
    assert entry.compress_type == zipfile.ZIP_STORED and entry.date_time[:3] == (2026, 3, 31)
    archive.extractall(tmp_path / "data")
    data = read_dataset(tmp_path / "data")
    assert [sample.label for sample in data.train] == [0, 0]
    assert [(sample.label, sample.defect) for sample in data.test] == [(1, "defect")]


def test_the_same_file_counts_once_and_contradictions_and_losses_are_listed(recipe: Recipe) -> None:
    inspect(recipe, 10, 10, said=GOOD, image=picture(0))
    inspect(recipe, 11, image=picture(0))
    (first,) = inspect(recipe, 12, said=GOOD, image=picture(1))
    (second,) = inspect(recipe, 12, said=DEFECT, image=picture(1))
    (lost,) = inspect(recipe, 13, said=GOOD, image=picture(2))
    recipe.files.remove([str(recipe.store.get(lost).image)])
    (damaged,) = inspect(recipe, None, said=DEFECT, image=b"garbage")
    files, table, _ = unpacked(recipe)
    assert [name for name in files if name.endswith(".png")] == ["train/good/00000002.png"]
    once = dict.fromkeys(("1", "2"), "train/good/00000002.png")
    assert {row["id"]: row["file"] for row in table} == once | {
        str(number): "" for number in (first, second, lost, damaged)
    }
    assert files["missing.txt"].decode() == (
        f"{damaged}: it is no image that can be read\n"
        f"{lost}: its file is gone\n"
        f"{second}: the same file was called good and a defect\n"
    )


def test_a_note_is_no_formula(recipe: Recipe) -> None:
    for note in ("=1+1", "- scratch", "1 = 1"):
        judge(recipe, *inspect(recipe, 10, image=picture(0)), GOOD, note)
    assert [row["note"] for row in unpacked(recipe)[1]] == ["1 = 1", "'- scratch", "'=1+1"]


def test_memory_does_not_grow_with_the_archive(recipe: Recipe) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        inspect(recipe, 10, said=GOOD, image=rng.bytes(500_000))
    pieces = dataset.stream(recipe)
    next(pieces)
    tracemalloc.start()
    total = sum(map(len, pieces))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total > 9_500_000 and peak < 4_000_000


def test_it_is_of_the_moment_it_is_asked_for(recipe: Recipe) -> None:
    (late,) = inspect(recipe, 11, image=picture(1))
    pieces = dataset.stream(recipe)
    judge(recipe, late, GOOD)
    archive = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert archive.namelist() == ["labels.csv"] and archive.read("labels.csv").count(b"\n") == 1
    (recipe.files.folder / "station.sqlite").unlink()
    with pytest.raises(Unavailable, match="gone"):
        dataset.stream(recipe)  # before anything is sent


def test_whoever_stops_early_leaves_nothing_open(recipe: Recipe) -> None:
    inspect(recipe, 10, 11, said=GOOD, image=picture(0))
    for taken in range(1, len(list(dataset.stream(recipe)))):  # also in the middle of an entry
        pieces = dataset.stream(recipe)
        assert all(next(pieces) for _ in range(taken))
        pieces.close()
