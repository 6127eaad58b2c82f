"""blemish evaluate, as a user types it."""

import json
from pathlib import Path

from tests.cli.support import Command


def test_it_prints_the_documented_json_and_writes_the_report(
    blemish: Command, model: Path, parts: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    done = blemish("evaluate", model, parts, "--json", "--report", report)
    assert done.code == 0, done.err
    measured = json.loads(done.out)
    assert set(measured["image"]) == {"auroc", "ap", "f1_max", "auroc_interval"}
    assert set(measured["pixel"]) == {"auroc", "ap", "f1_max", "aupro_30", "aupro_05"}
    assert set(measured["defects"]) == {"hole", "missing", "scratch", "stain"}
    assert 0 <= measured["image"]["auroc"] <= 1
    assert report.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_good_and_bad_folders(blemish: Command, model: Path, parts: Path) -> None:
    folders = ("--good", parts / "test" / "good", "--bad", parts / "test" / "hole")
    done = blemish("evaluate", model, *folders, "--false-alarm-rate", "0.4")
    assert done.code == 0, done.err
    assert "Image AUROC" in done.out and "of 3 defective images" in done.out
    assert "40 % allowed" in done.out


def test_a_gan_shows_what_batch_statistics_do(
    blemish: Command, gan: Path, parts: Path, tmp_path: Path
) -> None:
    report = tmp_path / "page.html"
    done = blemish("evaluate", gan, parts, "--batchnorm-at-test", "batch", "--report", report)
    assert done.code == 0, done.err
    assert done.out.startswith("WARNING: Not comparable")
    assert 'role="alert"' in report.read_text(encoding="utf-8")
    assert "eval|instance|batch" in blemish("evaluate", "--help").out
