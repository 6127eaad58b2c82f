"""RAD against brute force."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from blemish.errors import ConfigError
from tests.models.memory_bank.support import images, learned, literal_map, patches_of

ALL = 4096  # more components than there are channels: nothing is left out of them


def descriptors(model: Any, given: Tensor) -> np.ndarray:
    """What images are retrieved by: the last level, whose 4 x 4 positions are the fields."""
    with torch.inference_mode():
        last = model.features.levels(given)[-1].double().numpy()
    assert last.shape[2:] == (4, 4)
    fields = last.reshape(len(last), -1)
    return np.asarray(fields / np.linalg.norm(fields, axis=1, keepdims=True))


def whitened(patches: np.ndarray, good: np.ndarray, kept: int) -> np.ndarray:
    """float64 [..., C] to [..., D + 1], by the covariance of `good`, [N, C]."""
    values, vectors = np.linalg.eigh(np.cov(good.T, bias=True))
    values, vectors = values[::-1][:kept], vectors[:, ::-1][:, :kept]
    unit = np.trace(np.cov(good.T, bias=True)) / good.shape[1]
    centred = patches - good.mean(axis=0)
    along = centred @ vectors
    rest = np.maximum((centred**2).sum(axis=-1) - (along**2).sum(axis=-1), 0)
    return np.concatenate([along / np.sqrt(values + unit), np.sqrt(rest / unit)[..., None]], axis=-1)


@pytest.mark.parametrize(("neighbours", "components"), [(1, ALL), (3, 5), (50, 12)])
def test_scores_and_maps(neighbours: int, components: int) -> None:
    """Also with more neighbours than there are images."""
    model = learned("rad", 10, neighbours=neighbours, components=components, memory=7)
    known, new = images(10), images(3, seed=5)
    with torch.inference_mode():
        scores, maps = model(new)
    good = patches_of(model, known)
    flat = good.reshape(-1, good.shape[2])
    side = round(good.shape[1] ** 0.5)
    black = np.add(*np.indices((side, side))).ravel() % 2 == 0
    gallery, coreset = whitened(good, flat, components), model.coreset.double().numpy()
    assert len(coreset) == 7
    assert cdist(coreset, gallery.reshape(-1, gallery.shape[2])).min(axis=1).max() < 0.2  # float16
    alike = (-descriptors(model, new) @ descriptors(model, known).T).argsort(axis=1)[:, :neighbours]
    patches = whitened(patches_of(model, new), flat, components)
    for own, among, score, anomaly_map in zip(patches, alike, scores, maps, strict=True):
        others = np.concatenate([coreset, gallery[among][:, black].reshape(-1, gallery.shape[2])])
        expected = literal_map(cdist(own, others).min(axis=1))
        np.testing.assert_allclose(anomaly_map, expected, rtol=1e-2)
        assert float(score) == pytest.approx(float(anomaly_map.max()))


@pytest.mark.parametrize("out", [[3], [0, 9]])
def test_what_is_left_out_is_as_if_it_had_not_been_learned_from(out: list[int]) -> None:
    model, new = learned("rad", 10, memory=30), images(3, seed=5)
    kept = torch.tensor([index for index in range(10) if index not in out])
    with torch.inference_mode():
        whole = model(new)[1]
        model.leave_out(np.array(out))
        left = model(new)[1]
        model.leave_out(np.empty(0, np.int64))
        assert torch.equal(model(new)[1], whole)
        model.coreset = model.coreset[torch.isin(model.coreset_images, kept)]
        model.gallery, model.pooled = model.gallery[kept], model.pooled[kept]
        torch.testing.assert_close(model(new)[1], left)
    assert not torch.equal(left, whole)


def test_equal_patches_are_at_no_distance() -> None:
    model = learned("rad", 3)
    grey = torch.full((2, 3, *model.image_shape), 128, dtype=torch.uint8)
    model.learn(lambda: iter([grey]), 2, 0)
    with torch.inference_mode():
        scores, maps = model(grey)
    assert torch.isfinite(maps).all() and torch.isfinite(scores).all()


def test_the_only_image_that_is_remembered_cannot_be_left_out() -> None:
    model = learned("rad", 3, gallery=1)
    with pytest.raises(ConfigError, match="is of one image"):
        model.leave_out(model.remembered)


def test_all_that_leaving_out_needs_moves_with_the_model() -> None:
    model = learned("rad", 3).to("meta")
    assert {tensor.device.type for tensor in (model.gallery, model.coreset, model.coreset_images)} == {"meta"}
    assert "coreset_images" not in model.state_dict()
