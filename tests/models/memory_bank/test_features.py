"""Patch features of a frozen backbone."""

import numpy as np
import torch
from torch.nn import functional

from blemish.models.memory_bank.features import PatchFeatures
from tests.models.memory_bank.support import images
from tests.support import BACKBONE


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
