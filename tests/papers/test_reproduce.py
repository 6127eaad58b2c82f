"""A sweep trains nothing twice, goes on after every interruption, and tells what it could not do."""

import fcntl
import json
import logging
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from blemish.errors import BlemishError
from blemish.experiments.run import Place
from blemish.papers.output.summary import Summary
from blemish.papers.reproduce import reproduce
from tests.experiments.support import interrupt

Sweep = tuple[list[Summary], Path]


def command(options: dict[str, Any], table: str, cells: str, out: Path) -> list[str]:
    words = [sys.executable, "-m", "blemish", "reproduce", table, "--cells", cells, "--out", str(out)]
    for name, option in (("data", "--data"), ("weights", "--weights"), ("assignments", "--set")):
        words += [word for text in options[name] for word in (option, text)]
    words += ["--categories", ",".join(options["categories"]), "--backbone", options["backbone"]]
    return [*words, "--epochs", str(options["epochs"])]


def results(out: Path) -> dict[str, Any]:
    """By fingerprint, everything that does not depend on the clock."""
    found = {}
    for file in (out / "results").glob("*.json"):
        one = json.loads(file.read_text(encoding="utf-8"))
        curve = [[epoch["loss"], epoch["validation_loss"]] for epoch in one["curve"]]
        found[one["fingerprint"]] = one["measured"], one["images"], curve
    return found


@pytest.fixture
def copy(sweep: Sweep, tmp_path: Path) -> Path:
    return shutil.copytree(sweep[1], tmp_path / "copy")


