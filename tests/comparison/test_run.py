"""A comparison fits each method once, measures all on the same images, and recommends by its rule."""

import json
import logging
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import blemish
from blemish import Comparison, compare
from blemish.errors import BlemishError
from blemish.evaluation.metrics import auroc
from tests.experiments.support import interrupt
from tests.support import BACKBONE, texture_files

Compared = tuple[Comparison, Path]


def test_every_method_is_measured_as_evaluate_does_and_all_is_told(
    labelled: Compared, parts_folder: Path
) -> None:
    comparison, out = labelled
    assert comparison.images == {"train": 8, "good": 2, "defective": 8, "kept_out": 0}
    assert comparison.measure == "image AUROC" and not comparison.synthetic
    for row in comparison.methods:
        evaluation = blemish.evaluate(out / f"{row['label']}.safetensors", parts_folder)
        assert row["auroc"] == pytest.approx(evaluation.image["auroc"])
        assert row["auroc_interval"] == evaluation.image["auroc_interval"]
        assert row["ap"] == evaluation.image["ap"] and evaluation.pixel is not None
        assert row["pixel"]["aupro_30"] == evaluation.pixel["aupro_30"] == row["aupro_seeds"][0]
        assert row["kinds"] == {kind: one["auroc"] for kind, one in evaluation.defects.items()}
        assert row["false_alarms"].items() >= evaluation.false_alarms.items()
        assert 0 < row["false_alarms"]["p"] <= 1 and row["stability"] is None
        assert row["fit_seconds"] > 0 and row["images_per_second"] > 0 and row["peak_memory_mb"] > 50
        assert row["model_bytes"] == (out / f"{row['label']}.safetensors").stat().st_size
    (pair,) = comparison.differences
    assert (pair["first"], pair["second"]) == ("padim", "patchcore")
    assert pair["p"] is None is pair["p_corrected"] and not pair["significant"], "too few images"
    assert json.loads(json.dumps(comparison.to_dict()))["methods"][0]["label"] == "padim"
    text = str(comparison)
    assert text.splitlines()[0].split()[:3] == ["method", "image", "AUROC"]
    assert all(sentence in text for sentence in comparison.recommendation["sentences"])
    assert max(map(len, text.splitlines()[:3])) <= 110


