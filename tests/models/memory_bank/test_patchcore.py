"""PatchCore against literal computations."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from blemish.models.memory_bank.coreset import choose_coreset
from tests.models.memory_bank.support import images, learned, literal_map, patches_of


@pytest.mark.parametrize("neighbours", [9, 3, 1])
def test_maps_and_reweighted_scores_by_a_memory_of_patches(neighbours: int) -> None:
    model = learned("patchcore", 6, coreset=0.1, neighbours=neighbours)
    new = images(3, seed=5)
    with torch.inference_mode():
        scores, maps = model(new)
    known, memory = (
        patches_of(model, images(6)).reshape(-1, model.memory.shape[1]),
        model.memory.double().numpy(),
    )
    assert len(memory) == round(0.1 * len(known))
    assert NearestNeighbors(n_neighbors=1).fit(known).kneighbors(memory)[0].max() < 1e-4
    search = NearestNeighbors(algorithm="brute").fit(memory)
    for patches, score, anomaly_map in zip(patches_of(model, new), scores, maps, strict=True):
        distances, nearest = (found[:, 0] for found in search.kneighbors(patches, 1))
        worst = distances.argmax()
        around = search.kneighbors(memory[nearest[worst]][None], neighbours)[1][0]
        to_them = np.linalg.norm(memory[around] - patches[worst], axis=1)
        weight = 1 - np.exp(distances[worst]) / np.exp(to_them).sum() if neighbours > 1 else 1
        assert float(score) == pytest.approx(weight * distances[worst], rel=1e-4)
        np.testing.assert_allclose(anomaly_map, literal_map(distances), rtol=1e-3)


def test_candidates_and_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = []

    def spy(vectors: Tensor, count: int, generator: torch.Generator) -> Tensor:
        offered.append(vectors)
        return choose_coreset(vectors, count, generator)

    monkeypatch.setattr("blemish.models.memory_bank.patchcore.choose_coreset", spy)
    model = learned("patchcore", 10, batch_size=3, candidates=50, coreset=1.0, memory=20)
    assert offered[0].shape[0] == offered[0].untyped_storage().nbytes() // (4 * offered[0].shape[1]) == 50
    assert model.memory.shape[0] == model.memory.untyped_storage().nbytes() // (4 * offered[0].shape[1]) == 20
    all_patches = patches_of(model, images(10))
    count = all_patches.shape[1]
    search = NearestNeighbors(n_neighbors=1).fit(all_patches.reshape(-1, all_patches.shape[2]))
    distances, rows = search.kneighbors(offered[0].double().numpy())
    assert distances.max() < 1e-4 and len(set(rows[:, 0].tolist())) == 50
    assert len(set((rows[:, 0] // count).tolist())) >= 8  # of ten images, drawn alike
