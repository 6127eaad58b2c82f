"""The command line as a user types it, in processes of its own."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blemish.datasets.drawn import generate
from tests.support import log_lines

SMALL = ("--set", "frame.resize=64", "--set", "frame.crop=64", "--set", "training.batch_size=8")


def blemish(
    *arguments: str | Path, stdin: str = "", cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "blemish", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | environment,
        timeout=300,
    )


def sentence(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that a refused command prints."""
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("blemish: "), result.stderr
    return lines[0]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("data") / "parts", train=12, test=3, size=96)


@pytest.fixture(scope="module")
def model(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model") / "parts.safetensors"
    result = blemish("fit", parts, "--out", out, "--epochs", "2", *SMALL)
    assert result.returncode == 0, result.stderr
    assert f"Wrote {out}: weights of epoch" in result.stdout
    assert "cannot support a false-alarm rate of 1 %" in result.stderr
    return out


def test_fit_leaves_the_model_and_its_log(model: Path) -> None:
    assert sorted(path.name for path in model.parent.iterdir()) == ["parts.log.jsonl", "parts.safetensors"]
    epochs = [line["epoch"] for line in log_lines(model.with_suffix(".log.jsonl"))]
    assert epochs == [1, 2]


def test_evaluate_prints_the_documented_json_and_writes_the_report(
    model: Path, parts: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    result = blemish("evaluate", model, parts, "--json", "--report", report)
    assert result.returncode == 0, result.stderr
    measured = json.loads(result.stdout)
    assert set(measured["image"]) == {"auroc", "ap", "f1_max", "auroc_interval"}
    assert set(measured["pixel"]) == {"auroc", "ap", "f1_max", "aupro_30", "aupro_05"}
    assert set(measured["defects"]) == {"hole", "missing", "scratch", "stain"}
    assert 0 <= measured["image"]["auroc"] <= 1
    assert report.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_evaluate_good_and_bad_folders(model: Path, parts: Path) -> None:
    result = blemish(
        "evaluate",
        model,
        "--good",
        parts / "test" / "good",
        "--bad",
        parts / "test" / "hole",
        "--false-alarm-rate",
        "0.4",
    )
    assert result.returncode == 0, result.stderr
    assert "Image AUROC" in result.stdout and "of 3 defective images" in result.stdout
    assert "40 % allowed" in result.stdout


def test_predict_prints_csv_rows_and_names_bad_files(model: Path, parts: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes((parts / "test" / "good" / "000.png").read_bytes()[:500])
    good = parts / "test" / "good" / "000.png"
    result = blemish("predict", model, broken, good)
    assert result.returncode == 1
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert [row["path"] for row in rows] == [str(broken), str(good)]
    assert "truncated" in rows[0]["error"] and rows[0]["score"] == ""
    assert rows[1]["error"] == "" and float(rows[1]["score"]) > 0 and 0 < float(rows[1]["p_value"]) <= 1
    assert "2 images:" in result.stderr and "1 could not be scored" in result.stderr


def test_predict_writes_rows_overlays_and_maps(model: Path, parts: Path, tmp_path: Path) -> None:
    listing = "\n".join(str(path) for path in sorted((parts / "test" / "hole").iterdir()))
    options = ("--jsonl", "rows.jsonl", "--overlays", "seen", "--maps", "maps", "--quiet")
    result = blemish("predict", model, "-", *options, stdin=listing, cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [set(row) for row in rows] == [{"path", "score", "p_value", "is_anomalous", "error"}] * 3
    overlays = sorted((tmp_path / "seen").rglob("*.png"))
    maps = sorted((tmp_path / "maps").rglob("*.npy"))
    assert len(overlays) == len(maps) == 3
    assert Image.open(overlays[0]).size == (64, 64)
    loaded = np.load(maps[0])
    assert loaded.shape == (64, 64) and loaded.dtype == np.float32
    assert loaded.max() == pytest.approx(rows[0]["score"])


def test_a_gan_explains_itself_and_shows_what_batch_statistics_do(parts: Path, tmp_path: Path) -> None:
    small = ("--set", "frame.resize=32", "--set", "training.batch_size=4", "--quiet")
    fitted = blemish(
        "fit", parts, "--out", "g.safetensors", "--method", "sagan", "--epochs", "1", *small, cwd=tmp_path
    )
    assert fitted.returncode == 0, fitted.stderr
    picture = parts / "test" / "hole" / "000.png"
    result = blemish("predict", "g.safetensors", picture, "--explain", "seen", "--quiet", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert [path.name for path in (tmp_path / "seen").rglob("*.png")] == ["000.png.explain.png"]
    leak = ("--batchnorm-at-test", "batch", "--report", "page.html")
    result = blemish("evaluate", "g.safetensors", parts, *leak, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("WARNING: Not comparable")
    assert 'role="alert"' in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "eval|instance|batch" in blemish("evaluate", "--help").stdout


def test_info_describes_the_model(model: Path) -> None:
    result = blemish("info", model, "--json")
    assert result.returncode == 0, result.stderr
    description = json.loads(result.stdout)
    assert description["method"] == "gtrans"
    assert description["frame"] == {"resize": 64, "crop": 64}
    assert len(description["calibration"]["scores"]) == 2
    assert "efficientnet_lite0" in blemish("info", model).stdout


@pytest.mark.parametrize("command", ["", "fit", "evaluate", "predict", "export", "info", "demo"])
def test_help_teaches(command: str) -> None:
    result = blemish(*command.split(), "--help")
    assert result.returncode == 0
    assert "Usage:" in result.stdout
    if command in ("fit", "evaluate", "predict", "export"):
        assert "Examples:" in result.stdout and f"blemish {command} " in result.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("fit", "nowhere", "--out", "m.safetensors"), "nowhere does not exist"),
        (("fit", "{parts}", "--out", "m.pth"), "must end in .safetensors"),
        (("fit", "{parts}", "--out", "no/such/m.safetensors"), "There is no folder no/such"),
        (("fit", "{parts}", "--out", "m.safetensors", "--method", "magic"), "There is no method 'magic'"),
        (("fit", "{parts}", "--out", "m.safetensors", "--set", "training.epoch=3"), "'training.epoch'"),
        (("fit", "{parts}", "--out", "m.safetensors", "--set", "model.tfm_depth=0"), "'model.tfm_depth'"),
        (("fit", "{parts}", "--out", "m.safetensors", "--weights", "none.pth"), "no weights file none.pth"),
        (("fit", "{parts}", "--out", "m.safetensors", "--backbone", "resnet34"), "--weights FILE"),
        (("evaluate", "none.safetensors", "{parts}"), "There is no model file none.safetensors"),
        (("fit", "{parts}/ground_truth", "--out", "m.safetensors"), "hold one out with --held-out"),
        (
            ("fit", "{parts}/test", "--out", "m.safetensors", "--held-out", "dent"),
            "no class 'dent' to hold out",
        ),
        (("fit", "{parts}", "--out", "m.safetensors", "--data", "."), "--data is for cifar10 and stl10"),
        (("fit", "cifar10", "--out", "m.safetensors"), "--held-out with one of airplane, automobile, bird"),
        (("evaluate", "{model}", "stl10", "--held-out", "frog", "--data", "."), "no class 'frog'; say which"),
        (("evaluate", "{model}", "--good", "a", "--bad", "b", "--held-out", "c"), "--held-out and --data go"),
        (("evaluate", "{model}"), "either DATA or both --good and --bad"),
        (("evaluate", "{model}", "{parts}", "--false-alarm-rate", "2"), "false_alarm_rate"),
        (("evaluate", "{model}", "{parts}", "--batchnorm-at-test", "batch"), "gtrans has no BatchNorm"),
        (("predict", "{model}", "{parts}/test", "--explain", "seen", "--csv", "c"), "--explain needs the"),
        (("predict", "{model}", "nowhere.png"), "nowhere.png does not exist"),
        (("predict", "{parts}/test/good/000.png", "{parts}"), "is no model file"),
        (("info", "{parts}/train"), "There is no model file"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: tuple[str, ...], expected: str, model: Path, parts: Path, tmp_path: Path
) -> None:
    filled = [argument.format(parts=parts, model=model) for argument in arguments]
    result = blemish(*filled, cwd=tmp_path, HF_HUB_OFFLINE="1", HF_HUB_CACHE=str(tmp_path / "cache"))
    assert expected in sentence(result)
    assert not [path for pattern in ("m.*", "seen", "c", "c.*") for path in tmp_path.glob(pattern)]
