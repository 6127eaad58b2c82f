"""SPADE against brute force."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from tests.models.memory_bank.support import images, learned, literal_map, patches_of


def features_of(model: Any, given: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Features of all positions [B, P, C] and pooled ones [B, c], float64."""
    backbone = model.features.backbone
    with torch.inference_mode():
        last = backbone(backbone.normalise(given))[-1]
    return patches_of(model, given), last.double().numpy().mean(axis=(2, 3))


@pytest.mark.parametrize("neighbours", [1, 3, 10, 50])
def test_scores_and_maps(neighbours: int) -> None:
    """Also with more neighbours than there are images."""
    model = learned("spade", 10, neighbours=neighbours)
    new = images(3, seed=5)
    with torch.inference_mode():
        scores, maps = model(new)
    gallery, pooled = features_of(model, images(10))
    for features, own, score, anomaly_map in zip(*features_of(model, new), scores, maps, strict=True):
        apart = np.square(pooled - own).sum(axis=1)
        alike = apart.argsort()[:neighbours]
        assert float(score) == pytest.approx(apart[alike].mean(), rel=1e-3)
        others = gallery[alike].reshape(-1, gallery.shape[2])
        expected = literal_map(cdist(features, others, "sqeuclidean").min(axis=1))
        np.testing.assert_allclose(anomaly_map, expected, rtol=5e-3)  # float16 gallery


def test_the_gallery_is_bounded_and_drawn_from_all_images() -> None:
    model = learned("spade", 10, batch_size=3, gallery=4)
    assert len(model.gallery) == len(model.pooled) == 4
    _, pooled = features_of(model, images(10))
    apart = cdist(model.pooled.double().numpy(), pooled)
    expected = np.sort(np.random.default_rng(0).permutation(10)[:4])
    assert apart.argmin(axis=1).tolist() == expected.tolist()
    assert apart.min(axis=1).max() < 1e-3
