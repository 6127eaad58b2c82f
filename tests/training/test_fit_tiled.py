"""Models that learn from tiles: fitting, calibration, prediction, evaluation and pictures of large images."""

import base64
import io
import logging
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import blemish
from blemish.datasets import Dataset, Sample, Source, read_folder
from blemish.datasets.loading import load_rows
from blemish.errors import BlemishError
from blemish.evaluation.metrics import pixel_metrics
from blemish.export import export_model
from blemish.images.frame import Frame
from blemish.images.reading import load_frame, mask_to_frame, read_mask
from blemish.images.tiling import Grid
from blemish.inference.detector import Detector
from blemish.inference.engines import read_metadata
from blemish.inference.outputs import Outputs, predict_to_files
from blemish.reports import write_report
from blemish.training import one_pass
from blemish.training.batches import split_indices
from blemish.training.config import build_config
from blemish.training.fit import fit
from tests.support import BACKBONE, textures

TILE = 32
SIZES = [(80, 112), (112, 80), (32, 32), (50, 75)]  # height and width of the images, in turn
TILES = [3 * 5, 5 * 3, 1, 2 * 3]
TRAINED = {"epochs": 1, "batch_size": 16, "precision": "fp32"}
METHODS: dict[str, dict[str, Any]] = {
    "patchcore": {"model": {"backbone": BACKBONE}},
    "ganomaly": {"training": TRAINED},
    "gtrans": {"model": {"backbone": BACKBONE, "tokens": 3, "token_dim": 16}, "training": TRAINED},
}


