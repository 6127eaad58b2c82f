"""A comparison fits each method once, measures all on the same images, and recommends by its rule."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import blemish
from blemish.comparison import Comparison, compare
from blemish.comparison.data import divide, draw_synthetic
from blemish.comparison.runs import claim_synthetic
from blemish.comparison.text import summary
from blemish.datasets import Dataset, Sample, read_folder
from blemish.errors import BlemishError, DatasetError
from blemish.evaluation.metrics import auroc
from blemish.images.reading import read_image, read_mask
from tests.support import BACKBONE, texture_files

SMALL = ["frame.resize=64", "frame.crop=none", "training.batch_size=4", "model.channels=8"]
OPTIONS: dict[str, Any] = {
    "methods": ["padim", "patchcore"],
    "assignments": ["frame.resize=64", "frame.crop=none", "model.channels=8"],
    "backbone": BACKBONE,
    "weights": "random",
    "false_alarm_rate": 0.2,
}


@pytest.fixture(scope="module")
def labelled(parts_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Path]:
    out = tmp_path_factory.mktemp("labelled")
    return compare(parts_folder, out=out, **OPTIONS), out


@pytest.fixture(scope="module")
def normals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Path]:
    folder = tmp_path_factory.mktemp("normals")
    texture_files(folder / "good", 12)
    return compare(folder / "good", out=folder / "out", **OPTIONS | {"methods": ["padim"]}), folder / "out"


class TestLabelled:
    def test_every_method_is_measured_as_evaluate_does(self, labelled: Any, parts_folder: Path) -> None:
        comparison, out = labelled
        assert comparison.images == {"train": 8, "good": 2, "defective": 8, "kept_out": 0}
        assert comparison.measure == "image AUROC" and not comparison.synthetic
        for row in comparison.methods:
            evaluation = blemish.evaluate(out / f"{row['label']}.safetensors", parts_folder)
            assert row["auroc"] == pytest.approx(evaluation.image["auroc"])
            assert row["auroc_interval"] == evaluation.image["auroc_interval"]
            assert row["ap"] == evaluation.image["ap"] and evaluation.pixel is not None
            assert row["pixel"]["aupro_30"] == evaluation.pixel["aupro_30"]
            assert row["kinds"] == {kind: one["auroc"] for kind, one in evaluation.defects.items()}
            assert row["false_alarms"] == evaluation.false_alarms | {"p": row["false_alarms"]["p"]}
            assert 0 < row["false_alarms"]["p"] <= 1
            assert row["stability"] is None

    def test_costs_are_measured(self, labelled: Any) -> None:
        comparison, out = labelled
        for row in comparison.methods:
            assert row["fit_seconds"] > 0 and row["images_per_second"] > 0
            assert 50 < row["peak_memory_mb"] < 10_000
            assert row["model_bytes"] == (out / f"{row['label']}.safetensors").stat().st_size

    def test_pairs(self, labelled: Any) -> None:
        comparison, _ = labelled
        first, second = comparison.methods
        for measure, value in (
            ("image AUROC", lambda row: row["auroc"]),
            ("AUPRO", lambda row: row["pixel"]["aupro_30"]),
        ):
            (pair,) = comparison.differences[measure]
            assert (pair["first"], pair["second"]) == ("padim", "patchcore")
            assert pair["difference"] == pytest.approx(value(first) - value(second))
            assert pair["interval"][0] <= pair["difference"] <= pair["interval"][1]
            assert pair["p"] is None is pair["p_corrected"] and not pair["significant"]  # 2 good, 8 bad

    def test_plain_json_and_terminal_text(self, labelled: Any) -> None:
        comparison, _ = labelled
        assert json.loads(json.dumps(comparison.to_dict()))["methods"][0]["label"] == "padim"
        text = summary(comparison)
        assert text.splitlines()[0].split()[:3] == ["method", "image", "AUROC"]
        assert all(sentence in text for sentence in comparison.recommendation["sentences"])
        assert max(map(len, text.splitlines()[:3])) <= 110

    def test_what_is_finished_is_not_done_again(self, labelled: Any, parts_folder: Path) -> None:
        comparison, out = labelled
        before = {path: path.stat().st_mtime_ns for path in out.glob("*.safetensors")}
        said: list[str] = []
        again = compare(parts_folder, out=out, **OPTIONS, say=said.append)
        assert {path: path.stat().st_mtime_ns for path in before} == before
        assert sum("already fitted" in line for line in said) == 2
        costs = {"images_per_second"}
        for one, other in zip(comparison.methods, again.methods, strict=True):
            assert {k: one[k] for k in one if k not in costs} == {k: other[k] for k in one if k not in costs}

    def test_another_rate_needs_no_new_fit_and_other_settings_do(
        self, labelled: Any, parts_folder: Path, tmp_path: Path
    ) -> None:
        out = shutil.copytree(labelled[1], tmp_path / "copy")
        before = {path: path.stat().st_mtime_ns for path in out.glob("*.safetensors")}
        rate = compare(parts_folder, out=out, **OPTIONS | {"false_alarm_rate": 0.4})
        assert {path: path.stat().st_mtime_ns for path in before} == before
        assert rate.methods[0]["false_alarms"]["asked"] == 0.4
        changed = [*OPTIONS["assignments"], "model.shrinkage=0.1"]  # a field that padim alone has
        compare(parts_folder, out=out, **OPTIONS | {"assignments": changed})
        after = {path.name: path.stat().st_mtime_ns != before[path] for path in before}
        assert after == {"padim.safetensors": True, "patchcore.safetensors": False}

    def test_data_elsewhere_or_lost_curves_are_measured_again_without_a_fit(
        self, labelled: Any, parts_folder: Path, tmp_path: Path
    ) -> None:
        out = shutil.copytree(labelled[1], tmp_path / "copy")
        moved = shutil.copytree(parts_folder, tmp_path / "moved")
        before = {path: path.stat().st_mtime_ns for path in out.glob("*.safetensors")}
        first = compare(parts_folder, out=out, **OPTIONS | {"methods": ["padim"]})
        both = compare(moved, out=out, **OPTIONS)
        assert both.measure == "image AUROC" and both.methods[0]["auroc"] == first.methods[0]["auroc"]
        (out / "padim.npz").write_bytes(b"no archive")
        (out / "patchcore.npz").unlink()
        assert compare(moved, out=out, **OPTIONS).differences == both.differences
        assert "AUPRO" in both.differences
        assert {path: path.stat().st_mtime_ns for path in before} == before


class TestNormalsOnly:
    def test_some_good_images_are_kept_out(self, normals: Any) -> None:
        comparison, _ = normals
        assert comparison.images == {"train": 9, "good": 3, "defective": 0, "kept_out": 3}
        assert comparison.synthetic and comparison.measure == "synthetic AUROC"
        assert "kept out of fitting" in " ".join(comparison.notes)
        for row in comparison.methods:
            assert row["seeds"] == [0, 1] and row["false_alarms"]["good_images"] == 3
            assert -1 <= row["stability"] <= 1
            assert row["ap"] is None and row["detected"]["defective_images"] == 0
            assert len(row["kinds"]) == 9

    def test_synthetic_defects_are_called_so(self, normals: Any) -> None:
        comparison, out = normals
        text = " ".join(comparison.recommendation["sentences"])
        assert "they are not your defects" in text and "the ranking may differ" in text
        assert "Collect 20 or more real defective images" in text
        assert "synthetic AUROC" in summary(comparison)
        assert "Not your defects." in (out / "comparison.html").read_text(encoding="utf-8")

    def test_the_synthetic_auroc(self, normals: Any) -> None:
        comparison, out = normals
        record = json.loads((out / "padim.json").read_text(encoding="utf-8"))
        rows = record["synthetic"]["images"]
        area = auroc([row["score"] for row in rows], [row["label"] for row in rows])
        assert comparison.methods[0]["auroc_seeds"][0] == pytest.approx(area)
        assert comparison.methods[0]["auroc"] == pytest.approx(np.mean(comparison.methods[0]["auroc_seeds"]))


class TestParts:
    def test_good_test_images_are_used_as_they_are(self, parts_folder: Path) -> None:
        dataset = read_folder(parts_folder)
        parts = divide(dataset)
        assert parts.data is dataset and parts.kept_out == 0 and parts.labelled

    def test_defects_without_good_test_images_get_some(self) -> None:
        train = [Sample(Path(f"{index}.png"), 0) for index in range(20)]
        parts = divide(Dataset("d", train, [Sample(Path("x.png"), 1, "dent")]))
        assert (len(parts.data.train), len(parts.data.test), parts.kept_out) == (15, 6, 5)
        assert not set(parts.data.train) & set(parts.data.test)
        assert divide(Dataset("d", train, [Sample(Path("x.png"), 1, "dent")])) == parts

    def test_too_few_images_or_no_label(self) -> None:
        few = [Sample(Path(f"{index}.png"), 0) for index in range(7)]
        with pytest.raises(DatasetError, match="has 7 good images"):
            divide(Dataset("d", few))
        with pytest.raises(DatasetError, match="has 1 good image, and"):
            divide(Dataset("d", few[:1]))
        with pytest.raises(DatasetError, match="has no label"):
            divide(Dataset("d", few, [Sample(Path("x.png"))]))

    def test_synthetic_files(self, tmp_path: Path) -> None:
        good = [Sample(path, 0) for path in texture_files(tmp_path / "good", 3)]
        samples = draw_synthetic(good, tmp_path / "drawn", 48)
        assert len(samples) == 30 and sum(not sample.label for sample in samples) == 3
        clean = read_image(samples[0].path)
        assert clean.shape == (48, 48, 3)
        for sample in samples[1:10]:
            assert sample.mask is not None
            mask = read_mask(sample.mask)
            assert np.array_equal(read_image(sample.path)[~mask], clean[~mask]) and mask.any()
        before = [sample.path.read_bytes() for sample in samples]
        assert [sample.path.read_bytes() for sample in draw_synthetic(good, tmp_path / "drawn", 48)] == before


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "message"),
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
        self, tmp_path: Path, parts_folder: Path, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(BlemishError, match=message):
            compare(parts_folder, out=tmp_path / "out", **OPTIONS | options)
        assert not (tmp_path / "out").exists()

    def test_no_folder_to_write_to(self, tmp_path: Path, parts_folder: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(BlemishError, match="Nothing can be written"):
            compare(parts_folder, out=tmp_path / "file", **OPTIONS)

    @pytest.mark.parametrize("ending", [".safetensors", ".checkpoint", ".log.jsonl", ".json", ".npz"])
    def test_other_files_are_not_written_over(self, tmp_path: Path, parts_folder: Path, ending: str) -> None:
        (tmp_path / f"padim{ending}").write_text("mine")
        with pytest.raises(BlemishError, match=f"padim{ending} was not made by a comparison"):
            compare(parts_folder, out=tmp_path, **OPTIONS)
        assert (tmp_path / f"padim{ending}").read_text() == "mine"

    def test_other_synthetic_images_are_not_written_over(self, tmp_path: Path) -> None:
        folder = tmp_path / "synthetic"
        folder.mkdir()
        (folder / "000.png").write_text("mine")
        with pytest.raises(BlemishError, match="synthetic was not made by a comparison"):
            claim_synthetic(tmp_path)
        (folder / "000.png").unlink()
        assert claim_synthetic(tmp_path) == folder
        (folder / "000.png").write_text("drawn before an interruption")
        assert claim_synthetic(tmp_path) == folder

    def test_unreadable_data(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="does not exist"):
            compare(tmp_path / "nowhere", out=tmp_path / "out", **OPTIONS)
        assert not (tmp_path / "out").exists()
        paths = texture_files(tmp_path / "good", 9)
        for path in paths:
            path.write_bytes(b"no image")
        with pytest.raises(BlemishError, match="PNG"):
            compare(tmp_path / "good", out=tmp_path / "out", **OPTIONS)
