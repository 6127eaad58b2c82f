"""Models that learn from tiles: fitting, calibration, prediction, evaluation and pictures of large images."""

import base64
import io
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import blemish
from blemish.datasets import Dataset, Sample, read_folder
from blemish.datasets.loading import load_rows
from blemish.errors import BlemishError
from blemish.evaluation.metrics import pixel_metrics
from blemish.images.frame import Frame
from blemish.images.reading import load_frame, mask_to_frame, read_mask
from blemish.images.tiling import Grid
from blemish.inference.engines import read_metadata
from blemish.reports import write_report
from blemish.training.batches import split_indices
from tests.support import textures
from tests.tiles import METHODS, SIZES, TILE, TILES, command, fit
from tests.tiles import folder as folder


@pytest.fixture(scope="module", params=METHODS)
def model(request: pytest.FixtureRequest, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp(request.param) / "model.safetensors"
    said: list[str] = []
    more = [*METHODS[request.param].get("assignments", []), "training.validation_share=0.3"]
    fit(folder, out, request.param, assignments=more, say=said.append)
    total = 3 * TILES[0] + 3 * TILES[1] + 2 * TILES[2] + 2 * TILES[3]
    assert "10 good images: 7 to learn from, 3 held out." in said
    assert any(text.startswith(f"They were cut into {total} tiles of 64 x 64: ") for text in said)
    return out


class TestFit:
    def test_the_file_says_how_images_are_cut(self, model: Path) -> None:
        metadata = read_metadata(model)
        assert metadata.frame == Frame(tile=TILE) and metadata.frame.size == TILE
        assert metadata.model_dump(mode="json")["frame"] == {
            "resize": None, "crop": None, "tile": 64, "overlap": 0.25,
        }  # fmt: skip
        data = metadata.data
        assert (data["images"], data["held_out"], len(data["frames"]), data["tiles"]) == (10, 3, 10, 104)

    def test_held_out_files_calibrate_as_they_are_predicted(self, model: Path, folder: Path) -> None:
        detector = blemish.load(model)
        files = sorted((folder / "train/good").iterdir())
        held_out = [files[index] for index in split_indices(10, 0.3, 0)[1]]
        results = list(detector.predict_many(held_out))
        assert detector.calibration.scores.tolist() == pytest.approx(sorted(r.score for r in results), 1e-5)
        peaks = [result.anomaly_map.max() for result in results if result.anomaly_map is not None]
        assert detector.metadata["map_peaks"] == pytest.approx(peaks, 1e-5)

    def test_no_tile_of_a_held_out_image_is_learned_from(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from blemish.training import one_pass

        learn = one_pass.learn_in_one_pass
        learned: list[np.ndarray] = []

        def spy(model: Any, images: np.ndarray, rows: np.ndarray, *others: Any, **options: Any) -> Any:
            learned.append(images[rows])
            return learn(model, images, rows, *others, **options)

        monkeypatch.setattr(one_pass, "learn_in_one_pass", spy)
        fit(folder, tmp_path / "model.safetensors", "patchcore")
        files = sorted((folder / "train/good").iterdir())
        expected = [
            tile
            for index in split_indices(10, 0.2, 0)[0]
            for image in [load_frame(files[index], Frame(tile=TILE))]
            for tile in Grid(*image.shape[:2], TILE, 0.25).cut(image)
        ]
        np.testing.assert_array_equal(learned[0], expected)

    def test_files_are_not_read_again_after_learning(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from blemish.training import one_pass

        learn = one_pass.learn_in_one_pass
        good = tmp_path / "good"
        shutil.copytree(folder / "train/good", good)

        def spy(*given: Any, **options: Any) -> Any:
            shutil.rmtree(good)
            return learn(*given, **options)

        monkeypatch.setattr(one_pass, "learn_in_one_pass", spy)
        detector = fit(good, tmp_path / "model.safetensors", "patchcore")
        assert len(detector.calibration.scores) == 2

    def test_images_smaller_than_a_tile_are_enlarged_and_told(self, folder: Path, tmp_path: Path) -> None:
        said: list[str] = []
        small = Dataset("small", [Sample(folder / f"train/good/{number:03}.png", 0) for number in (2, 3, 6)])
        detector = fit(small, tmp_path / "m.safetensors", "patchcore", say=said.append, tile=96)
        assert said[0] == (
            "002.png is 64 x 64 pixels, smaller than a tile of 96 x 96, and is enlarged; "
            "--tile is for larger images."
        )
        anomaly_map = detector.predict(small.train[0].path).anomaly_map
        assert anomaly_map is not None and anomaly_map.shape == (96, 96)

    def test_tiles_beyond_the_memory_budget_are_learnt_alike(self, folder: Path, tmp_path: Path) -> None:
        one = fit(folder, tmp_path / "a.safetensors", "patchcore")
        assignments = ["training.cache_gigabytes=0"]
        other = fit(folder, tmp_path / "b.safetensors", "patchcore", assignments=assignments)
        assert one.metadata["data"]["sha256"] == other.metadata["data"]["sha256"]
        assert one.calibration.scores.tolist() == other.calibration.scores.tolist()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.safetensors", "b.safetensors"]


class TestRows:
    def samples(self, folder: Path) -> list[Sample]:
        return [Sample(path, label=0) for path in sorted((folder / "train/good").iterdir())]

    def test_each_row_belongs_to_its_image(self, folder: Path) -> None:
        frame = Frame(tile=48, overlap=0.5)
        rows = load_rows(self.samples(folder), frame)
        for index, sample in enumerate(rows.samples):
            image = load_frame(sample.path, frame)
            expected = list(Grid(*image.shape[:2], 48, 0.5).cut(image))
            np.testing.assert_array_equal(rows.images[rows.of(np.array([index]))], expected)
        assert len(rows.images) == len(rows.owners)

    def test_unreadable_files_leave_no_gap(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "text.png").write_text("no image")
        damaged = tmp_path / "damaged.png"
        damaged.write_bytes((folder / "train/good/000.png").read_bytes()[:3000])
        samples = self.samples(folder)
        spoilt = [Sample(tmp_path / "text.png"), samples[0], Sample(damaged), *samples[1:]]
        frame = Frame(tile=TILE)
        clean, rows = load_rows(samples, frame), load_rows(spoilt, frame, skip_unreadable=True)
        assert rows.samples == samples and [Path(path).name for path, _ in rows.skipped] == [
            "text.png", "damaged.png",
        ]  # fmt: skip
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
        results = list(detector.predict_many([sample.path for sample in test]))
        maps = [result.anomaly_map for result in results]
        masks = [
            mask_to_frame(read_mask(sample.mask), detector.frame)
            if sample.mask
            else np.zeros(one.shape, bool)
            for sample, one in zip(test, maps, strict=True)
        ]
        assert {mask.shape for mask in masks} == set(SIZES[:3])
        expected = pixel_metrics(maps, masks)
        assert evaluation.pixel == pytest.approx(expected, rel=1e-3)
        fitted = Dataset("fitted", test=[Sample(folder / "train/good/000.png", 0), *test])
        assert blemish.evaluate(detector, fitted).notes[0].startswith("1 of 7 images were used to fit")

    def test_the_exported_model_scores_alike(self, model: Path, folder: Path, tmp_path: Path) -> None:
        if not model.parent.name.startswith(("patchcore", "ganomaly")):
            pytest.skip("two methods are enough")
        command("export", model, tmp_path / "model.onnx")
        files = sorted((folder / "test").glob("*/*.png"))
        original, exported = blemish.load(model), blemish.load(tmp_path / "model.onnx")
        assert exported.frame == original.frame
        results = zip(original.predict_many(files), exported.predict_many(files), strict=True)
        for one, other in results:
            assert other.score == pytest.approx(one.score, rel=1e-3)
            assert one.anomaly_map is not None and other.anomaly_map is not None
            np.testing.assert_allclose(
                other.anomaly_map, one.anomaly_map, rtol=1e-2, atol=1e-3 * one.anomaly_map.max()
            )

    def test_there_are_no_explanations(self, model: Path, folder: Path, tmp_path: Path) -> None:
        detector = blemish.load(model)
        assert not detector.can_explain
        from blemish.inference.outputs import predict_to_files

        with pytest.raises(BlemishError, match=r"gives no explanations: .* without tiles; leave it out"):
            predict_to_files(detector, [], batch_size=4, explain=tmp_path)

    def test_the_report_holds_small_pictures(self, model: Path, folder: Path, tmp_path: Path) -> None:
        detector = blemish.load(model)
        long = tmp_path / "long.png"
        Image.fromarray(np.tile(textures(1, 5, size=256)[0], (1, 5, 1))).save(long)
        data = Dataset("long", test=[Sample(long, 0), *read_folder(folder).test])
        write_report(blemish.evaluate(detector, data), detector, tmp_path / "report.html")
        html = (tmp_path / "report.html").read_text()
        pictures = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", html)
        sizes = [Image.open(io.BytesIO(base64.b64decode(one))).size for one in pictures]
        assert max(max(size) for size in sizes) == 512 and (512, 102) in sizes and (224, 160) in sizes
