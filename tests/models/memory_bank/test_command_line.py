"""A training-free method at the command line, where nothing is said of epochs."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from blemish.cli.app import app

pytestmark = pytest.mark.slow  # exports


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_user_fits_measures_exports_and_predicts(parts_folder: Path, tmp_path: Path) -> None:
    model, exported, page = (tmp_path / name for name in ("m.safetensors", "m.onnx", "page.html"))
    small = ("--set", "frame.resize=64", "--set", "frame.crop=64")
    fitted = command("fit", parts_folder, "--method", "padim", "--out", model, *small)
    assert fitted.exit_code == 0, fitted.output
    assert fitted.stdout.startswith(f"Wrote {model}: ") and fitted.stdout.endswith("s of fitting.\n")
    measured = command("evaluate", model, parts_folder, "--json", "--report", page)
    assert 0 <= json.loads(measured.stdout)["image"]["auroc"] <= 1
    assert "epoch" not in page.read_text(encoding="utf-8").split("</style>")[1]
    described = command("info", model).stdout
    assert "training: summary: seconds" in described and "epoch" not in described
    assert command("export", model, exported).exit_code == 0
    rows = [
        list(csv.DictReader(command("predict", file, parts_folder / "test").stdout.splitlines()))
        for file in (model, exported)
    ]
    assert len(rows[0]) == len(rows[1]) == 10
    for one, other in zip(*rows, strict=True):
        assert float(other["score"]) == pytest.approx(float(one["score"]), rel=1e-3)


def test_help_names_the_methods() -> None:
    assert "patchcore, padim, spade" in " ".join(command("fit", "--help").stdout.replace("│", " ").split())
