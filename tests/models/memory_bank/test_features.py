"""Patch features of a frozen backbone, and their exact nearest neighbours."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch.nn import functional

from blemish.models.memory_bank.features import BLOCK, PatchFeatures, nearest_rows
from tests.models.memory_bank.support import built, images
from tests.support import BACKBONE, SIZE


def test_levels_are_averaged_over_3_x_3_and_put_side_by_side() -> None:
    torch.manual_seed(0)
    features = PatchFeatures(BACKBONE, (2, 3), pooled=True)
    with torch.inference_mode():
        found = features(images(2))
        second, third = features.backbone(features.backbone.normalise(images(2)))
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


@pytest.mark.parametrize(
    ("method", "fields", "shapes", "words"),
    [
        *(("patchcore", {"memory": 20}, {"memory": [n, 4]}, f"a memory of {n} patches") for n in (0, 21)),
        *(("padim", {}, {"mean": [n, 10]}, f"{n} positions") for n in (0, SIZE**2 + 1)),
        *(("rad", {}, {"gallery": [4, 32, 4], "coreset": [n, 4]}, f"a coreset of {n} p") for n in (0, 4001)),
        *(("spade", {"gallery": 4}, {"gallery": [n, 16, 4]}, f"a gallery of {n} images") for n in (0, 5)),
        *(("spade", {"gallery": 4}, {"gallery": [4, n, 4]}, f"with {n} positions") for n in (0, SIZE**2 + 1)),
    ],
)
def test_sizes_that_no_fit_gives_are_refused(
    method: str, fields: dict[str, int], shapes: Any, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        built(method, **fields).resize_state(shapes)
