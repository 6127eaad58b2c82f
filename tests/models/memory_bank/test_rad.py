"""RAD against brute force."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from tests.models.memory_bank.support import images, learned, literal_map, patches_of


def descriptors(model: Any, given: Tensor) -> np.ndarray:
    """What images are retrieved by: the last level, whose 4 x 4 positions are the fields."""
    with torch.inference_mode():
        last = model.features.levels(given)[-1].double().numpy()
    assert last.shape[2:] == (4, 4)
    fields = last.reshape(len(last), -1)
    return np.asarray(fields / np.linalg.norm(fields, axis=1, keepdims=True))


@pytest.mark.parametrize("neighbours", [1, 3, 50])
def test_scores_and_maps(neighbours: int) -> None:
    """Also with more neighbours than there are images."""
    model = learned("rad", 10, neighbours=neighbours, memory=7)
    known, new = images(10), images(3, seed=5)
    with torch.inference_mode():
        scores, maps = model(new)
    gallery, coreset = patches_of(model, known), model.coreset.double().numpy()
    assert (
        len(coreset) == 7 and cdist(coreset, gallery.reshape(-1, gallery.shape[2])).min(axis=1).max() < 1e-2
    )
    alike = (-descriptors(model, new) @ descriptors(model, known).T).argsort(axis=1)[:, :neighbours]
    for patches, among, score, anomaly_map in zip(patches_of(model, new), alike, scores, maps, strict=True):
        others = np.concatenate([coreset, gallery[among].reshape(-1, gallery.shape[2])])
        expected = literal_map(cdist(patches, others).min(axis=1))
        np.testing.assert_allclose(anomaly_map, expected, rtol=5e-3)  # float16 gallery
        assert float(score) == pytest.approx(float(anomaly_map.max()))


@pytest.mark.parametrize("out", [[3], [0, 9]])
def test_what_is_left_out_is_as_if_it_had_not_been_learned_from(out: list[int]) -> None:
    model, new = learned("rad", 10, memory=30), images(3, seed=5)
    gallery, coreset = patches_of(model, images(10)), model.coreset.double().numpy()
    owners = cdist(coreset, gallery.reshape(-1, gallery.shape[2])).argmin(axis=1) // gallery.shape[1]
    kept = [index for index in range(10) if index not in out]
    others = np.concatenate([coreset[~np.isin(owners, out)], *gallery[kept]])
    with torch.inference_mode():
        whole = model(new)[1]
        model.leave_out(np.array(out))
        left = model(new)[1]
        model.leave_out(np.empty(0, np.int64))
        assert torch.equal(model(new)[1], whole)
    model.config = model.config.model_copy(update={"neighbours": 50})
    model.leave_out(np.array(out))
    with torch.inference_mode():
        every = model(new)[1]
    for patches, few, anomaly_map in zip(patches_of(model, new), left, every, strict=True):
        np.testing.assert_allclose(anomaly_map, literal_map(cdist(patches, others).min(axis=1)), rtol=5e-3)
        assert (few >= anomaly_map - 1e-4).all(), "fewer images are compared with"
