"""Rows from a Ray of this machine are those of a plain prediction, whatever happens to its workers."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from blemish.errors import BlemishError, ConfigError
from blemish.inference.cluster import connected
from blemish.inference.inputs import expand_inputs
from blemish.inference.outputs import predict_to_files
from tests.inference.predicted import BATCH, same_score, same_scores
from tests.inference.predicted import expected as expected
from tests.inference.predicted import folder as folder
from tests.inference.predicted import model as model

pytest.importorskip("ray", reason="the extra blemish[ray] is not installed")
pytest.importorskip("pyarrow", reason="the extra blemish[ray] is not installed")

import pyarrow.parquet as pq

from blemish.inference import on_ray as prediction_on_ray
from blemish.inference.on_ray import DetectorOnRay


@pytest.fixture(scope="module")
def ray_here() -> Iterator[None]:
    with connected("ray", cpus=2):
        yield


def rows_on_ray(detector: DetectorOnRay, paths: list[str]) -> list[dict[str, object]]:
    return [result.to_row() for result in detector.predict_many(paths, batch_size=BATCH)]


def test_rows_are_those_of_a_plain_prediction_for_any_number_of_workers(
    ray_here: None, model: Path, folder: Path, expected: list[dict[str, object]]
) -> None:
    paths = list(expand_inputs([str(folder)]))
    assert len(paths) == 300 and sum(bool(row["error"]) for row in expected) == 2
    two = rows_on_ray(DetectorOnRay(model, workers=2), paths)
    assert [row["path"] for row in two] == paths
    assert [row["error"] for row in two] == [row["error"] for row in expected]
    assert same_scores(two, expected)
    assert two == rows_on_ray(DetectorOnRay(model, workers=1), paths)


def test_urls_are_read_by_the_workers_and_parquet_is_written_here(
    ray_here: None, model: Path, folder: Path, expected: list[dict[str, object]], tmp_path: Path
) -> None:
    urls = list(expand_inputs([folder.as_uri()]))
    out = tmp_path / "rows.parquet"
    counts = predict_to_files(
        DetectorOnRay(model, false_alarm_rate=0.3),  # type: ignore[arg-type]
        urls,
        batch_size=BATCH,
        parquet_file=out.as_uri(),
    )
    assert counts["images"] == 300 and counts["errors"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]
    table = pq.read_table(out)
    assert table.schema.names == ["path", "score", "p_value", "is_anomalous", "error"]
    assert json.loads(table.schema.metadata[b"blemish"])["false_alarm_rate"] == 0.3
    by_name = {str(row["path"]): row["score"] for row in expected}
    for row in table.to_pylist():
        path = row["path"].removeprefix("file://")
        if "\ufffd" not in path:
            assert same_score(row["score"], by_name[path])
        assert (
            (row["score"] is None) == (row["error"] is not None) == path.endswith(("broken.png", "empty.png"))
        )


def test_a_killed_worker_loses_no_row(
    ray_here: None,
    model: Path,
    folder: Path,
    expected: list[dict[str, object]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prediction_on_ray, "IMAGES", 32)
    paths = list(expand_inputs([str(folder)])) * 10
    results = DetectorOnRay(model, workers=2).predict_many(paths, batch_size=BATCH)
    first = next(results)
    killed, *_ = workers_in_a_block()
    os.kill(killed, signal.SIGKILL)
    rows = [first.to_row(), *(result.to_row() for result in results)]
    assert not Path(f"/proc/{killed}").exists()
    assert [row["path"] for row in rows] == paths
    assert same_scores(rows, expected * 10)


def test_images_whose_worker_always_dies_end_the_run(ray_here: None, model: Path, folder: Path) -> None:
    def kill_three_times() -> None:
        for _ in range(3):
            killed, *_ = workers_in_a_block()
            os.kill(killed, signal.SIGKILL)
            while Path(f"/proc/{killed}/cmdline").exists():
                time.sleep(0.01)

    detector = DetectorOnRay(model, workers=1)
    killer = threading.Thread(target=kill_three_times, daemon=True)
    killer.start()
    with pytest.raises(BlemishError, match=r"^Workers died 3 times on the same 256 images; ") as failure:
        rows_on_ray(detector, list(expand_inputs([str(folder)])) * 3)
    assert len(str(failure.value).splitlines()) == 1


def test_room_is_counted_machine_by_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    machines = [{"CPU": 3.0, "GPU": 4.0}, {"CPU": 3.0}, {}]
    nodes = [{"Alive": True, "Resources": machine} for machine in machines]
    gone = {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}
    monkeypatch.setattr(prediction_on_ray.ray, "nodes", lambda: [*nodes, gone])
    assert prediction_on_ray._room({"num_cpus": 2, "num_gpus": 0}, None) == 2
    assert prediction_on_ray._room({"num_cpus": 1, "num_gpus": 1}, None) == 3
    with pytest.raises(ConfigError, match=r"has 6 cores and 4 GPUs, room for 2 such workers"):
        prediction_on_ray._room({"num_cpus": 2, "num_gpus": 0}, 3)


def workers_in_a_block() -> list[int]:
    """Processes below this one that score at this moment, by the title that Ray gives them."""
    found: list[int] = []
    while not found:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                title = (process / "cmdline").read_bytes()
                if (
                    title.startswith(b"ray::MapWorker")
                    and b".submit" in title
                    and _is_ours(int(process.name))
                ):
                    found.append(int(process.name))
    return found


def _is_ours(pid: int) -> bool:
    while pid > 1:
        if pid == os.getpid():
            return True
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        pid = int(status.rpartition(")")[2].split()[1])
    return False


def test_what_a_worker_cannot_load_is_one_sentence(ray_here: None, model: Path) -> None:
    with pytest.raises(BlemishError, match=r"^The engine torch runs \.safetensors files, not model\.onnx;"):
        DetectorOnRay(model, engine="torch")
    with pytest.raises(ConfigError, match=r"^The cluster has 2 cores and \d GPUs, room for 1 such workers"):
        DetectorOnRay(model, workers=2, threads=2)
    with pytest.raises(ConfigError, match="must be between 0 and 1"):
        DetectorOnRay(model, false_alarm_rate=0.0)


def test_no_paths_give_no_rows(ray_here: None, model: Path) -> None:
    assert rows_on_ray(DetectorOnRay(model), []) == []


def blemish(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "blemish", "predict", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"},
        timeout=120,
    )


def test_the_command_as_a_user_types_it(
    model: Path, folder: Path, expected: list[dict[str, object]], tmp_path: Path
) -> None:
    out = tmp_path / "rows.parquet"
    done = blemish(
        model, folder, "--on", "ray", "--workers", "1", "--parquet", out, "--csv", tmp_path / "r.csv"
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    first, *rest = done.stderr.splitlines()
    assert first.startswith("300 images: ") and first.endswith(" 2 could not be scored.")
    assert len(rest) == 1 and "cannot support a false-alarm rate" in rest[0], "Ray says nothing"
    with (tmp_path / "r.csv").open(encoding="utf-8", errors="surrogateescape") as file:
        assert [row["path"] for row in csv.DictReader(file)] == [row["path"] for row in expected]
    assert same_scores(pq.read_table(out).to_pylist(), expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.csv", "rows.parquet"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--workers", "2"], "--workers goes with --on"),
        (["--on", "ray", "--overlays", "o"], "--overlays does not go with --on"),
        (["--on", "ray", "--csv", "gone/o.csv"], "gone/o.csv cannot be written (there is no folder gone)"),
        (["--on", "spark"], "--on is ray or ray://host:port, not 'spark'"),
        (["--on", "ray://head"], "--on is ray or ray://host:port, not 'ray://head'"),
        (["--on", "ray://127.0.0.1:1"], "Nobody answers at ray://127.0.0.1:1"),
    ],
)
def test_what_makes_no_sense_is_refused(model: Path, folder: Path, options: list[str], reason: str) -> None:
    done = blemish(model, folder, *options)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(f"blemish: {reason}") and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("package", ["ray", "pyarrow"])
def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=r'pip install "blemish\[ray\]"'), connected("ray"):
        pass
