"""A sweep as a user types it, interrupted in every way: it gives the same table."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from blemish.experiments.job import run_job
from blemish.experiments.places import Places
from blemish.experiments.store import Store
from blemish.papers.run import benchmark

from blemish.errors import BlemishError, ConfigError
from blemish.papers.tasks import Wishes
from tests.support import BACKBONE

SMALL = (
    "model.tokens=3", "model.token_dim=16", "frame.resize=64", "frame.crop=64",
    "training.batch_size=4", "training.precision=fp32", "training.checkpoint_seconds=0",
)  # fmt: skip
WISHES = Wishes(30, BACKBONE, SMALL)
ROWS = "without-tfm,with-tfm"

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def mvtec(parts_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mvtec")
    shutil.copytree(parts_folder, folder / "screw")
    return folder


def command(mvtec: Path, out: Path, *more: str, table: str = "gtrans-4") -> list[str]:
    words = [sys.executable, "-m", "blemish", "benchmark", table, "--data", str(mvtec), "--out", str(out)]
    words += ["--categories", "screw", "--backbone", BACKBONE, "--weights", "random", "--epochs", "30"]
    return [*words, *(word for text in SMALL for word in ("--set", text)), *more]


def results(out: Path) -> dict[str, Any]:
    """By fingerprint, everything that does not depend on the clock."""
    with sqlite3.connect(out / "results.sqlite") as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM results").fetchall()
    return {
        row["fingerprint"]: (
            row["metrics"],
            row["scores"],
            row["labels"],
            [[epoch["loss"], epoch["validation_loss"]] for epoch in json.loads(row["curve"])],
        )
        for row in rows
    }


def without_cost(markdown: str) -> str:
    head, rest = markdown.split("## Time")
    return head + rest[rest.index("## ") :]


def wait_for(condition: Callable[[], bool], running: "subprocess.Popen[str] | None" = None) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline and (running is None or running.poll() is None)
        time.sleep(0.05)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As many as a training has by default: the last digits depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def undisturbed(mvtec: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A whole sweep, and what it printed."""
    out = tmp_path_factory.mktemp("undisturbed")
    done = subprocess.run(command(mvtec, out), capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert "[2/2] gtrans-4" in done.stderr
    return out, done.stdout


class TestSweep:
    def test_it_leaves_tables_and_results(self, undisturbed: tuple[Path, str]) -> None:
        out, printed = undisturbed
        assert {path.name for path in out.iterdir()} == {
            "gtrans-4.csv", "gtrans-4.html", "gtrans-4.md", "gtrans-4.tex", "results.sqlite", "runs",
        }  # fmt: skip
        assert [path.name for path in (out / "runs").iterdir()] == ["lock"]
        assert len(results(out)) == 2
        assert "training.epochs is 30 instead of 300." in printed and "99.0" in printed

    def test_nothing_is_done_twice(self, undisturbed: tuple[Path, str], mvtec: Path) -> None:
        out, _ = undisturbed
        before = (out / "results.sqlite").read_bytes()
        said: list[str] = []
        (summary,) = benchmark(
            ["gtrans-4"], data=[str(mvtec)], categories=["screw"], wishes=WISHES, weights=["random"], out=out,
            say=said.append,
        )  # fmt: skip
        assert said == ["2 of 2 trainings are done already."]
        assert (out / "results.sqlite").read_bytes() == before and not summary.missing

    def test_killed_and_finished(self, undisturbed: tuple[Path, str], mvtec: Path, tmp_path: Path) -> None:
        words = command(mvtec, tmp_path, "--workers", "1")
        running = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, text=True)
        wait_for(lambda: any(tmp_path.glob("runs/*/model.checkpoint")), running)
        (lock,) = tmp_path.glob("runs/*/lock")
        worker = int(lock.read_text())
        running.kill()
        os.kill(worker, signal.SIGKILL)
        running.wait()
        assert results(tmp_path) == {}
        done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
        assert results(tmp_path) == results(undisturbed[0])
        assert without_cost(done.stdout) == without_cost(undisturbed[1])

    def test_a_caller_killed_alone_leaves_a_worker_that_makes_room(
        self, undisturbed: tuple[Path, str], mvtec: Path, tmp_path: Path
    ) -> None:
        words = command(mvtec, tmp_path, "--cells", "with-tfm")
        running = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, text=True)
        wait_for(lambda: any(tmp_path.glob("runs/*/model.checkpoint")), running)
        running.kill()
        running.wait()
        done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
        (one,) = results(tmp_path).items()
        assert one in results(undisturbed[0]).items()

    def test_ctrl_c(self, mvtec: Path, tmp_path: Path) -> None:
        running = subprocess.Popen(
            command(mvtec, tmp_path),
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        wait_for(lambda: len(list(tmp_path.glob("runs/*/model.checkpoint"))) == 2, running)
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=60)
        assert running.returncode == 1
        assert told.splitlines()[-1] == "Stopped; the same command goes on from there."
        for lock in tmp_path.glob("runs/*/lock"):
            with pytest.raises(ProcessLookupError):
                os.kill(int(lock.read_text()), 0)