def fit_tiled(data: Source, out: Path, method: str, tile: int = TILE, **training: Any) -> Detector:
    values = {"method": method, "frame": {"tile": tile}, "false_alarm_rate": 0.4} | METHODS[method]
    values["training"] = values.get("training", {}) | training
    weights = None if method == "ganomaly" else "random"
    return fit(data, build_config(values=values), out, weights=weights)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of several sizes in the MVTec layout: 10 to learn from, 3 good and 3 defective with masks."""
    root = tmp_path_factory.mktemp("large")
    for seed, part, count in ((0, "train/good", 10), (50, "test/good", 3), (90, "test/spot", 3)):
        (root / part).mkdir(parents=True)
        for number in range(count):
            height, width = SIZES[number % 4]
            image = textures(1, seed + number, size=128)[0, :height, :width]
            if part == "test/spot":
                mask = np.zeros((height, width), np.uint8)
                image[10:16, 15:22], mask[10:16, 15:22] = 255, 255
                (root / "ground_truth/spot").mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(root / f"ground_truth/spot/{number:03}_mask.png")
            Image.fromarray(image).save(root / part / f"{number:03}.png")
    return root


@pytest.fixture(scope="module")
def good(folder: Path) -> list[Path]:
    return sorted((folder / "train/good").iterdir())


@pytest.fixture(scope="module", params=METHODS)
def model(request: pytest.FixtureRequest, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp(request.param) / "model.safetensors"
    fit_tiled(folder, out, request.param, validation_share=0.3)
    return out


class TestFit:
    def test_the_file_says_how_images_are_cut(self, model: Path) -> None:
        metadata = read_metadata(model)
        assert metadata.frame == Frame(tile=TILE) and metadata.frame.size == TILE
        frame = metadata.model_dump(mode="json")["frame"]
        assert frame == {"resize": None, "crop": None, "tile": TILE, "overlap": 0.25}
        data = metadata.data
        assert (data["images"], data["held_out"], len(data["frames"]), data["tiles"]) == (10, 3, 10, 104)

    def test_held_out_files_calibrate_as_they_are_predicted(self, model: Path, good: list[Path]) -> None:
        detector = blemish.load(model)
        held_out = [good[index] for index in split_indices(10, 0.3, 0)[1]]
        results = list(detector.predict_many(held_out))
        assert detector.calibration.scores.tolist() == pytest.approx(sorted(r.score for r in results), 1e-5)
        peaks = [result.anomaly_map.max() for result in results if result.anomaly_map is not None]
        assert detector.metadata["map_peaks"] == pytest.approx(peaks, 1e-5)

    def test_tiles_of_the_images_to_learn_from_are_learned_and_files_not_read_again(
        self,
        good: list[Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        learn = one_pass.learn_in_one_pass
        copies = tmp_path / "good"
        shutil.copytree(good[0].parent, copies)
        learned: list[np.ndarray] = []

        def spy(model: Any, images: np.ndarray, rows: np.ndarray, *others: Any) -> Any:
            learned.append(images[rows])
            shutil.rmtree(copies)
            return learn(model, images, rows, *others)

        monkeypatch.setattr(one_pass, "learn_in_one_pass", spy)
        caplog.set_level(logging.INFO, logger="blemish")
        detector = fit_tiled(copies, tmp_path / "model.safetensors", "patchcore")
        assert len(detector.calibration.scores) == 2
        expected = [
            tile
            for index in split_indices(10, 0.2, 0)[0]
            for image in [load_frame(good[index], Frame(tile=TILE))]
            for tile in Grid(*image.shape[:2], TILE, 0.25).cut(image)
        ]
        np.testing.assert_array_equal(learned[0], expected)
        total = 3 * TILES[0] + 3 * TILES[1] + 2 * TILES[2] + 2 * TILES[3]
        assert (
            f"They were cut into {total} tiles of 32 x 32: {len(expected)} to learn from, "
            f"{total - len(expected)} held out." in caplog.messages
        )

    def test_images_smaller_than_a_tile_are_enlarged_and_told(
        self, good: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        small = Dataset("small", [Sample(good[number], 0) for number in (2, 3, 6)])
        detector = fit_tiled(small, tmp_path / "m.safetensors", "patchcore", tile=48)
        assert (
            "002.png is 32 x 32 pixels, smaller than a tile of 48 x 48, and is enlarged; "
            "--tile is for larger images."
        ) in caplog.messages
        anomaly_map = detector.predict(small.train[0].path).anomaly_map
        assert anomaly_map is not None and anomaly_map.shape == (48, 48)

    def test_tiles_beyond_the_memory_budget_are_learnt_alike(self, folder: Path, tmp_path: Path) -> None:
        one = fit_tiled(folder, tmp_path / "a.safetensors", "patchcore")
        other = fit_tiled(folder, tmp_path / "b.safetensors", "patchcore", cache_gigabytes=0)
        assert one.metadata["data"]["sha256"] == other.metadata["data"]["sha256"]
        assert one.calibration.scores.tolist() == other.calibration.scores.tolist()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.safetensors", "b.safetensors"]


class TestRows:
    def test_each_row_belongs_to_its_image(self, good: list[Path]) -> None:
        frame = Frame(tile=40, overlap=0.5)
        rows = load_rows([Sample(path, label=0) for path in good], frame)
        for index, sample in enumerate(rows.samples):
            image = load_frame(sample.path, frame)
            expected = list(Grid(*image.shape[:2], 40, 0.5).cut(image))
            np.testing.assert_array_equal(rows.images[rows.of(np.array([index]))], expected)
        assert len(rows.images) == len(rows.owners)

    def test_unreadable_files_leave_no_gap(self, good: list[Path], tmp_path: Path) -> None:
        text, damaged = tmp_path / "text.png", tmp_path / "damaged.png"
        text.write_text("no image")
        damaged.write_bytes(good[0].read_bytes()[:1000])
        samples = [Sample(path, label=0) for path in good]
        spoilt = [Sample(text), samples[0], Sample(damaged), *samples[1:]]
        frame = Frame(tile=TILE)
        clean, rows = load_rows(samples, frame), load_rows(spoilt, frame, skip_unreadable=True)
        assert rows.samples == samples and [path for path, _ in rows.skipped] == [str(text), str(damaged)]
        assert rows.digests == clean.digests
        np.testing.assert_array_equal(rows.owners, clean.owners)
        np.testing.assert_array_equal(rows.images, clean.images)


class TestUse:
    def test_batch_sizes_do_not_matter(self, model: Path, folder: Path) -> None:
        detector = blemish.load(model)
        files = sorted((folder / "test/spot").iterdir())
        expected = list(detector.predict_many(files, batch_size=1))
        for one, other in zip(expected, detector.predict_many(files, batch_size=7), strict=True):
            assert one.score == pytest.approx(other.score, rel=1e-4)
            np.testing.assert_allclose(one.anomaly_map, other.anomaly_map, rtol=1e-3, atol=1e-5)
            assert one.image is not None and one.image.shape[:2] == one.anomaly_map.shape
            array = detector.predict(np.asarray(Image.open(one.path)))
            assert array.score == pytest.approx(one.score, rel=1e-4)

    def test_evaluation_pools_maps_of_all_sizes(self, model: Path, folder: Path) -> None:
        detector = blemish.load(model)
        test = read_folder(folder).test
        evaluation = blemish.evaluate(detector, folder)
        maps = [one.anomaly_map for one in detector.predict_many([sample.path for sample in test])]
        masks = [
            mask_to_frame(read_mask(sample.mask), detector.frame)
            if sample.mask
            else np.zeros(one.shape, bool)
            for sample, one in zip(test, maps, strict=True)
        ]
        assert {mask.shape for mask in masks} == set(SIZES[:3])
        assert evaluation.pixel == pytest.approx(pixel_metrics(maps, masks), rel=1e-3)
        fitted = Dataset("fitted", test=[Sample(folder / "train/good/000.png", 0), *test])
        assert blemish.evaluate(detector, fitted).notes[0].startswith("1 of 7 images were used to fit")

    @pytest.mark.slow
    def test_the_exported_model_scores_alike(self, folder: Path, tmp_path: Path) -> None:
        model = tmp_path / "model.safetensors"
        original = fit_tiled(folder, model, "patchcore")
        export_model(model, tmp_path / "model.onnx")
        exported = blemish.load(tmp_path / "model.onnx")
        assert exported.frame == original.frame
        files = sorted((folder / "test").glob("*/*.png"))
        results = zip(original.predict_many(files), exported.predict_many(files), strict=True)
        for one, other in results:
            assert other.score == pytest.approx(one.score, rel=1e-3)
            tolerance = 1e-3 * one.anomaly_map.max()
            np.testing.assert_allclose(other.anomaly_map, one.anomaly_map, rtol=1e-2, atol=tolerance)

    def test_there_are_no_explanations(self, model: Path, tmp_path: Path) -> None:
        detector = blemish.load(model)
        assert not detector.can_explain
        with pytest.raises(BlemishError, match=r"gives no explanations: .* without tiles; leave it out"):
            predict_to_files(detector, [], Outputs(explain=tmp_path), batch_size=4)

    def test_the_report_holds_small_pictures(self, model: Path, folder: Path, tmp_path: Path) -> None:
        detector = blemish.load(model)
        long = tmp_path / "long.png"
        Image.fromarray(np.tile(textures(1, 5, size=256)[0], (1, 5, 1))).save(long)
        data = Dataset("long", test=[Sample(long, 0), *read_folder(folder).test])
        write_report(blemish.evaluate(detector, data), detector, tmp_path / "report.html")
        pictures = re.findall(
            r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", (tmp_path / "report.html").read_text()
        )
        sizes = [Image.open(io.BytesIO(base64.b64decode(one))).size for one in pictures]
        assert max(max(size) for size in sizes) == 512 and (512, 102) in sizes and (112, 80) in sizes
