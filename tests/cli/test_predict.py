"""blemish predict, as a user types it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.support import Command


def test_it_prints_csv_rows_and_names_bad_files(
    blemish: Command, model: Path, parts: Path, tmp_path: Path
) -> None:
    good, broken = parts / "test" / "good" / "000.png", tmp_path / "broken.png"
    broken.write_bytes(good.read_bytes()[:500])
    done = blemish("predict", model, broken, good)
    assert done.code == 1
    rows = list(csv.DictReader(done.out.splitlines()))
    assert [row["path"] for row in rows] == [str(broken), str(good)]
    assert "truncated" in rows[0]["error"] and rows[0]["score"] == ""
    assert rows[1]["error"] == "" and float(rows[1]["score"]) > 0 and 0 < float(rows[1]["p_value"]) <= 1
    assert "2 images:" in done.err and "1 could not be scored" in done.err
    assert "cannot support a false-alarm rate of 1 %" in done.err


def test_it_writes_rows_overlays_and_maps(
    blemish: Command, model: Path, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    listing = "\n".join(str(path) for path in sorted((parts / "test" / "hole").iterdir()))
    options = ("--jsonl", "rows.jsonl", "--overlays", "seen", "--maps", "maps", "--quiet")
    assert blemish("predict", model, "-", *options, stdin=listing) == (0, "", "")
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [set(row) for row in rows] == [{"path", "score", "p_value", "is_anomalous", "error"}] * 3
    overlays, maps = (
        sorted(tmp_path.glob(f"{folder}/**/*.{kind}")) for folder, kind in (("seen", "png"), ("maps", "npy"))
    )
    assert len(overlays) == len(maps) == 3
    assert Image.open(overlays[0]).size == (64, 64)
    loaded = np.load(maps[0])
    assert loaded.shape == (64, 64) and loaded.dtype == np.float32
    assert loaded.max() == pytest.approx(rows[0]["score"])


def test_a_gan_explains_itself(blemish: Command, gan: Path, parts: Path, tmp_path: Path) -> None:
    picture = parts / "test" / "hole" / "000.png"
    done = blemish("predict", gan, picture, "--explain", tmp_path, "--quiet")
    assert done.code == 0, done.err
    assert [path.name for path in tmp_path.rglob("*.png")] == ["000.png.explain.png"]
