"""Exact nearest neighbours, a block at a time."""

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from blemish.models.memory_bank.search import BLOCK, nearest_rows


def test_the_nearest_of_many_blocks() -> None:
    rng = np.random.default_rng(0)
    memory = rng.normal(size=(2 * BLOCK + 7, 20)).astype(np.float32) + 5
    queries = rng.normal(size=(50, 20)).astype(np.float32) + 5
    found = nearest_rows(torch.from_numpy(queries), torch.from_numpy(memory))
    expected = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(memory).kneighbors(queries)[1]
    assert found.tolist() == expected[:, 0].tolist()
