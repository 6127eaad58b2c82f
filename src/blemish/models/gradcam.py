"""Grad-CAM: which features raise a score, and where (Selvaraju et al., ICCV 2017)."""

import torch.nn.functional as F
from torch import Tensor


def grad_cam(features: Tensor, gradient: Tensor, size: int) -> Tensor:
    """Channels weighted by their mean gradient, positive part, enlarged; each map stretched to [0, 1].

    Args:
        features: float [B, C, h, w], one layer's output.
        gradient: of each image's score by its features, same shape.
        size: S, side of the images in pixels.

    Returns:
        float32 [B, S, S] in [0, 1]; zero where no feature raises the score.
    """
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    maps = (weights * features).sum(dim=1, keepdim=True).relu().float()
    maps = F.interpolate(maps, size=(size, size), mode="bilinear")[:, 0]
    low, high = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp_min(1e-30)
