"""A comparison fits each method once, measures all on the same images, and recommends by its rule."""

import json
import logging
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import blemish
from blemish.comparison import Comparison, compare
from blemish.comparison.text import summary
from blemish.errors import BlemishError, DatasetError
from blemish.evaluation.metrics import auroc
from tests.comparison.support import interrupt
from tests.support import BACKBONE, texture_files

Compared = tuple[Comparison, Path]


@pytest.mark.slow
class TestLabelled:
    def test_every_method_is_measured_as_evaluate_does(self, labelled: Compared, parts_folder: Path) -> None:
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
            assert row["false_alarms"] == evaluation.false_alarms | {"p": row["false_alarms"]["p"]}
            assert 0 < row["false_alarms"]["p"] <= 1
            assert row["stability"] is None
            assert row["fit_seconds"] > 0 and row["images_per_second"] > 0
            assert 50 < row["peak_memory_mb"] < 10_000
            assert row["model_bytes"] == (out / f"{row['label']}.safetensors").stat().st_size

    def test_too_few_images_to_test_a_pair(self, labelled: Compared) -> None:
        (pair,) = labelled[0].differences  # 2 good, 8 defective images
        assert (pair["first"], pair["second"]) == ("padim", "patchcore")
        assert pair["p"] is None is pair["p_corrected"] and not pair["significant"]

    def test_plain_json_and_terminal_text(self, labelled: Compared) -> None:
        comparison, _ = labelled
        assert json.loads(json.dumps(comparison.to_dict()))["methods"][0]["label"] == "padim"
        text = summary(comparison)
        assert text.splitlines()[0].split()[:3] == ["method", "image", "AUROC"]
        assert all(sentence in text for sentence in comparison.recommendation["sentences"])
        assert max(map(len, text.splitlines()[:3])) <= 110

    def test_what_is_finished_is_not_done_again_wherever_the_data_lies(
        self,
        labelled: Compared,
        again: Any,
        parts_folder: Path,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        moved = shutil.copytree(parts_folder, tmp_path / "moved")
        with caplog.at_level(logging.INFO, "blemish"):
            found, written = again(moved, page=tmp_path / "page.html")
        assert caplog.messages == ["2 of 2 fits are done already.", "Measuring the speed of scoring."]
        assert not written and (tmp_path / "page.html").is_file()
        for one, other in zip(labelled[0].methods, found.methods, strict=True):
            unequal = {"images_per_second": 0, "models": []}
            assert one | unequal == other | unequal

    def test_another_rate_needs_no_new_fit_and_other_settings_do(
        self, again: Any, options: dict[str, Any]
    ) -> None:
        changed = [*options["assignments"], "model.shrinkage=0.1"]  # a field that padim alone has
        found, written = again(assignments=changed, false_alarm_rate=0.4)
        assert found.methods[1]["false_alarms"]["asked"] == 0.4
        assert written == {"padim"}

    def test_other_code_is_another_fit(self, again: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("blemish.experiments.experiment.code_version", lambda: "changed")
        assert again(methods=["padim"])[1] == {"padim"}

    def test_a_method_that_cannot_be_fitted_is_left_out(self, again: Any, options: dict[str, Any]) -> None:
        diverging = [*options["assignments"], "training.learning_rate=1e30"]
        found, _ = again(methods=["gtrans", "padim"], assignments=diverging, epochs=1)
        assert [row["label"] for row in found.methods] == ["padim"]
        assert found.notes[0].startswith("gtrans could not be fitted and is left out: Training collapsed")


@pytest.mark.slow
class TestNormalsOnly:
    def test_some_good_images_are_kept_out(self, normals: Compared) -> None:
        comparison, _ = normals
        assert comparison.images == {"train": 9, "good": 3, "defective": 0, "kept_out": 3}
        assert comparison.synthetic and comparison.measure == "synthetic AUROC"
        assert "kept out of fitting" in " ".join(comparison.notes)
        for row in comparison.methods:
            assert row["seeds"] == [0, 1] and row["false_alarms"]["good_images"] == 3
            assert -1 <= row["stability"] <= 1
            assert row["ap"] is None and row["detected"]["defective_images"] == 0
            assert len(row["kinds"]) == 9

    def test_synthetic_defects_are_called_so(self, normals: Compared) -> None:
        comparison, out = normals
        text = " ".join(comparison.recommendation["sentences"])
        assert "they are not your defects" in text and "the ranking may differ" in text
        assert "Collect 20 or more real defective images" in text
        assert "synthetic AUROC" in summary(comparison)
        assert "Not your defects." in (out / "comparison.html").read_text(encoding="utf-8")

    def test_the_synthetic_auroc(self, normals: Compared) -> None:
        (row,), out = normals[0].methods, normals[1]
        detector = blemish.load(out / "padim.safetensors")
        files = [path for path in sorted((out / "synthetic").glob("*.png")) if "mask" not in path.name]
        scores = [result.score for result in detector.predict_many(files)]
        area = auroc(np.array(scores), np.array(["-" in path.name for path in files]))
        assert row["auroc_seeds"][0] == pytest.approx(area)
        assert row["auroc"] == pytest.approx(np.mean(row["auroc_seeds"]))


@pytest.mark.slow
def test_stopped_and_gone_on(tmp_path: Path, parts_folder: Path) -> None:
    command = [sys.executable, "-m", "blemish", "compare", str(parts_folder), "--out", str(tmp_path)]
    command += ["--methods", "padim,gtrans", "--backbone", BACKBONE, "--weights", "random", "--epochs", "12"]
    for text in ("frame.resize=64", "frame.crop=none", "training.batch_size=4", "model.channels=8"):
        command += ["--set", text]
    command += ["--set", "training.checkpoint_seconds=0"]
    checkpoint, model = tmp_path / "gtrans.checkpoint", tmp_path / "padim.safetensors"
    code, said = interrupt(command, checkpoint, signal.SIGINT)
    assert code == 1 and said.splitlines()[-1] == "Stopped; the same command goes on from there."
    (log,), written = tmp_path.glob("gtrans.log.jsonl*"), model.stat().st_mtime_ns
    first_epoch = next(line for line in log.read_text().splitlines() if "seconds" in line)
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert [row["label"] for row in json.loads(done.stdout)["methods"]] == ["padim", "gtrans"]
    assert model.stat().st_mtime_ns == written and "1 of 2 fits are done already." in done.stderr
    assert first_epoch in (tmp_path / "gtrans.log.jsonl").read_text().splitlines()  # seconds and all
    assert not checkpoint.exists() and (tmp_path / "comparison.html").is_file()


class TestRefusals:
    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"methods": []}, "nothing to compare"),
            ({"methods": ["padim", "padim"]}, "names one twice"),
            ({"methods": ["padim", "magic"]}, "There is no method 'magic'"),
            ({"methods": ["gtrans:fancy"], "assignments": []}, "no preset 'fancy'"),
            ({"methods": ["ganomaly"], "assignments": []}, "model.backbone concerns none of ganomaly"),
            ({"epochs": 3}, "training.epochs concerns none of padim, patchcore"),
            ({"assignments": ["model.nonsense=1"]}, "model.nonsense concerns none"),
            ({"seeds": 0}, "--seeds must be at least 1"),
            ({"false_alarm_rate": 2.0}, "false_alarm_rate"),
            ({"weights": "missing.pth"}, "no weights file"),
            ({"page": "page.txt"}, "ends in .html"),
            ({"methods": ["padim:"]}, "padim: names no preset; write padim"),
            ({"methods": ["gtrans", "gtrans:improved"], "assignments": []}, "are the same model"),
            ({"assignments": ["method=spade"]}, "method cannot be set with --set here; give --methods"),
            ({"assignments": ["training.seed=3"]}, "give --seeds"),
            ({"assignments": ["preset = paper"]}, "give --methods NAME:PRESET"),
        ],
    )
    def test_before_any_work(
        self, tmp_path: Path, parts_folder: Path, options: dict[str, Any], changed: Any, message: str
    ) -> None:
        with pytest.raises(BlemishError, match=message):
            compare(parts_folder, out=tmp_path / "out", **options | changed)
        assert not (tmp_path / "out").exists()

    def test_no_folder_to_write_to(self, tmp_path: Path, parts_folder: Path, options: dict[str, Any]) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(BlemishError, match="Nothing can be written"):
            compare(parts_folder, out=tmp_path / "file", **options)

    def test_no_data(self, tmp_path: Path, options: dict[str, Any]) -> None:
        with pytest.raises(DatasetError, match="does not exist"):
            compare(tmp_path / "nowhere", out=tmp_path / "out", **options)
        assert not (tmp_path / "out").exists()

    def test_no_image_that_can_be_read(self, tmp_path: Path, options: dict[str, Any]) -> None:
        for path in texture_files(tmp_path / "good", 9):
            path.write_bytes(b"no image")
        with pytest.raises(BlemishError, match="PNG"):
            compare(tmp_path / "good", out=tmp_path / "out", **options | {"methods": ["padim"]})


def test_public_names() -> None:
    assert blemish.compare is compare and blemish.Comparison is Comparison


def test_the_running_half_does_without_torch() -> None:
    code = "import sys, blemish.comparison, blemish.cli.compare; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