class TestOneTraining:
    """Table 7: six scorings of one training."""

    @pytest.fixture(scope="class")
    @classmethod
    def kept(cls, mvtec: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
        out, said = tmp_path_factory.mktemp("kept"), []
        benchmark(
            ["gtrans-7", "gtrans-4"], data=[f"mvtec={mvtec}"], categories=["screw"], out=out,
            cells=["p4", "p6", "with-tfm"], wishes=Wishes(1, BACKBONE, SMALL), weights=[f"{BACKBONE}=random"],
            keep=["weights", "maps"], say=said.append,
        )  # fmt: skip
        return out, said

    def test_it_is_trained_once(self, kept: tuple[Path, list[str]]) -> None:
        out, said = kept
        assert [text[:5] for text in said] == ["[1/1]"]
        assert len(results(out)) == 2  # p6 and with-tfm are the same

    def test_scorings_are_what_a_fit_with_them_gives(
        self, kept: tuple[Path, list[str]], mvtec: Path, one_thread: None
    ) -> None:
        import blemish

        detector = blemish.fit(
            mvtec / "screw", method="gtrans", preset="paper", backbone=BACKBONE, weights="random", epochs=1,
            assignments=[*SMALL, "model.combine=P4"],
        )  # fmt: skip
        wanted = blemish.evaluate(detector, mvtec / "screw")
        scores = [json.loads(one[1]) for one in results(kept[0]).values()]
        assert [row["score"] for row in wanted.images] in scores

    def test_weights_and_maps_are_kept_on_request(self, kept: tuple[Path, list[str]]) -> None:
        (folder,) = (kept[0] / "runs").glob("gtrans*")
        assert folder.name.startswith("gtrans-mvtec-screw-seed0-")
        assert (folder / "model.safetensors").is_file()
        assert len(list(folder.glob("maps/*/**/*.npy"))) == 2 * 10

    def test_kept_weights_are_not_trained_again(
        self, kept: tuple[Path, list[str]], mvtec: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder,) = (kept[0] / "runs").glob("gtrans*")
        before = (folder / "model.safetensors").stat().st_mtime_ns
        benchmark(
            ["gtrans-6"], data=[str(mvtec)], categories=["screw"], cells=["alpha-fixed"], out=kept[0],
            wishes=Wishes(1, BACKBONE, SMALL), weights=["random"],
        )  # fmt: skip
        assert (folder / "model.safetensors").stat().st_mtime_ns == before
        assert len(results(kept[0])) == 3

    def test_damaged_files_are_made_afresh(
        self, kept: tuple[Path, list[str]], mvtec: Path, tmp_path: Path
    ) -> None:
        (folder,) = (kept[0] / "runs").glob("gtrans*")
        copied = shutil.copytree(folder, tmp_path / "runs" / folder.name)
        (copied / "model.safetensors").write_bytes(b"damaged")
        (copied / "model.checkpoint").write_bytes(b"damaged")
        (summary,) = benchmark(
            ["gtrans-7"], data=[str(mvtec)], categories=["screw"], cells=["p4"], out=tmp_path,
            wishes=Wishes(1, BACKBONE, SMALL), weights=["random"],
        )  # fmt: skip
        assert not summary.missing
        (one,) = results(tmp_path).items()
        assert one in results(kept[0]).items()


def test_an_unfinished_training_serves_other_scorings(mvtec: Path, tmp_path: Path) -> None:
    words = command(mvtec, tmp_path, table="gtrans-7")
    running = subprocess.Popen([*words, "--cells", "p4,p5"], stderr=subprocess.DEVNULL, text=True)
    wait_for(lambda: any(tmp_path.glob("runs/*/model.checkpoint")), running)
    (lock,) = tmp_path.glob("runs/*/lock")
    os.kill(int(lock.read_text()), signal.SIGKILL)
    assert running.wait(60) == 1
    done = subprocess.run([*words, "--cells", "p5"], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert len(results(tmp_path)) == 1


def test_a_second_sweep_in_the_same_place_is_refused(mvtec: Path, tmp_path: Path) -> None:
    running = subprocess.Popen(
        command(mvtec, tmp_path), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, text=True
    )
    wait_for(lambda: any(tmp_path.glob("runs/*/lock")), running)
    with pytest.raises(BlemishError, match=f"Another sweep is at work in {tmp_path}; wait for it"):
        benchmark(
            ["gtrans-4"], data=[str(mvtec)], categories=["screw"], wishes=WISHES, weights=["random"],
            out=tmp_path,
        )  # fmt: skip
    running.kill()
    running.wait()


class TestFailures:
    def test_what_cannot_be_had_is_told_and_the_rest_measured(self, mvtec: Path, tmp_path: Path) -> None:
        words = command(mvtec, tmp_path, table="gtrans-3")
        words[words.index("--categories") + 1] = "screw,bottle"
        words[words.index("--epochs") + 1] = "1"
        done = subprocess.run(
            [*words, "--cells", "layers-23,layers-123"],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 1, done.stderr
        told = f"1 category (bottle), all rows, seed 0: {mvtec} has no such folder."
        assert f"gtrans-3: {told}" in done.stderr and told in done.stdout
        assert len(results(tmp_path)) == 2 and "Traceback" not in done.stderr

    def test_a_training_that_fails_is_not_kept(self, mvtec: Path, tmp_path: Path) -> None:
        too_large = Wishes(1, BACKBONE, (*SMALL, "training.learning_rate=1e30"))
        (summary,) = benchmark(
            ["gtrans-4"], data=[str(mvtec)], categories=["screw"], cells=["with-tfm"], wishes=too_large,
            weights=["random"], out=tmp_path,
        )  # fmt: skip
        assert summary.missing and results(tmp_path) == {}

    def test_another_version_of_the_worker_is_refused(self) -> None:
        with pytest.raises(
            BlemishError, match=r"This worker has blemish .* and the caller 0.0; install the same"
        ):
            run_job({"code": "0.0"})

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (
                {"cells": ["with"]},
                "--cells: there is no 'with' in gtrans-4; choose from without-tfm, with-tfm",
            ),
            ({"wishes": Wishes(1, BACKBONE, ("model.tokenz=3",))}, "model.tokenz concerns none of gtrans"),
            ({"places": Places("nonsense")}, "--on is local, ray or ray://host:port, not 'nonsense'"),
            ({"categories": ["nut"]}, "--categories: there is no 'nut' in gtrans-4; choose from carpet,"),
            ({"seeds": 0}, "--seeds must be at least 1"),
            ({"keep": ["all"]}, "--keep takes weights or maps"),
            ({"data": []}, "gtrans-4 needs --data"),
            ({"weights": ["missing.safetensors"]}, "missing.safetensors"),
            ({"store": "nowhere://x"}, "--store is a file or a database URL"),
            ({"store": "sqlite:////nowhere/x.sqlite"}, "sqlite:////nowhere/x.sqlite cannot be reached"),
        ],
    )
    def test_refusals(self, mvtec: Path, tmp_path: Path, options: dict[str, Any], message: str) -> None:
        given = {"data": [str(mvtec)], "categories": ["screw"], "wishes": WISHES, "weights": ["random"]}
        with pytest.raises(BlemishError) as error:
            benchmark(["gtrans-4"], out=tmp_path / "out", **given | options)
        assert message in str(error.value)

    def test_an_unknown_table(self, mvtec: Path) -> None:
        with pytest.raises(ConfigError, match="There is no table 'gtrans-9'; choose one of: gtrans-1"):
            benchmark(["gtrans-9"], data=[str(mvtec)])

    def test_a_store_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("no database " * 1000)
        with pytest.raises(BlemishError, match=r"notes.txt cannot be reached \(file is not a database\)"):
            Store(tmp_path / "notes.txt")
