"""Outputs are whole or not there, and harm nothing."""

import errno
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from blemish.errors import BlemishError
from blemish.inference.result import Result
from tests.inference.support import FakeDetector, predict


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three images in the current folder, one in a subfolder, and one beside the folder."""
    here = tmp_path / "here"
    (here / "up").mkdir(parents=True)
    monkeypatch.chdir(here)
    names = ["a.png", "a.jpg", "up/x.png", "../x.png"]
    for name in names:
        Image.new("RGB", (40, 40)).save(name)
    return names


def test_rows_are_written_out_one_by_one_whatever_the_names(pictures: list[str]) -> None:
    seen: list[int] = []

    def count_lines() -> None:
        seen.append(len(Path("rows.csv.part").read_bytes().splitlines()))
        seen.append(len(Path("rows.jsonl.part").read_bytes().splitlines()))

    name = os.fsdecode(b"caf\xe9.png")
    predict([*pictures, name], csv=Path("rows.csv"), jsonl=Path("rows.jsonl"), advance=count_lines)
    assert seen == [2, 1, 3, 2, 4, 3, 5, 4, 6, 5]
    assert Path("rows.csv").read_bytes().splitlines()[-1] == b"caf\xe9.png,,,,,gone"
    rows = [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()]
    assert [row["path"] for row in rows] == [*pictures, name]


def test_no_spreadsheet_calculates_a_name(pictures: list[str]) -> None:
    Path("a.png").rename("=1+1.png")
    predict(["=1+1.png"], csv=Path("rows.csv"), jsonl=Path("rows.jsonl"))
    assert Path("rows.csv").read_text().splitlines()[1].startswith("'=1+1.png,")
    assert json.loads(Path("rows.jsonl").read_text())["path"] == "=1+1.png"


def test_the_detector_is_told_to_stop_when_an_output_fails(
    pictures: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []
    judge = FakeDetector.predict_many

    def watched(self: FakeDetector, paths: Iterable[str], **options: Any) -> Iterator[Result]:
        try:
            yield from judge(self, paths, **options)
        finally:
            closed.append(True)

    def full(path: Path, anomaly_map: np.ndarray) -> None:
        raise OSError(errno.ENOSPC, "No space left")

    monkeypatch.setattr(FakeDetector, "predict_many", watched)
    monkeypatch.setattr(np, "save", full)
    with pytest.raises(
        BlemishError, match=r"^maps cannot be written \(No space left\); make room"
    ) as failure:
        predict(pictures, maps=Path("maps"))
    assert closed and failure.tb


def test_pictures_and_maps_never_touch_an_input_nor_each_other(pictures: list[str]) -> None:
    before = [Path(name).read_bytes() for name in pictures]
    counts = predict([*pictures, "gone.png"], overlays=Path(), explain=Path(), maps=Path())
    assert counts == {"images": 5, "anomalous": 4, "other_parts": 0, "errors": 1}
    assert [Path(name).read_bytes() for name in pictures] == before
    for suffix in (".heat.png", ".explain.png", ".map.npy"):
        made = sorted(str(path) for path in Path().rglob(f"*{suffix}"))
        assert made == [f"{name}{suffix}" for name in ("a.jpg", "a.png", "up/x.png-2", "up/x.png")]
    assert np.load("a.png.map.npy").shape == (40, 40)


def test_a_file_that_goes_before_it_is_drawn_stops_nothing(
    pictures: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Its map is written all the same."""
    judge = FakeDetector().predict_many

    class Hurried(FakeDetector):
        def predict_many(self, paths: Iterable[str], **options: Any) -> Iterator[Result]:
            for result in judge(paths, **options):
                Path(result.path).unlink()
                yield result

    counts = predict(pictures[:2], detector=Hurried(), overlays=Path("seen"), maps=Path("seen"))
    assert counts == {"images": 2, "anomalous": 2, "other_parts": 0, "errors": 0}
    assert sorted(path.name for path in Path("seen").iterdir()) == ["a.jpg.map.npy", "a.png.map.npy"]
    assert "No picture is drawn: a.png does not exist; check the path." in caplog.messages


def test_the_longest_names_stop_nobody(pictures: list[str]) -> None:
    """Nor do they share a file."""
    long = [f"{'a' * 240}{end}.jpg" for end in "xy"] + ["\N{GREEK SMALL LETTER ALPHA}" * 125 + ".png"]
    for name in long:
        Image.new("RGB", (40, 40)).save(name)
    counts = predict([*long, *pictures], overlays=Path("seen"), maps=Path("seen"))
    assert (counts["images"], counts["errors"]) == (7, 0)
    made = [path.name for path in Path("seen").rglob("*.*")]
    assert len(set(made)) == 14 and max(len(os.fsencode(name)) for name in made) <= 255


def test_a_file_takes_its_name_when_it_is_complete(pictures: list[str]) -> None:
    rows, old = Path("rows.csv"), "yesterday's"
    rows.write_text(old, encoding="utf-8")

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(pictures, csv=rows, advance=interrupt)
    assert rows.read_text(encoding="utf-8") == old
    assert "a.png" in Path("rows.csv.part").read_text(encoding="utf-8")
    predict(pictures, csv=rows)
    assert len(rows.read_text(encoding="utf-8").splitlines()) == 5
    assert not Path("rows.csv.part").exists()


NO_EXPLANATION = "This fake model gives no explanations: --explain needs"
FULL = r"^/dev/full cannot be written \(No space left on device\); make"
full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ({"csv": Path()}, "is a folder"),
        ({"csv": Path("no/rows.csv")}, "cannot be written"),
        ({"csv": Path("o"), "jsonl": Path("o")}, "give two files"),
        ({"csv": Path("o"), "jsonl": Path("up/../o")}, "give two files"),
        ({"csv": Path("o"), "parquet": "o"}, "--csv and --parquet both name"),
        ({"jsonl": Path("o"), "parquet": "file://{here}/o"}, "give two files"),
        ({"overlays": Path("a.png")}, r"Nothing can be written to a\.png \(File exists\); choose another"),
        ({"maps": Path("a.png")}, r"Nothing can be written to a\.png"),
        ({"explain": Path("seen"), "csv": Path("rows.csv")}, NO_EXPLANATION),
        pytest.param({"csv": Path("/dev/full")}, FULL, marks=full_device),
        pytest.param({"jsonl": Path("/dev/full")}, FULL, marks=full_device),
    ],
)
def test_outputs_that_cannot_be_written_are_refused_before_anything_is(
    pictures: list[str], outputs: dict[str, Any], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "parquet" in outputs:
        outputs = outputs | {"parquet": outputs["parquet"].format(here=Path.cwd())}
    monkeypatch.setattr(FakeDetector, "can_explain", False)
    before, scored = sorted(Path().iterdir()), []
    with pytest.raises(BlemishError, match=expected):
        predict(pictures, advance=lambda: scored.append(1), **outputs)
    assert sorted(Path().iterdir()) == before and scored == []
