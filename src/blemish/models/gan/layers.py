"""Parts of several of the networks: BatchNorm with a choice at test time, CBAM, pyramid, discriminator."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RATIO = 16  # of the hidden layer in CBAM
FEATURES = 100  # length of f(x)

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


def pyramid(image_size: int) -> tuple[nn.Sequential, int, int]:
    """Strided convolutions that halve an image, and double the channels, until at most 4 pixels remain.

    The first has no BatchNorm, as in DCGAN (Radford et al., ICLR 2016).

    Returns:
        The layers, from images [B, 3, S, S] to [B, channels, remaining, remaining]; the channels; and
        the remaining size: 4 for powers of two, 3 at 96 pixels, 2 at 160.
    """
    channels, remaining = 64, image_size // 2
    layers = nn.Sequential(nn.Conv2d(3, channels, 4, 2, 1, bias=False), nn.LeakyReLU(0.2))
    while remaining > 4:
        layers.append(nn.Conv2d(channels, 2 * channels, 4, 2, 1, bias=False))
        layers.append(BatchNorm2d(2 * channels))
        layers.append(nn.LeakyReLU(0.2))
        channels, remaining = 2 * channels, remaining // 2
    return layers, channels, remaining


class Discriminator(nn.Module):
    """Skip-GANomaly's discriminator (Akcay et al., IJCNN 2019), also SAGAN's (2021) and AnoTrans's.

    Its feature f(x) is the convolution that takes in all that remains of the pyramid. The authors' kernel
    is always 4, which cannot work at 96 pixels; here it is what remains.
    """

    def __init__(self, image_size: int) -> None:
        super().__init__()
        self.pyramid, channels, remaining = pyramid(image_size)
        self.feature = nn.Conv2d(channels, FEATURES, remaining, bias=False)
        self.classifier = nn.Conv2d(FEATURES, 1, 3, padding=1, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images float [B, 3, S, S] in [-1, 1] to the logit of being real [B] and f(x) [B, 100].

        The authors' last layer, a sigmoid, is left to `binary_cross_entropy_with_logits`.
        """
        feature = self.feature(self.pyramid(images))
        return self.classifier(feature).flatten(), feature.flatten(1)
