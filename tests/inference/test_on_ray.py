"""Rows from a Ray of this machine are those of a plain prediction, whatever happens to its workers."""

import csv
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from blemish.errors import BlemishError
from blemish.inference.detector import Detector
from blemish.inference.inputs import expand_inputs
from tests.inference.support import Row, same_scores
from tests.support import texture_files

pytest.importorskip("ray", reason="the extra blemish[ray] is not installed")
pytest.importorskip("pyarrow", reason="the extra blemish[ray] is not installed")

from blemish.inference import on_ray
from blemish.inference.on_ray import DetectorOnRay

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 images in two folders, two of which cannot be read; a name is no text."""
    root = tmp_path_factory.mktemp("new")
    texture_files(root / "a", 30, seed=1)
    texture_files(root / "b" / "c", 28, seed=2)
    (root / "a" / "broken.png").write_bytes(b"no picture")
    Path(os.fsdecode(bytes(root) + b"/b/\xff.png")).touch()
    return root


@pytest.fixture(scope="module")
def paths(folder: Path) -> list[str]:
    return list(expand_inputs([str(folder)]))


@pytest.fixture(scope="module")
def expected(exported: Path, paths: list[str]) -> list[Row]:
    detector = Detector.load(exported, threads=1)
    return [result.to_row() for result in detector.predict_many(paths, consecutive=True)]


def rows_on_ray(detector: DetectorOnRay, paths: list[str]) -> list[Row]:
    return [result.to_row() for result in detector.predict_many(paths, batch_size=16)]


def test_rows_of_files_and_urls_are_those_of_a_plain_prediction(
    ray_here: None, exported: Path, folder: Path, paths: list[str], expected: list[Row]
) -> None:
    detector = DetectorOnRay(exported, workers=1)
    assert rows_on_ray(detector, []) == []
    urls = list(expand_inputs([folder.as_uri()]))
    rows = rows_on_ray(detector, paths + urls)
    assert [row["path"] for row in rows] == paths + urls and len(paths) == len(urls) == 60
    assert [row["error"] for row in rows[:60]] == [row["error"] for row in expected]
    assert sum(bool(row["error"]) for row in rows[:60]) == 2
    assert same_scores(rows[:60], expected)
    by_name = {row["path"]: row for row in expected}
    assert same_scores(rows[60:], [by_name[url.removeprefix("file://")] for url in urls])


def test_a_killed_worker_loses_no_row(
    ray_here: None, exported: Path, paths: list[str], expected: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_ray, "IMAGES", 32)
    results = DetectorOnRay(exported, workers=2).predict_many(paths * 20, batch_size=16)
    first = next(results)
    killed, *_ = workers_in_a_block()
    os.kill(killed, signal.SIGKILL)
    rows = [first.to_row(), *(result.to_row() for result in results)]
    assert not Path(f"/proc/{killed}").exists()
    assert [row["path"] for row in rows] == paths * 20
    assert same_scores(rows, expected * 20)


def test_images_whose_worker_always_dies_end_the_run(
    ray_here: None, exported: Path, paths: list[str]
) -> None:
    def kill_three_times() -> None:
        for _ in range(3):
            killed, *_ = workers_in_a_block()
            os.kill(killed, signal.SIGKILL)
            while Path(f"/proc/{killed}/cmdline").exists():
                time.sleep(0.01)

    detector = DetectorOnRay(exported, workers=1)
    threading.Thread(target=kill_three_times, daemon=True).start()
    with pytest.raises(BlemishError, match=r"^Workers died 3 times on the same 256 images; [^\n]*$"):
        rows_on_ray(detector, paths * 15)


def workers_in_a_block() -> list[int]:
    """Processes below this one that score at this moment, by the title that Ray gives them."""
    found: list[int] = []
    while not found:
        time.sleep(0.02)
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                title = (process / "cmdline").read_bytes()
                scores = title.startswith(b"ray::MapWorker") and b".submit" in title
                if scores and _is_ours(int(process.name)):
                    found.append(int(process.name))
    return found


def _is_ours(pid: int) -> bool:
    while pid > 1:
        if pid == os.getpid():
            return True
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        pid = int(status.rpartition(")")[2].split()[1])
    return False


def test_what_cannot_be_had_is_one_sentence(ray_here: None, exported: Path) -> None:
    with pytest.raises(BlemishError, match=r"^The engine torch runs \.safetensors files, not model\.onnx;"):
        DetectorOnRay(exported, engine="torch")
    with pytest.raises(BlemishError, match=r"^The cluster has 2 cores and \d GPUs, room for 1 such workers"):
        DetectorOnRay(exported, workers=2, threads=2)
    with pytest.raises(BlemishError, match="must be between 0 and 1"):
        DetectorOnRay(exported, false_alarm_rate=0.0)


def test_the_command_as_a_user_types_it(
    exported: Path, folder: Path, expected: list[Row], tmp_path: Path
) -> None:
    out = tmp_path / "rows.csv"
    command = [sys.executable, "-m", "blemish", "predict", exported, folder]
    done = subprocess.run(
        [*command, "--on", "ray", "--workers", "1", "--csv", out],
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"},
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    first, *rest = done.stderr.splitlines()
    assert first.startswith("60 images: ") and first.endswith(" 2 could not be scored.")
    assert len(rest) == 1 and "cannot support a false-alarm rate" in rest[0], "Ray says nothing"
    with out.open(encoding="utf-8", errors="surrogateescape") as file:
        assert [row["path"] for row in csv.DictReader(file)] == [row["path"] for row in expected]
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]
