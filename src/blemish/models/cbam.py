"""CBAM: convolutional block attention module (Woo et al., ECCV 2018)."""

import torch
from torch import Tensor, nn

from blemish.models.batchnorm import BatchNorm2d

RATIO = 16


class CBAM(nn.Module):
    """Weighs the channels of a feature map, then its positions, each by a number between 0 and 1.

    Args:
        channels: C, channels of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // RATIO)
        self.channel = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))
        self.spatial = nn.Sequential(nn.Conv2d(2, 1, 7, padding=3, bias=False), BatchNorm2d(1))

    def forward(self, features: Tensor) -> Tensor:
        """float [B, C, h, w] to the same shape."""
        mean, peak = features.mean(dim=(2, 3)), features.amax(dim=(2, 3))
        features = features * (self.channel(mean) + self.channel(peak)).sigmoid()[:, :, None, None]
        pooled = torch.cat([features.mean(dim=1, keepdim=True), features.amax(dim=1, keepdim=True)], dim=1)
        return features * self.spatial(pooled).sigmoid()
