"""Inputs as named by a user, and outputs that harm nothing."""

import errno
import io
import json
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from blemish.calibration import Calibration
from blemish.errors import BlemishError, DatasetError
from blemish.images.drawing import HeatScale
from blemish.inference.inputs import expand_inputs
from blemish.inference.outputs import predict_to_files
from blemish.inference.result import Result


class FakeDetector:
    """Scores every file that is there by the length of its path."""

    calibration = Calibration(np.arange(1.0, 20.0), 0.1)
    heat_scale = HeatScale.from_calibration(calibration)
    metadata: ClassVar = {"method": "fake"}
    can_explain = True

    def predict_many(self, paths: Iterable[str], *, batch_size: int, explain: bool) -> Iterator[Result]:
        for path in paths:
            if not Path(path).exists():
                yield Result(path, error="gone")
            else:
                score = float(len(path))
                image = np.zeros((40, 40, 3), np.uint8)
                anomaly_map = np.full((40, 40), score, np.float32)
                pictures = (image + 99, anomaly_map / score) if explain else ()
                yield Result(path, score, 0.05, True, anomaly_map, image, *pictures)


def predict(paths: list[str], **outputs: Any) -> dict[str, int]:
    return predict_to_files(FakeDetector(), paths, batch_size=4, **outputs)  # type: ignore[arg-type]


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


def test_inputs_are_files_folders_and_patterns(pictures: list[str], tmp_path: Path) -> None:
    assert list(expand_inputs(["a.png", "up"])) == ["a.png", "up/x.png"]
    assert list(expand_inputs(["*.jpg", str(tmp_path / "**" / "x.png")])) == [
        "a.jpg",
        str(tmp_path / "here/up/x.png"),
        str(tmp_path / "x.png"),
    ]


@pytest.mark.parametrize("item", ["gone.png", "*.tiff", ""])
def test_inputs_that_are_not_there_are_refused(pictures: list[str], item: str) -> None:
    with pytest.raises(DatasetError):
        list(expand_inputs([item]))


def test_a_list_on_standard_input(pictures: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a.png\n\n  up/x.png \n"))
    assert list(expand_inputs(["-"])) == ["a.png", "up/x.png"]


def test_rows_are_written_out_one_by_one(pictures: list[str]) -> None:
    seen: list[int] = []

    def count_lines() -> None:
        seen.append(len(Path("rows.csv.part").read_text(encoding="utf-8").splitlines()))
        seen.append(len(Path("rows.jsonl.part").read_text(encoding="utf-8").splitlines()))

    predict(pictures, csv_file=Path("rows.csv"), jsonl_file=Path("rows.jsonl"), advance=count_lines)
    assert seen == [2, 1, 3, 2, 4, 3, 5, 4]


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
    counts = predict(pictures, overlays=Path(), maps=Path())
    assert counts == {"images": 4, "anomalous": 4, "errors": 0}
    assert [Path(name).read_bytes() for name in pictures] == before
    overlays = sorted(str(path) for path in Path().rglob("*.heat.png"))
    assert overlays == ["a.jpg.heat.png", "a.png.heat.png", "up/x.png-2.heat.png", "up/x.png.heat.png"]
    assert len(list(Path().rglob("*.map.npy"))) == 4
    assert np.load("a.png.map.npy").shape == (40, 40)
    assert sorted(expand_inputs(["."])) == ["a.jpg", "a.png", "up/x.png"], "overlays are no inputs"


def test_explanations_are_named_like_overlays_and_are_no_inputs(pictures: list[str]) -> None:
    predict([*pictures, "gone.png"], explain=Path())
    made = sorted(str(path) for path in Path().rglob("*.explain.png"))
    assert made == [
        "a.jpg.explain.png",
        "a.png.explain.png",
        "up/x.png-2.explain.png",
        "up/x.png.explain.png",
    ]
    assert sorted(expand_inputs(["."])) == ["a.jpg", "a.png", "up/x.png"]


def test_explanations_are_refused_before_anything_is_written(
    pictures: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeDetector, "can_explain", False)
    with pytest.raises(BlemishError, match=r"This fake model gives no explanations: --explain needs"):
        predict(pictures, explain=Path("seen"), csv_file=Path("rows.csv"))
    assert not Path("seen").exists() and not list(Path().glob("rows.csv*"))


def test_a_file_takes_its_name_when_it_is_complete(pictures: list[str]) -> None:
    rows, old = Path("rows.csv"), "yesterday's"
    rows.write_text(old, encoding="utf-8")

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(pictures, csv_file=rows, advance=interrupt)
    assert rows.read_text(encoding="utf-8") == old
    assert "a.png" in Path("rows.csv.part").read_text(encoding="utf-8")
    predict([*pictures, "gone.png"], csv_file=rows)
    lines = rows.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 6 and lines[-1] == "gone.png,,,,gone"
    assert not Path("rows.csv.part").exists()


def test_a_pipe_stays_a_pipe(pictures: list[str], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []
    listener = threading.Thread(target=lambda: heard.append(pipe.read_text(encoding="utf-8")))
    listener.start()
    predict(pictures[:1], jsonl_file=pipe)
    listener.join(10)
    assert json.loads(heard[0])["path"] == "a.png"
    assert pipe.is_fifo()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("option", ["csv_file", "jsonl_file"])
def test_a_full_disk_names_the_file(pictures: list[str], option: str) -> None:
    with pytest.raises(BlemishError, match=r"^/dev/full cannot be written \(No space left on device\); make"):
        predict(pictures, **{option: Path("/dev/full")})


def test_names_that_are_not_utf_8(pictures: list[str]) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    Image.new("RGB", (40, 40)).save(os.fsencode(name).decode("latin-1"))
    predict([name], csv_file=Path("rows.csv"))
    assert b"caf\xe9.png" in Path("rows.csv").read_bytes()


def test_outputs_that_cannot_be_written_are_refused_before_scoring(
    pictures: list[str], tmp_path: Path
) -> None:
    scored: list[int] = []
    for outputs, expected in (
        ({"csv_file": tmp_path}, "is a folder"),
        ({"csv_file": tmp_path / "no" / "rows.csv"}, "cannot be written"),
        ({"csv_file": Path("o"), "jsonl_file": Path("o")}, "give two files"),
        ({"csv_file": Path("o"), "jsonl_file": Path("up/../o")}, "give two files"),
        ({"csv_file": Path("o"), "jsonl_file": Path("o").absolute()}, "give two files"),
        ({"csv_file": Path("o"), "parquet_file": "o"}, "--csv and --parquet both name"),
        ({"jsonl_file": Path("o"), "parquet_file": Path("o").absolute().as_uri()}, "give two files"),
        ({"overlays": Path("a.png")}, "cannot be made"),
        ({"explain": Path("a.png")}, "cannot be made"),
        ({"maps": Path("a.png")}, "cannot be made"),
    ):
        with pytest.raises(BlemishError, match=expected):
            predict(pictures, advance=lambda: scored.append(1), **outputs)
    assert scored == []
