"""Greedy k-centre coresets against the naive algorithm."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch.nn import functional

from blemish.models.memory_bank import coreset
from blemish.models.memory_bank.coreset import choose_coreset, project


def naive_k_centre(points: np.ndarray, count: int) -> list[int]:
    chosen = [0]
    while len(chosen) < count:
        apart = np.linalg.norm(points[:, None] - points[chosen], axis=2).min(axis=1)
        chosen.append(int(apart.argmax()))
    return chosen


def covering_radius(points: np.ndarray, centres: np.ndarray) -> float:
    distances, _ = NearestNeighbors(n_neighbors=1).fit(centres).kneighbors(points)
    return float(distances.max())


@pytest.mark.parametrize("channels", [2, 40])
def test_an_undivided_coreset_is_the_naive_algorithms(channels: int) -> None:
    points = torch.randn(300, channels, generator=torch.manual_seed(1))
    order = torch.randperm(300, generator=torch.manual_seed(3))
    expected = order[naive_k_centre(points[order].double().numpy(), 60)]
    found = choose_coreset(points, 60, torch.manual_seed(3))
    assert found.tolist() == sorted(expected.tolist())


def test_a_coreset_in_parts_covers_nearly_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    points = torch.randn(2000, 6, generator=torch.manual_seed(1)) ** 3
    whole = choose_coreset(points, 200, torch.manual_seed(0))
    monkeypatch.setattr(coreset, "PART", 250)
    in_parts = choose_coreset(points, 200, torch.manual_seed(0))
    assert len(set(in_parts.tolist())) == 200
    at_random = torch.randperm(2000, generator=torch.manual_seed(4))[:200]
    radii = [covering_radius(points.numpy(), points[rows].numpy()) for rows in (whole, in_parts, at_random)]
    assert radii[0] <= radii[1] < 0.6 * radii[2]


@pytest.mark.parametrize(("vectors", "count"), [(10, 10), (7, 1), (5, 3), (1, 1)])
def test_a_coreset_of_equal_vectors_repeats_none(
    vectors: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coreset, "PART", 3)
    rows = choose_coreset(torch.full((vectors, 5), 0.3), count, torch.manual_seed(0)).tolist()
    assert len(set(rows)) == count and rows == sorted(rows)


def test_projections_keep_distances() -> None:
    points = torch.randn(100, 600, generator=torch.manual_seed(1))
    projected = project(points, torch.manual_seed(0))
    assert projected.shape == (100, coreset.PROJECTED)
    ratio = functional.pdist(projected) / functional.pdist(points)
    assert 0.97 < ratio.mean() < 1.03 and ratio.std() < 0.1
    few = torch.randn(10, 20)
    assert project(few, torch.manual_seed(0)) is few