@pytest.mark.slow
class TestSweep:
    def test_rows_share_a_training_what_is_asked_for_is_kept_and_nothing_is_done_twice(
        self, sweep: Sweep, options: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        (seven, four), out = sweep
        assert [set(one.results["fingerprint"]) for one in (seven, four)] == [
            set(results(out)),
            {seven.results["fingerprint"][1]},  # p6 and with-tfm are the same
        ]
        assert seven.results["fit"].nunique() == 1 and len(seven.results["curve"][0]) == 30
        assert seven.changes[-1] == "training.precision is fp32 instead of auto."
        assert not seven.missing and seven.cell("p4", "mvtec/screw", "image_auroc").measured > 0
        (model,) = (out / "runs").glob("*.safetensors")
        assert model.name.startswith("gtrans-mvtec-screw-seed0-")
        assert len(list((out / "runs" / "maps").glob("**/*.npy"))) == 2 * 10
        before = results(out)
        with caplog.at_level(logging.INFO, "blemish"):
            (again,) = reproduce(["gtrans-7"], cells=["p4", "p6"], out=out, **options)
        assert caplog.messages == ["1 of 1 fits are done already."]
        assert results(out) == before and not again.missing

    def test_kept_weights_serve_another_scoring_and_damaged_ones_are_made_afresh(
        self, sweep: Sweep, options: dict[str, Any], copy: Path
    ) -> None:
        (model,) = (copy / "runs").glob("*.safetensors")
        written = model.stat().st_mtime_ns
        reproduce(["gtrans-6"], cells=["alpha-fixed"], out=copy, **options)
        assert model.stat().st_mtime_ns == written and len(results(copy)) == 3
        model.write_bytes(b"damaged")
        model.with_suffix(".checkpoint").write_bytes(b"damaged")
        shutil.rmtree(copy / "results")
        (summary,) = reproduce(["gtrans-7"], cells=["p4"], out=copy, **options)
        assert not summary.missing
        assert results(copy).items() <= results(sweep[1]).items()

    def test_stopped_killed_and_finished_with_another_scoring(
        self, sweep: Sweep, options: dict[str, Any], tmp_path: Path
    ) -> None:
        words = command(options, "gtrans-7", "p5", tmp_path)
        (model,) = (sweep[1] / "runs").glob("*.safetensors")
        checkpoint = tmp_path / "runs" / f"{model.stem}.checkpoint"
        code, said = interrupt(words, checkpoint, signal.SIGINT)
        assert code == 1 and said.splitlines()[-1] == "Stopped; the same command goes on from there."
        assert checkpoint.exists()
        assert interrupt(words, checkpoint, signal.SIGKILL)[0] == -signal.SIGKILL
        assert results(tmp_path) == {}
        reproduce(["gtrans-7"], cells=["p4", "p6"], out=tmp_path, **options)
        assert results(tmp_path) == results(sweep[1])  # of an undisturbed one
        assert not [path.name for path in (tmp_path / "runs").iterdir() if path.suffix not in ("", ".lock")]

    def test_what_cannot_be_had_is_told_beside_the_rest(self, options: dict[str, Any], copy: Path) -> None:
        words = command(options | {"categories": ["screw", "bottle"]}, "gtrans-7", "p4,p6", copy)
        done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
        told = f"1 category (bottle), all rows, seed 0: {options['data'][0][6:]} has no such folder."
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert f"gtrans-7: {told}" in done.stderr and told.replace("_", "\\_") in done.stdout
        assert "training.epochs is 30 instead of 300." in done.stdout and "98.3" in done.stdout
        assert {path.suffix for path in copy.glob("gtrans-7.*")} == {".csv", ".html", ".md", ".tex"}

    def test_a_test_image_that_cannot_be_used(self, options: dict[str, Any], copy: Path) -> None:
        for file in (copy / "results").glob("*.json"):
            stored = json.loads(file.read_text())
            stored["images"][3] |= {"score": None, "error": "It is damaged."}
            file.write_text(json.dumps(stored))
        (summary,) = reproduce(["gtrans-7"], cells=["p4"], out=copy, **options)
        assert summary.results.empty
        assert summary.missing[0].reason == "A test image cannot be used: It is damaged."


def test_a_training_that_fails_and_rows_that_are_quoted_only_are_told(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "blemish.papers.reproduce.run_experiments",
        lambda experiments, *_, **__: {one.fit: "Training collapsed." for one in experiments},
    )
    (summary,) = reproduce(["gtrans-4"], cells=["with-tfm"], out=tmp_path, **options)
    assert summary.results.empty and summary.missing[0].reason == "Training collapsed."
    with pytest.raises(BlemishError, match="Nothing of gtrans-1 can be measured: these rows are quoted only"):
        reproduce(["gtrans-1"], cells=["anogan"], data=options["data"], out=tmp_path)


def test_a_second_sweep_in_the_same_place_is_refused(options: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with (tmp_path / "runs" / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(BlemishError, match=f"Another sweep is at work in {tmp_path}; wait for it"):
            reproduce(["gtrans-4"], out=tmp_path, **options)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"tables": ["gtrans-9"]}, "There is no table 'gtrans-9'; did you mean gtrans-"),
        ({"cells": ["with"]}, "there is no 'with' in gtrans-4; did you mean with"),
        ({"assignments": ["model.tokenz=3"]}, "none of gtrans; did you mean model.tokens"),
        ({"assignments": ["method=padim"]}, "method cannot be set"),
        ({"assignments": ["training.seed=3"]}, "training.seed cannot be set"),
        ({"assignments": ["preset=improved"]}, "preset cannot be set"),
        ({"place": Place("nonsense")}, "--on is local, ray or ray://host:port, not 'nonsense'"),
        ({"place": Place(gpus=1)}, "--gpus is for --on ray"),
        ({"place": Place("ray://a:1", workers=2)}, "--workers is for this machine"),
        ({"place": Place(cpus=0)}, "--cpus must be at least 1"),
        (
            {"categories": ["nut"]},
            "--categories: there is no 'nut' in gtrans-4; did you mean hazelnut or metal_nut?",
        ),
        ({"categories": ["bottle"]}, "Nothing of gtrans-4 can be measured: "),
        ({"seeds": 0}, "--seeds must be at least 1"),
        ({"keep": ["all"]}, "--keep takes weights or maps"),
        ({"weights": ["missing.safetensors"]}, "missing.safetensors"),
    ],
)
def test_refusals(options: dict[str, Any], tmp_path: Path, changed: Any, message: str) -> None:
    with pytest.raises(BlemishError) as error:
        reproduce(**{"tables": ["gtrans-4"], "out": tmp_path / "out"} | options | changed)
    assert message in str(error.value)
    assert not (tmp_path / "out").exists()
