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
from blemish.station.records import Verdict
from tests.station.learning.support import BEGIN, ScoredStation
from tests.station.support import encoded, good_part

GOOD, DEFECT = Verdict.GOOD, Verdict.DEFECT


def picture(seed: int, kind: str = "PNG") -> bytes:
    return encoded(good_part(seed), kind)


def unpack(station: ScoredStation, folder: Path) -> dict[str, bytes]:
    """Everything in the archive, by name; also unpacked into the folder."""
    file = folder / "dataset.zip"
    file.write_bytes(b"".join(dataset.stream(station)))
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        archive.extractall(folder / "data")
        return {name: archive.read(name) for name in archive.namelist()}


def labels(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_it_holds_the_files_as_they_came(station: ScoredStation, tmp_path: Path) -> None:
    (png,) = station.inspect(10, said=GOOD, image=picture(0))
    (jpeg,) = station.inspect(11, said=GOOD, image=picture(1, "JPEG"), image_type="image/jpeg")
    (bad,) = station.inspect(200, image=picture(2))
    station.judge(bad, DEFECT, 'a "scratch",\nlong; Kratzer äö')
    station.inspect(12, image=picture(3))
    found = unpack(station, tmp_path)
    table = labels(found.pop("labels.csv"))
    assert found == {
        f"train/good/{png:08}.png": picture(0),
        f"train/good/{jpeg:08}.jpg": picture(1, "JPEG"),
        f"test/defect/{bad:08}.png": picture(2),
    }
    assert [row["id"] for row in table] == [str(bad), str(jpeg), str(png)]
    assert table[0] == {
        "id": str(bad),
        "received": station.store.get(bad).received.isoformat(),
        "file": f"test/defect/{bad:08}.png",
        "feedback": "defect",
        "note": 'a "scratch",\nlong; Kratzer äö',
        "score": "200.0",
        "model": "a" * 64,
    }
    (entry,) = [
        info for info in zipfile.ZipFile(tmp_path / "dataset.zip").infolist() if info.filename.endswith("jpg")
    ]
    assert entry.compress_type == zipfile.ZIP_STORED
    assert entry.date_time[:3] == (BEGIN.year, BEGIN.month, BEGIN.day)


def test_the_same_file_counts_once_and_contradictions_and_losses_are_listed(
    station: ScoredStation, tmp_path: Path
) -> None:
    station.inspect(10, 10, said=GOOD, image=picture(0))
    station.inspect(11, image=picture(0))
    (first,) = station.inspect(12, said=GOOD, image=picture(1))
    (second,) = station.inspect(12, said=DEFECT, image=picture(1))
    (lost,) = station.inspect(13, said=GOOD, image=picture(2))
    station.files.remove([str(station.store.get(lost).image)])
    (damaged,) = station.inspect(None, said=DEFECT, image=b"garbage")
    (large,) = station.inspect(None, said=DEFECT)
    station.store.get(large)
    found = unpack(station, tmp_path)
    assert [name for name in found if name.endswith(".png")] == ["train/good/00000002.png"]
    table = {row["id"]: row["file"] for row in labels(found["labels.csv"])}
    assert table == {
        "1": "train/good/00000002.png",
        "2": "train/good/00000002.png",
        **{str(number): "" for number in (first, second, lost, damaged, large)},
    }
    assert found["missing.txt"].decode() == (
        f"{large}: it is no image that can be read\n"
        f"{damaged}: it is no image that can be read\n"
        f"{lost}: its file is gone\n"
        f"{second}: the same file was called good and a defect\n"
    )


def test_a_clock_that_was_never_set_spoils_no_archive(station: ScoredStation, tmp_path: Path) -> None:
    station.inspect(10, said=GOOD, image=picture(0), received=datetime(1970, 1, 1, tzinfo=UTC))
    assert "train/good/00000001.png" in unpack(station, tmp_path)


def test_a_note_is_no_formula(station: ScoredStation, tmp_path: Path) -> None:
    for note in ("=1+1", "- scratch", "1 = 1"):
        (number,) = station.inspect(10, image=picture(0))
        station.judge(number, GOOD, note)
    notes = [row["note"] for row in labels(unpack(station, tmp_path)["labels.csv"])]
    assert notes == ["1 = 1", "'- scratch", "'=1+1"]


def test_with_nothing_judged_there_is_only_an_empty_table(station: ScoredStation, tmp_path: Path) -> None:
    station.inspect(10, image=picture(0))
    found = unpack(station, tmp_path)
    assert list(found) == ["labels.csv"] and labels(found["labels.csv"]) == []


def test_memory_does_not_grow_with_the_archive(station: ScoredStation) -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        station.inspect(10, said=GOOD, image=rng.bytes(500_000))
    pieces = dataset.stream(station)
    next(pieces)
    tracemalloc.start()
    total = sum(map(len, pieces))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total > 19_000_000 and peak < 4_000_000


def test_what_is_judged_meanwhile_waits_for_the_next_time(station: ScoredStation) -> None:
    station.inspect(10, said=GOOD, image=picture(0))
    (late,) = station.inspect(11, image=picture(1))
    pieces = dataset.stream(station)
    station.judge(late, GOOD)
    archive = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert [name for name in archive.namelist() if name.endswith(".png")] == ["train/good/00000001.png"]
    assert len(labels(archive.read("labels.csv"))) == 1


def test_whoever_stops_early_leaves_nothing_open(station: ScoredStation) -> None:
    station.inspect(10, 11, said=GOOD, image=picture(0))
    for taken in range(1, len(list(dataset.stream(station)))):  # also in the middle of an entry
        pieces = dataset.stream(station)
        for _ in range(taken):
            assert next(pieces)
        pieces.close()


def test_a_database_that_is_gone_is_said_before_anything_is_sent(
    station: ScoredStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*args: object, **kwargs: object) -> None:
        raise Unavailable("The database is gone; bring it back.")

    monkeypatch.setattr(station.store, "select", gone)
    with pytest.raises(Unavailable, match="gone"):
        dataset.stream(station)


def test_it_is_read_as_a_dataset(station: ScoredStation, tmp_path: Path) -> None:
    for seed in range(6):
        station.inspect(10, said=GOOD, image=picture(seed))
    station.inspect(100, 101, said=DEFECT, image=picture(50))
    unpack(station, tmp_path)
    data = read_dataset(tmp_path / "data")
    assert [sample.label for sample in data.train] == [0] * 6
    assert [(sample.label, sample.defect) for sample in data.test] == [(1, "defect")]
