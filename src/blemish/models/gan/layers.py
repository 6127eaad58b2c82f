"""Layers of several of the networks: BatchNorm with a choice at test time, and CBAM."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BatchNormAtTest = Literal["eval", "instance", "batch"]


class BatchNorm2d(nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` with a choice of the statistics used in eval mode.

    Attributes:
        at_test: "eval" uses the running statistics, as everywhere; "instance" those of each image alone,
            which is train mode at batch size 1; "batch" those of the batch, so that an image's score
            depends on its neighbours. None of them changes the running statistics.
    """

    at_test: BatchNormAtTest = "eval"

    def forward(self, input: Tensor) -> Tensor:
        """float [B, C, H, W] to the same shape."""
        if self.training or self.at_test == "eval":
            return super().forward(input)
        if self.at_test == "instance":
            return F.instance_norm(input, weight=self.weight, bias=self.bias, eps=self.eps)
        return F.batch_norm(input, None, None, self.weight, self.bias, training=True, eps=self.eps)


def set_batchnorm_at_test(network: nn.Module, at_test: BatchNormAtTest) -> int:
    """Choose the statistics for every `BatchNorm2d` in a network; how many there are."""
    layers = [module for module in network.modules() if isinstance(module, BatchNorm2d)]
    for layer in layers:
        layer.at_test = at_test
    return len(layers)


RATIO = 16


class CBAM(nn.Module):
    """Convolutional block attention module (Woo et al., ECCV 2018).

    Weighs the channels of a feature map, then its positions, each by a number between 0 and 1.

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
