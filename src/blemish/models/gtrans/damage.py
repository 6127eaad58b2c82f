"""Damage drawn onto good images, for a student that is to see past it."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

COVER = (0.01, 0.15)  # share of an image that is damaged
GRAINS = (3, 5, 8, 14)  # hills of the noise that gives the damage its outline, down and across
OPACITY = (0.3, 1.0)


def damage(images: Tensor) -> Tensor:
    """Float images [B, 3, H, W] in 0..255 with a patch of something else, one kind per image.

    The kinds: a part of another image of the batch, shifted; a coloured noise; a change of contrast and
    colour; a loss of sharpness. Random by torch's generator.
    """
    count, _, *shape = images.shape
    size = min(shape)
    device = images.device
    shift = torch.randint(size // 8, size - size // 8, (2,)).tolist()
    other = images[torch.randperm(count)].roll(shift, dims=(2, 3))
    if torch.rand(()) < 0.5:
        other = other.flip(3)
    if torch.rand(()) < 0.5:
        other = other.transpose(2, 3) if shape[0] == shape[1] else other.flip(2)
    grain = size // int(torch.randint(4, 57, ()))
    noise = _enlarge(60 * torch.randn(count, 3, max(grain, 2), max(grain, 2), device=device), shape)
    noise = noise + images.mean(dim=(2, 3), keepdim=True) + 40 * torch.randn(count, 3, 1, 1, device=device)
    contrast = 1 + 0.3 * torch.randn(count, 1, 1, 1, device=device)
    shaded = images * contrast + 25 * torch.randn(count, 3, 1, 1, device=device)
    blurred = _enlarge(functional.avg_pool2d(images, 4), shape)
    kinds = torch.stack([other, noise, shaded, 0.7 * blurred + 0.3 * other])
    chosen = kinds[torch.randint(len(kinds), (count,)), torch.arange(count)]
    opacity = torch.empty(count, 1, 1, 1, device=device).uniform_(*OPACITY) * _patches(images)
    return torch.lerp(images, chosen, opacity).clamp(0, 255)


def _patches(images: Tensor) -> Tensor:
    """Soft-edged random patches: [B, 1, H, W] in [0, 1]."""
    count, shape = len(images), images.shape[2:]
    grain = GRAINS[int(torch.randint(len(GRAINS), ()))]
    hills = _enlarge(torch.randn(count, 1, grain, grain, device=images.device), shape).flatten(1)
    share = torch.empty(count, device=images.device).uniform_(*COVER)
    last = hills.shape[1] - 1
    above = last - ((1 - share) * last).long()
    level = hills.topk(int(above.max()) + 1, dim=1).values.gather(1, above[:, None])
    heights = (hills - level) / hills.std(dim=1, keepdim=True)
    return (6 * heights).clamp(0, 1).reshape(count, 1, *shape)


def _enlarge(maps: Tensor, shape: Sequence[int]) -> Tensor:
    return functional.interpolate(maps, size=tuple(shape), mode="bilinear", align_corners=False)
