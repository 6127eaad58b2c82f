"""Rows in Parquet files, local or in object storage, without Ray."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

from blemish.errors import BlemishError
from blemish.extras import install_command
from blemish.inference.detector import Detector
from blemish.inference.result import COLUMNS
from tests.inference.support import predict, same_scores

pytest.importorskip("pyarrow", reason="the extra blemish[ray] is not installed")

import pyarrow.parquet as pq
from fsspec.implementations.memory import MemoryFileSystem


def test_the_rows_are_those_of_a_prediction(detector: Detector, files: list[Path], tmp_path: Path) -> None:
    paths = [*map(str, files), os.fsdecode(bytes(tmp_path) + b"/\xff.png")]
    out = tmp_path / "rows.parquet"
    assert predict(paths, detector=detector, parquet=out.as_uri())["errors"] == 1
    table = pq.read_table(out)
    assert table.schema.names == list(COLUMNS)
    assert json.loads(table.schema.metadata[b"blemish"]) == {
        "method": "gtrans",
        "false_alarm_rate": detector.calibration.false_alarm_rate,
        "threshold": detector.calibration.threshold,
    }
    rows = table.to_pylist()
    assert [row["path"] for row in rows] == [*paths[:-1], f"{tmp_path}/\ufffd.png"]
    assert [row["error"] is None for row in rows] == [True] * 7 + [False]
    assert same_scores(rows, [result.to_row() for result in detector.predict_many(paths)])


def test_a_file_takes_its_name_when_it_is_complete(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise BlemishError("no more")

    monkeypatch.setattr("blemish.inference.parquet.GROUP", 2)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BlemishError, match="no more"):
        predict(map(str, files), parquet="other.parquet", advance=fail)
    predict(map(str, files), parquet="a::b.parquet")  # looks like a chain of storages, and is a local file
    assert len(pq.read_table("a::b.parquet")) == 7
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a::b.parquet", "other.parquet.part"]


@pytest.mark.parametrize("name", ["", "{here}", "{here}/new/", "file://", "memory://new/", "x://y"])
def test_what_is_no_file_is_refused(files: list[Path], tmp_path: Path, name: str) -> None:
    with pytest.raises(BlemishError, match=r"is a folder|is no regular file|cannot be written"):
        predict([str(files[0])], parquet=name.format(here=tmp_path))


@pytest.mark.parametrize("method", ["exists", "_open", "mv"])
def test_whatever_a_storage_raises_is_one_sentence(
    files: list[Path], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError("no such thing\nat all")

    monkeypatch.setattr(MemoryFileSystem, method, refuse)
    with pytest.raises(BlemishError, match=r"^memory://o cannot be written \(no such thing\); make room or"):
        predict([str(files[0])], parquet="memory://o")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        BlemishError, match=re.escape(f"--parquet needs pyarrow and fsspec: {install_command('ray')}")
    ):
        predict([], parquet="rows.parquet")
