"""PatchCore against literal computations."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch.nn import functional

from blemish.models.memory_bank import coreset
from blemish.models.memory_bank.config import PatchCoreConfig
from blemish.models.memory_bank.coreset import choose_coreset, greedy_centres, project
from blemish.models.memory_bank.features import PatchFeatures, positions_first
from blemish.models.memory_bank.patchcore import BLOCK, PatchCore, nearest_rows
from tests.support import BACKBONE, SIZE, textures


def as_tensor(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def learned(count: int = 6, batch_size: int = 4, **fields: object) -> PatchCore:
    torch.manual_seed(0)
    model = PatchCore(PatchCoreConfig.model_validate({"backbone": BACKBONE} | fields), SIZE).eval()
    images = as_tensor(textures(count))

    def batches() -> Iterator[Tensor]:
        yield from images.split(batch_size)

    model.learn(batches, count, 0)
    return model


def patches_of(model: PatchCore, images: np.ndarray) -> np.ndarray:
    """float64 [B, P, C]."""
    with torch.inference_mode():
        return positions_first(model.features(as_tensor(images))).double().numpy()


def naive_k_centre(points: np.ndarray, count: int) -> list[int]:
    chosen = [0]
    while len(chosen) < count:
        apart = np.linalg.norm(points[:, None] - points[chosen], axis=2).min(axis=1)
        chosen.append(int(apart.argmax()))
    return chosen


def covering_radius(points: np.ndarray, centres: np.ndarray) -> float:
    distances, _ = NearestNeighbors(n_neighbors=1).fit(centres).kneighbors(points)
    return float(distances.max())


def test_levels_are_averaged_over_3_x_3_and_put_side_by_side() -> None:
    torch.manual_seed(0)
    features = PatchFeatures(BACKBONE, (2, 3), pooled=True)
    images = as_tensor(textures(2))
    with torch.inference_mode():
        found = features(images)
        second, third = features.backbone(features.backbone.normalise(images))
    padded = np.pad(second.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
    height, width = second.shape[2:]
    around = sum(padded[:, :, y : y + height, x : x + width] for y in range(3) for x in range(3)) / 9
    np.testing.assert_allclose(found[:, : second.shape[1]], around, rtol=1e-4, atol=1e-5)
    pooled = functional.avg_pool2d(third, 3, 1, 1)
    enlarged = functional.interpolate(pooled, (height, width), mode="bilinear")
    torch.testing.assert_close(found[:, second.shape[1] :], enlarged)


def test_the_nearest_of_many_blocks() -> None:
    rng = np.random.default_rng(0)
    memory = rng.normal(size=(2 * BLOCK + 7, 20)).astype(np.float32) + 5
    queries = rng.normal(size=(50, 20)).astype(np.float32) + 5
    found = nearest_rows(torch.from_numpy(queries), torch.from_numpy(memory))
    expected = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(memory).kneighbors(queries)[1]
    assert found.tolist() == expected[:, 0].tolist()


@pytest.mark.parametrize("neighbours", [9, 3, 1])
def test_maps_and_reweighted_scores(neighbours: int) -> None:
    model = learned(neighbours=neighbours)
    images = textures(3, seed=5)
    with torch.inference_mode():
        scores, maps = model(as_tensor(images))
    memory = model.memory.double().numpy()
    search = NearestNeighbors(algorithm="brute").fit(memory)
    for patches, score, anomaly_map in zip(patches_of(model, images), scores, maps, strict=True):
        distances, nearest = (found[:, 0] for found in search.kneighbors(patches, 1))
        worst = distances.argmax()
        around = search.kneighbors(memory[nearest[worst]][None], neighbours)[1][0]
        to_them = np.linalg.norm(memory[around] - patches[worst], axis=1)
        weight = 1 - np.exp(distances[worst]) / np.exp(to_them).sum() if neighbours > 1 else 1
        assert float(score) == pytest.approx(weight * distances[worst], rel=1e-4)
        side = int(len(distances) ** 0.5)
        small = torch.from_numpy(distances.reshape(1, 1, side, side))
        enlarged = functional.interpolate(small, (SIZE, SIZE), mode="bilinear")[0, 0].numpy()
        np.testing.assert_allclose(anomaly_map, gaussian_filter(enlarged, 4), rtol=1e-3)


def test_what_is_remembered_is_far_from_nothing_good() -> None:
    model = learned(coreset=1.0)
    with torch.inference_mode():
        _, maps = model(as_tensor(textures(6)))
        _, others = model(as_tensor(textures(6, seed=9)))
    assert maps.max() < 0.01 * others.max()


@pytest.mark.parametrize("channels", [2, 40])
def test_greedy_centres_are_those_of_the_naive_algorithm(channels: int) -> None:
    points = np.random.default_rng(1).normal(size=(300, channels)).astype(np.float32)
    found = greedy_centres(torch.from_numpy(points), 60)
    assert found.tolist() == naive_k_centre(points.astype(np.float64), 60)


def test_an_undivided_coreset_is_the_greedy_one() -> None:
    points = torch.randn(300, 8, generator=torch.manual_seed(1))
    order = torch.randperm(300, generator=torch.manual_seed(3))
    expected = order[naive_k_centre(points[order].double().numpy(), 40)]
    found = choose_coreset(points, 40, torch.manual_seed(3))
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


def test_the_memory_holds_patches_of_the_images() -> None:
    model = learned(count=6)
    patches = patches_of(model, textures(6)).reshape(-1, model.memory.shape[1])
    assert len(model.memory) == round(0.1 * len(patches))
    distances, rows = NearestNeighbors(n_neighbors=1).fit(patches).kneighbors(model.memory.double().numpy())
    assert distances.max() < 1e-4
    assert len(set(rows[:, 0].tolist())) == len(model.memory)


def test_candidates_and_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = []

    def spy(vectors: Tensor, count: int, generator: torch.Generator) -> Tensor:
        offered.append(vectors)
        return choose_coreset(vectors, count, generator)

    monkeypatch.setattr("blemish.models.memory_bank.patchcore.choose_coreset", spy)
    model = learned(count=10, batch_size=3, candidates=50, coreset=1.0, memory=20)
    assert offered[0].shape[0] == offered[0].untyped_storage().nbytes() // (4 * offered[0].shape[1]) == 50
    assert model.memory.shape[0] == model.memory.untyped_storage().nbytes() // (4 * offered[0].shape[1]) == 20
    all_patches = patches_of(model, textures(10))
    count = all_patches.shape[1]
    search = NearestNeighbors(n_neighbors=1).fit(all_patches.reshape(-1, all_patches.shape[2]))
    distances, rows = search.kneighbors(offered[0].double().numpy())
    assert distances.max() < 1e-4 and len(set(rows[:, 0].tolist())) == 50
    assert len(set((rows[:, 0] // count).tolist())) >= 8  # of ten images, drawn alike


@pytest.mark.parametrize("rows", [0, 21])
def test_a_file_with_an_impossible_memory_is_refused(rows: int) -> None:
    model = PatchCore(PatchCoreConfig(backbone=BACKBONE, memory=20), SIZE)
    with pytest.raises(ValueError, match=f"a memory of {rows} patches"):
        model.resize_state({"memory": [rows, 4]})
