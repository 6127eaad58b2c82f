"""blemish check, as a user types it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.support import Command
from tests.reports.support import Page, assert_harmless
from tests.support import BACKBONE, texture_files

SMALL = ["--backbone", BACKBONE, "--weights", "random", "--set", "frame.resize=64"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """20 textures; a copy, a black, a broken and a small image beside them."""
    good = tmp_path / "good"
    files = texture_files(good, 20)
    Image.open(files[3]).save(good / "copy.jpg", quality=95)
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(good / "dark.png")
    (good / "broken.png").write_bytes(b"no image")
    return good


@pytest.mark.slow
def test_it_finds_what_was_planted_and_its_list_is_one_to_exclude(
    blemish: Command,
    folder: Path,
    tmp_path: Path,
) -> None:
    page, rows, suspects = (tmp_path / name for name in ("page.html", "rows.csv", "suspects.txt"))
    out = ["--out", page, "--csv", rows, "--suspects", suspects]
    done = blemish("check", folder, *out, *SMALL)
    assert done.code == 0, done.err
    told = done.out.splitlines()
    assert told[0].startswith(f"Unreadable: 1 image, {folder / 'broken.png'} is not")
    copy = f"{folder / 'copy.jpg'} looks like {folder / '003.png'}"
    assert f"Copies, which count once: 1 image, {copy}." in told
    assert f"Dark, unlike the others: 1 image, {folder / 'dark.png'}." in told
    assert told[-1] == f"Page: {page}"
    listed = suspects.read_text().splitlines()
    assert listed[0] == str(folder / "broken.png") and str(folder / "dark.png") in listed
    table = {Path(row["path"]).name: row for row in csv.DictReader(rows.open())}
    assert len(table) == 23 and table["copy.jpg"]["copy_of"] == str(folder / "003.png")
    assert sorted(int(row["rank"]) for row in table.values() if row["rank"]) == list(range(1, 23))
    made = Page(page.read_text(encoding="utf-8"))
    assert_harmless(made)
    for text in (*told[:-1], "Oddest images", "Badly taken", "Copies", "Suspects"):
        assert text in made.text
    again = blemish("check", folder, "--out", page, "--exclude", suspects, "--json", *SMALL)
    found = json.loads(again.out)
    assert len(found["images"]) == 23 - len(listed) and not any(row["error"] for row in found["images"])


@pytest.mark.parametrize("setting", ["contamination=0.2", "tolerate=turn", "frame.align=true"])
def test_what_would_not_be_heeded_is_refused(blemish: Command, folder: Path, setting: str) -> None:
    done = blemish("check", folder, "--out", folder.parent / "page.html", *SMALL, "--set", setting)
    assert done.code == 2 and "leave out frame.align, tolerate and contamination" in done.err


def test_too_few_readable_images_are_one_sentence(
    blemish: Command,
    tmp_path: Path,
) -> None:
    (first, second) = texture_files(tmp_path / "good", 2)
    second.write_bytes(b"no image")
    done = blemish("check", first.parent, "--out", tmp_path / "page.html", *SMALL)
    assert done.code == 2 and done.err.splitlines()[-1].startswith("blemish: good has 1 good image to learn")
    assert not (tmp_path / "page.html").exists()
