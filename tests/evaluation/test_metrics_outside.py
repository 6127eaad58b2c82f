"""The metrics of real anomaly maps, against scikit-learn."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from sklearn import metrics as sklearn_metrics

from blemish.datasets import Dataset, read_folder
from blemish.datasets.drawn import Texture, generate
from blemish.evaluation.evaluate import Evaluation, evaluate
from blemish.training.config import build_config
from blemish.training.fit import fit
from tests.support import BACKBONE

SIZE, CROP = 96, 80  # the crop cuts defects off, as the papers' does
LIMIT = 0.3


class Judged(NamedTuple):
    """What a model makes of labelled images: its evaluation, and the maps and masks that it is about."""

    evaluation: Evaluation
    scores: np.ndarray
    labels: np.ndarray
    maps: np.ndarray
    masks: np.ndarray


def judge(dataset: Dataset, folder: Path, method: str, **model: Any) -> Judged:
    values = {
        "method": method,
        "frame": {"resize": SIZE, "crop": CROP},
        "model": {"backbone": BACKBONE, **model},
    }
    detector = fit(dataset, build_config(values=values), folder / "model.safetensors", weights="random")
    results = list(detector.predict_many([sample.path for sample in dataset.test], consecutive=True))
    return Judged(
        evaluate(detector, dataset.test),
        np.array([result.score for result in results]),
        np.array([sample.label for sample in dataset.test]),
        np.stack([result.anomaly_map for result in results]),
        np.stack([framed_mask(sample.mask) for sample in dataset.test]),
    )


def framed_mask(path: Path | None) -> np.ndarray:
    """By Pillow alone, for square pictures: resized to the nearest pixel, then the centre."""
    if path is None:
        return np.zeros((CROP, CROP), bool)
    with Image.open(path) as file:
        mask = np.asarray(file.convert("L").resize((SIZE, SIZE), Image.Resampling.NEAREST)) > 0
    border = (SIZE - CROP) // 2
    return mask[border : border + CROP, border : border + CROP]


def regions_of(masks: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Every 8-connected region, as the number of its image and its mask."""
    found = []
    for number, mask in enumerate(masks):
        labelled, count = ndimage.label(mask, structure=np.ones((3, 3)))
        found += [(number, labelled == region) for region in range(1, count + 1)]
    return found


def aupro_by_scikit_learn(maps: np.ndarray, masks: np.ndarray) -> float:
    """A ROC curve in which a region's pixels weigh as much as the region together has one vote."""
    weights = np.ones(maps.shape)
    for number, region in regions_of(masks):
        weights[number][region] = 1 / region.sum()
    area = sklearn_metrics.roc_auc_score(
        masks.ravel(), maps.ravel(), sample_weight=weights.ravel(), max_fpr=LIMIT
    )
    least = LIMIT**2 / 2  # scikit-learn puts a partial area between this and LIMIT on a scale of 0.5 to 1
    return float((least + (2 * area - 1) * (LIMIT - least)) / LIMIT)


def agree(judged: Judged) -> None:
    image, pixel = judged.evaluation.image, judged.evaluation.pixel
    assert pixel is not None
    roc_auc, precision = sklearn_metrics.roc_auc_score, sklearn_metrics.average_precision_score
    flat_masks, flat_maps = judged.masks.ravel(), judged.maps.ravel()
    assert image["auroc"] == pytest.approx(roc_auc(judged.labels, judged.scores), abs=1e-12)
    assert image["ap"] == pytest.approx(precision(judged.labels, judged.scores), abs=1e-12)
    assert pixel["auroc"] == pytest.approx(roc_auc(flat_masks, flat_maps), abs=1e-9)
    assert pixel["ap"] == pytest.approx(precision(flat_masks, flat_maps), abs=1e-9)
    assert pixel["aupro_30"] == pytest.approx(aupro_by_scikit_learn(judged.maps, judged.masks), abs=1e-9)


@pytest.mark.parametrize(
    ("texture", "values"),
    [("metal", {"method": "padim", "channels": 10}), ("fabric", {"method": "patchcore"})],
)
def test_on_drawn_parts(texture: Texture, values: dict[str, Any], tmp_path: Path) -> None:
    parts = read_folder(generate(tmp_path / "parts", texture=texture, train=12, test=4, size=128))
    judged = judge(parts, tmp_path, **values)
    assert len(regions_of(judged.masks)) > 12
    assert len(np.unique(judged.maps)) > judged.maps.size / 2
    assert judged.evaluation.pixel is not None
    assert 0.2 < judged.evaluation.pixel["aupro_30"] < 0.999  # a number that can be wrong
    agree(judged)


def test_on_a_category_of_mvtec(tmp_path: Path) -> None:
    """The first category of the folder that the variable names, by an untrained network."""
    if "BLEMISH_MVTEC" not in os.environ:
        pytest.skip("the environment variable BLEMISH_MVTEC names no folder with MVTec's categories")
    root = Path(os.environ["BLEMISH_MVTEC"])
    category = next(folder for folder in sorted(root.iterdir()) if (folder / "ground_truth").is_dir())
    agree(judge(read_folder(category), tmp_path, method="padim", channels=10))
