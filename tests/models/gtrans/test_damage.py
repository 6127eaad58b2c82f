"""Damage drawn onto training images."""

import torch

from blemish.models.base import images_to_tensor
from blemish.models.gtrans.damage import COVER, damage
from tests.support import textures


def damaged(seed: int, count: int = 8, size: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    images = images_to_tensor(textures(count, size=size)).float()
    torch.manual_seed(seed)
    return images, damage(images)


def test_a_small_part_of_every_image_changes() -> None:
    shares = []
    for seed in range(30):
        images, seen = damaged(seed)
        assert seen.shape == images.shape and seen.min() >= 0 and seen.max() <= 255
        changed = ((seen - images).abs().amax(dim=1) > 1e-3).float().mean(dim=(1, 2))
        assert changed.max() <= COVER[1] + 0.02
        shares.append(changed)
    assert (torch.cat(shares) > COVER[0] / 2).float().mean() > 0.9


def test_one_image_alone_and_the_smallest_frames_can_be_damaged() -> None:
    for seed in range(20):
        images, seen = damaged(seed, count=1, size=16)
        assert seen.isfinite().all() and not torch.equal(seen, images)