def test_what_is_finished_is_not_done_again_wherever_the_data_lies(
    labelled: Compared, again: Any, parts_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    moved = shutil.copytree(parts_folder, tmp_path / "moved")
    with caplog.at_level(logging.INFO, "blemish"):
        found, written = again(moved, page=tmp_path / "page.html")
    assert caplog.messages == ["2 of 2 fits are done already.", "Measuring the speed of scoring."]
    assert not written and (tmp_path / "page.html").is_file()
    unequal = {"images_per_second": 0, "turns": [], "models": []}
    for one, other in zip(labelled[0].methods, found.methods, strict=True):
        assert one | unequal == other | unequal


def test_another_rate_needs_no_new_fit_and_other_settings_or_code_do(
    again: Any, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = [*options["assignments"], "model.shrinkage=0.1"]  # a field that padim alone has
    found, written = again(assignments=changed, false_alarm_rate=0.4)
    assert found.methods[1]["false_alarms"]["asked"] == 0.4 and written == {"padim"}
    monkeypatch.setattr("blemish.experiments.experiment.code_version", lambda: "changed")
    frame = options["assignments"][:2]
    assert again(methods=["patchcore"], assignments=frame)[1] == {"patchcore"}


def test_a_method_that_cannot_be_fitted_is_left_out(again: Any, options: dict[str, Any]) -> None:
    diverging = [*options["assignments"], "training.learning_rate=1e30"]
    found, _ = again(methods=["gtrans", "padim"], assignments=diverging, epochs=1)
    assert [row["label"] for row in found.methods] == ["padim"]
    assert found.notes[0].startswith("gtrans could not be fitted and is left out: Training collapsed")


def test_without_defects_good_images_are_kept_out_and_get_synthetic_ones(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    good, out = tmp_path / "good", tmp_path / "out"
    texture_files(good, 12)
    comparison = compare(good, out=out, **options | {"methods": ["padim"]})
    assert comparison.images == {"train": 9, "good": 3, "defective": 0, "kept_out": 3}
    assert comparison.synthetic and comparison.measure == "synthetic AUROC"
    assert "kept out of fitting" in " ".join(comparison.notes)
    (row,) = comparison.methods
    assert row["seeds"] == [0, 1] and row["false_alarms"]["good_images"] == 3
    assert -1 <= row["stability"] <= 1 and len(row["kinds"]) == 9
    assert row["ap"] is None and row["detected"]["defective_images"] == 0
    detector = blemish.load(out / "padim.safetensors")
    files = [path for path in sorted((out / "synthetic").glob("*.png")) if "mask" not in path.name]
    scores = [result.score for result in detector.predict_many(files)]
    area = auroc(np.array(scores), np.array(["-" in path.name for path in files]))
    assert row["auroc_seeds"][0] == pytest.approx(area)
    assert row["auroc"] == pytest.approx(np.mean(row["auroc_seeds"]))
    text = " ".join(comparison.recommendation["sentences"])
    for part in ("they are not your defects", "the ranking may differ", "Collect 20 or more real defective"):
        assert part in text
    assert "synthetic AUROC" in str(comparison)
    assert "Not your defects." in (out / "comparison.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_stopped_and_gone_on(tmp_path: Path, parts_folder: Path, options: dict[str, Any]) -> None:
    settings = [*options["assignments"][:2], "training.batch_size=4", "training.checkpoint_seconds=0"]
    command = [sys.executable, "-m", "blemish", "compare", str(parts_folder), "--out", str(tmp_path)]
    command += ["--methods", "gtrans", "--backbone", BACKBONE, "--weights", "random", "--epochs", "12"]
    command += [word for text in settings for word in ("--set", text)]
    code, said = interrupt(command, tmp_path / "gtrans.checkpoint", signal.SIGINT)
    assert code == 1 and said.splitlines()[-1] == "Stopped; the same command goes on from there."
    (log,) = tmp_path.glob("gtrans.log.jsonl*")
    first_epoch = next(line for line in log.read_text().splitlines() if "seconds" in line)
    same = {"methods": ["gtrans"], "assignments": settings, "epochs": 12, "false_alarm_rate": None}
    compare(parts_folder, out=tmp_path, **options | same)
    assert first_epoch in (tmp_path / "gtrans.log.jsonl").read_text().splitlines()  # seconds and all
    assert {path.suffix for path in tmp_path.iterdir()} == {"", ".html", ".json", ".jsonl", ".safetensors"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"methods": []}, "nothing to compare"),
        ({"methods": ["padim", "padim"]}, "names one twice"),
        ({"methods": ["padim", "magic"]}, "There is no method 'magic'"),
        ({"methods": ["padim:best"]}, "no preset 'best'"),
        ({"methods": ["ganomaly"], "assignments": []}, "model.backbone concerns none of ganomaly"),
        ({"epochs": 3}, "training.epochs concerns none of padim, patchcore"),
        ({"assignments": ["model.nonsense=1"]}, "model.nonsense concerns none"),
        ({"seeds": 0}, "--seeds must be at least 1"),
        ({"false_alarm_rate": 2.0}, "false_alarm_rate"),
        ({"weights": "missing.pth"}, "no weights file"),
        ({"page": "page.txt"}, "ends in .html"),
        ({"methods": ["padim:"]}, "padim: names no preset; write padim"),
        ({"methods": ["gtrans", "gtrans:with-memory"], "assignments": []}, "are the same model"),
        ({"assignments": ["method=spade"]}, "method cannot be set with --set here; give --methods"),
        ({"assignments": ["training.seed=3"]}, "give --seeds"),
        ({"assignments": ["preset = paper"]}, "give --methods NAME:PRESET"),
        ({"out": __file__}, "Nothing can be written"),
        ({"data": "nowhere"}, "nowhere does not exist"),
    ],
)
def test_refused_before_any_work(
    tmp_path: Path, parts_folder: Path, options: dict[str, Any], changed: Any, message: str
) -> None:
    with pytest.raises(BlemishError, match=message):
        compare(**{"data": parts_folder, "out": tmp_path / "out"} | options | changed)
    assert not (tmp_path / "out").exists()
