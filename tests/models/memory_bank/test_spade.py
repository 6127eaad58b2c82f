"""SPADE against brute force."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist
from torch import Tensor
from torch.nn import functional

from blemish.models.memory_bank.config import SPADEConfig
from blemish.models.memory_bank.features import positions_first
from blemish.models.memory_bank.spade import SPADE
from tests.support import BACKBONE, SIZE, textures


def as_tensor(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def built(**fields: object) -> SPADE:
    torch.manual_seed(0)
    return SPADE(SPADEConfig.model_validate({"backbone": BACKBONE} | fields), SIZE).eval()


def learned(count: int = 10, batch_size: int = 4, **fields: object) -> SPADE:
    model = built(**fields)
    images = as_tensor(textures(count))

    def batches() -> Iterator[Tensor]:
        yield from images.split(batch_size)

    model.learn(batches, count, 0)
    return model


def features_of(model: SPADE, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features of all positions [B, P, C] and pooled ones [B, c], float64."""
    with torch.inference_mode():
        features = positions_first(model.features(as_tensor(images)))
        normalised = model.features.backbone.normalise(as_tensor(images))
        last = model.features.backbone(normalised)[-1]
    return features.double().numpy(), last.double().numpy().mean(axis=(2, 3))


@pytest.mark.parametrize("neighbours", [1, 3, 10, 50])
def test_scores_and_maps(neighbours: int) -> None:
    """Also with more neighbours than there are images."""
    model = learned(neighbours=neighbours)
    images = textures(3, seed=5)
    with torch.inference_mode():
        scores, maps = model(as_tensor(images))
    gallery, pooled = features_of(model, textures(10))
    for features, own, score, anomaly_map in zip(*features_of(model, images), scores, maps, strict=True):
        apart = np.square(pooled - own).sum(axis=1)
        alike = apart.argsort()[:neighbours]
        assert float(score) == pytest.approx(apart[alike].mean(), rel=1e-3)
        others = gallery[alike].reshape(-1, gallery.shape[2])
        distances = cdist(features, others, "sqeuclidean").min(axis=1)
        side = int(len(distances) ** 0.5)
        small = torch.from_numpy(distances.reshape(1, 1, side, side))
        enlarged = functional.interpolate(small, (SIZE, SIZE), mode="bilinear")[0, 0].numpy()
        np.testing.assert_allclose(anomaly_map, gaussian_filter(enlarged, 4), rtol=5e-3)  # float16 gallery


def test_a_known_image_has_nothing_to_show() -> None:
    model = learned(neighbours=3)
    with torch.inference_mode():
        _, known = model(as_tensor(textures(10)))
        _, new = model(as_tensor(textures(10, seed=5)))
    assert known.max() < 1e-3 * new.min()


def test_all_images_are_remembered_in_their_order() -> None:
    model = learned(10, batch_size=3)
    gallery, pooled = features_of(model, textures(10))
    np.testing.assert_allclose(model.pooled, pooled, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.gallery.double(), gallery, rtol=2e-3, atol=1e-3)


def test_the_gallery_is_bounded_and_drawn_from_all_images() -> None:
    model = learned(10, batch_size=3, gallery=4)
    assert len(model.gallery) == len(model.pooled) == 4
    _, pooled = features_of(model, textures(10))
    apart = cdist(model.pooled.double().numpy(), pooled)
    expected = np.sort(np.random.default_rng(0).permutation(10)[:4])
    assert apart.argmin(axis=1).tolist() == expected.tolist()
    assert apart.min(axis=1).max() < 1e-3


@pytest.mark.parametrize("shape", [[0, 16, 4], [5, 16, 4], [4, 0, 4], [4, SIZE**2 + 1, 4]])
def test_a_file_with_an_impossible_gallery_is_refused(shape: list[int]) -> None:
    with pytest.raises(ValueError, match="a gallery of"):
        built(gallery=4).resize_state({"gallery": shape})
