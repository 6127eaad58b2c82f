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
from blemish.errors import BlemishError
from blemish.evaluation.metrics import pixel_metrics
from blemish.export import export_model
from blemish.images.frame import Frame
from blemish.images.reading import load_frame, mask_to_frame, read_mask
from blemish.images.tiling import Grid
from blemish.inference.detector import Detector
from blemish.inference.outputs import Outputs, predict_to_files
from blemish.reports import write_report
from blemish.training import one_pass
from blemish.training.batches import split_indices
from blemish.training.config import build_config
from blemish.training.fit import fit
from tests.support import BACKBONE, textures

TILE = 32
SIZES = [(80, 112), (112, 80), (32, 32), (50, 75)]  # height and width of the images, in turn
HELD_OUT = split_indices(10, 0.3, 0)[1]
METHODS: dict[str, dict[str, Any]] = {
    "patchcore": {"model": {"backbone": BACKBONE}},
    "ganomaly": {"training": {"epochs": 1, "batch_size": 16, "precision": "fp32"}},
}


def fit_tiled(data: Source, out: Path, method: str = "patchcore") -> Detector:
    values = {"method": method, "frame": {"tile": TILE}, "false_alarm_rate": 0.4} | METHODS[method]
    config = build_config(assignments=["training.validation_share=0.3"], values=values)
    return fit(data, config, out, weights="random" if method == "patchcore" else None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of several sizes in the MVTec layout: 10 to learn from, 3 good and 3 defective with masks."""
    root = tmp_path_factory.mktemp("large")
    (root / "ground_truth/spot").mkdir(parents=True)
    for seed, part, count in ((0, "train/good", 10), (50, "test/good", 3), (90, "test/spot", 3)):
        (root / part).mkdir(parents=True)
        for number in range(count):
            height, width = SIZES[number % 4]
            image = textures(1, seed + number, size=128)[0, :height, :width]
            if part == "test/spot":
                mask = np.zeros((height, width), np.uint8)
                image[10:16, 15:22], mask[10:16, 15:22] = 255, 255
                Image.fromarray(mask).save(root / f"ground_truth/spot/{number:03}_mask.png")
            Image.fromarray(image).save(root / part / f"{number:03}.png")
    return root


@pytest.fixture(scope="module")
def good(folder: Path) -> list[Path]:
    return sorted((folder / "train/good").iterdir())


@pytest.fixture(scope="module", params=METHODS)
def detector(
    request: pytest.FixtureRequest, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Detector:
    out = tmp_path_factory.mktemp(request.param) / "model.safetensors"
    fit_tiled(folder, out, request.param)
    return blemish.load(out)


def test_held_out_files_calibrate_as_they_are_predicted(
    detector: Detector, good: list[Path], tmp_path: Path
) -> None:
    assert detector.frame == Frame(tile=TILE, overlap=0.25) and detector.frame.size == TILE
    data = detector.metadata["data"]
    assert (data["images"], data["held_out"], len(data["frames"]), data["tiles"]) == (10, 3, 10, 104)
    results = list(detector.predict_many([good[index] for index in HELD_OUT]))
    assert detector.calibration.scores.tolist() == pytest.approx(sorted(r.score for r in results), 1e-5)
    assert detector.metadata["map_peaks"] == pytest.approx([r.anomaly_map.max() for r in results], 1e-5)
    with pytest.raises(BlemishError, match=r"gives no explanations: .* without tiles; leave it out"):
        predict_to_files(detector, [], Outputs(explain=tmp_path), batch_size=4)


def test_tiles_of_the_images_to_learn_from_are_learned_and_files_not_read_again(
    good: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
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
    assert len(fit_tiled(copies, tmp_path / "model.safetensors").calibration.scores) == 3
    expected = [
        tile
        for image in [load_frame(good[index], Frame(tile=TILE)) for index in split_indices(10, 0.3, 0)[0]]
        for tile in Grid(*image.shape[:2], (TILE, TILE), 0.25).cut(image)
    ]
    np.testing.assert_array_equal(learned[0], expected)
    total = 3 * (3 * 5) + 3 * (5 * 3) + 2 * 1 + 2 * (2 * 3)
    assert f"They were cut into {total} tiles." in caplog.messages


def test_evaluation_pools_maps_of_all_sizes(detector: Detector, folder: Path) -> None:
    test = read_folder(folder).test
    fitted = Dataset("fitted", test=[Sample(folder / "train/good/000.png", 0), *test])
    assert blemish.evaluate(detector, fitted).notes[0].startswith("1 of 7 images were used to fit")
    maps = [one.anomaly_map for one in detector.predict_many([sample.path for sample in test])]
    masks = [
        mask_to_frame(read_mask(sample.mask), detector.frame) if sample.mask else np.zeros(one.shape, bool)
        for sample, one in zip(test, maps, strict=True)
    ]
    assert {mask.shape for mask in masks} == set(SIZES[:3])
    evaluation = blemish.evaluate(detector, folder)
    assert evaluation.pixel == pytest.approx(pixel_metrics(maps, masks), rel=1e-3)
    assert not any("used to fit" in note for note in evaluation.notes)


@pytest.mark.slow
def test_the_exported_model_scores_alike_and_the_report_holds_small_pictures(
    folder: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model.safetensors"
    original = fit_tiled(folder, model)
    export_model(model, tmp_path / "model.onnx")
    exported = blemish.load(tmp_path / "model.onnx")
    assert exported.frame == original.frame
    files = sorted((folder / "test").glob("*/*.png"))
    for one, other in zip(original.predict_many(files), exported.predict_many(files), strict=True):
        assert other.score == pytest.approx(one.score, rel=1e-3)
        tolerance = 1e-3 * one.anomaly_map.max()
        np.testing.assert_allclose(other.anomaly_map, one.anomaly_map, rtol=1e-2, atol=tolerance)

    long = tmp_path / "long.png"
    Image.fromarray(np.tile(textures(1, 5, size=256)[0], (1, 5, 1))).save(long)
    data = Dataset("long", test=[Sample(long, 0), *read_folder(folder).test])
    write_report(blemish.evaluate(original, data), original, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    pictures = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", page)
    sizes = [Image.open(io.BytesIO(base64.b64decode(one))).size for one in pictures]
    assert max(max(size) for size in sizes) == 1000 and (1000, 200) in sizes and (112, 80) in sizes
