"""blemish predict, as a user types it."""

import csv
import io
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blemish.inference.result import COLUMNS
from tests.cli.support import Command


def test_it_prints_csv_rows_and_names_bad_files(
    blemish: Command, model: Path, parts_folder: Path, tmp_path: Path
) -> None:
    good, broken = parts_folder / "test" / "good" / "000.png", tmp_path / "broken.png"
    broken.write_bytes(good.read_bytes()[:500])
    done = blemish("predict", model, broken, good)
    assert done.code == 1
    rows = list(csv.DictReader(done.out.splitlines()))
    assert [row["path"] for row in rows] == [str(broken), str(good)]
    assert "truncated" in rows[0]["error"] and rows[0]["score"] == ""
    assert rows[1]["error"] == "" and float(rows[1]["score"]) > 0 and 0 < float(rows[1]["p_value"]) <= 1
    assert "2 images:" in done.err and "1 could not be scored" in done.err
    assert "cannot support a false-alarm rate of 1 %" in done.err


def test_rows_are_utf_8_wherever_they_go_and_closed_streams_stop_nobody(
    blemish: Command, model: Path, parts_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = parts_folder / "test" / "good" / "000.png"
    for name in ("\N{GREEK SMALL LETTER ALPHA}.png", os.fsdecode(b"\xe9.png")):
        shutil.copy(good, tmp_path / name)
    for chosen in ([], ["--csv", "-"]):
        printed = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding="cp1252"))
        monkeypatch.setattr(sys, "stderr", None)
        assert blemish("predict", model, tmp_path, *chosen).code == 0
        rows = [line.split(b",")[0] for line in printed.getvalue().splitlines()]
        assert rows == [b"path", *(os.fsencode(path) for path in sorted(tmp_path.iterdir()))]
    monkeypatch.undo()
    monkeypatch.setattr(sys, "stdout", None)
    assert (
        blemish("predict", model, tmp_path).err
        == "blemish: Standard output is closed; name a file to write.\n"
    )


def test_it_writes_rows_and_pictures(
    blemish: Command, gan: Path, parts_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    listing = "\n".join(str(path) for path in sorted((parts_folder / "test" / "hole").iterdir()))
    options = ("--jsonl", "rows.jsonl", "--overlays", "seen", "--maps", "seen", "--explain", "seen", "-q")
    assert blemish("predict", gan, "-", *options, stdin=listing) == (0, "", "")
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [tuple(row) for row in rows] == [COLUMNS] * 2
    kinds = ("heat.png", "explain.png", "map.npy")
    (overlay, _), explained, (first, _) = (sorted(tmp_path.rglob(f"*.{kind}")) for kind in kinds)
    assert Image.open(overlay).size[1] > 96 and len(explained) == 2, "the picture, and below it its legend"
    anomaly_map = np.load(first)
    assert anomaly_map.shape == (96, 96) and anomaly_map.dtype == np.float32


def test_a_scale_goes_with_regions(blemish: Command, model: Path, parts_folder: Path, tmp_path: Path) -> None:
    regions = tmp_path / "regions.csv"
    done = blemish("predict", model, parts_folder / "test", "--regions", regions, "--scale", "0.05mm", "-q")
    assert done.code == 0 and regions.read_text().splitlines()[0].endswith("edge_distance_mm")
    for options, reason in (
        (("--regions", regions, "--scale", "0.05"), "0.05mm"),
        (("--scale", "1mm"), "--regions"),
        (("--side-by-side",), "--overlays"),
    ):
        refused = blemish("predict", model, parts_folder / "test", *options)
        assert refused.code == 2 and reason in refused.err and refused.out == ""
