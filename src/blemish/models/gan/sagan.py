"""SAGAN: Skip-GANomaly with attention on the U-Net's skips (Skip-Attention-GAN, 2021)."""

import torch
from torch import Tensor, nn

from blemish.images.frame import Shape
from blemish.models.gan.base import LatentGAN
from blemish.models.gan.config import SAGANConfig
from blemish.models.gan.layers import CBAM, BatchNorm2d, Discriminator

WIDTHS = (64, 128, 256, 512, 512)


class SoftPool(nn.Module):
    """The average of each block of 2x2, weighted by the exponentials of its values (Stergiou, ICCV 2021)."""

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, H, W] to [B, C, H/2, W/2]."""
        corners = torch.stack([features[:, :, y::2, x::2] for y in range(2) for x in range(2)])
        return (corners.softmax(dim=0) * corners).sum(dim=0)


class DoubleConv(nn.Sequential):
    """Twice a depthwise-separable convolution with BatchNorm and ReLU, [B, C, H, W] to [B, out, H, W]."""

    def __init__(self, channels: int, middle: int, out: int) -> None:
        super().__init__()
        for before, after in ((channels, middle), (middle, out)):
            self.append(nn.Conv2d(before, before, 3, padding=1, groups=before))
            self.append(nn.Conv2d(before, after, 1))
            self.append(BatchNorm2d(after))
            self.append(nn.ReLU())


class AttentionUNet(nn.Module):
    """A U-Net of depthwise-separable convolutions whose skips, and deepest level, pass through CBAM.

    The next level down is made of the features without attention. Works at any size divisible by 16. Between
    the levels lies "softpool", as in SAGAN's code, or "max", as in the copy of it that comes with AnoTrans's.
    """

    def __init__(self, pool: str) -> None:
        super().__init__()
        self.pool = SoftPool() if pool == "softpool" else nn.MaxPool2d(2)
        self.levels = nn.ModuleList(
            DoubleConv(above, below, below) for above, below in zip((3, *WIDTHS), WIDTHS, strict=False)
        )
        self.attention = nn.ModuleList(CBAM(width) for width in WIDTHS)
        self.upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.ups = nn.ModuleList(
            DoubleConv(channels, channels // 2, out)
            for channels, out in ((1024, 256), (512, 128), (256, 64), (128, 64))
        )
        self.output = nn.Conv2d(WIDTHS[0], 3, 1)

    @property
    def cam_layer(self) -> nn.Module:
        """Its output is [B, 64, S, S]."""
        return self.ups[-1]

    def forward(self, images: Tensor) -> Tensor:
        """Images float [B, 3, S, S] in [-1, 1] to their reconstruction, which may leave that range."""
        skips = []
        features = images
        for depth, (level, attention) in enumerate(zip(self.levels, self.attention, strict=True)):
            features = level(self.pool(features) if depth else features)
            skips.append(attention(features))
        features = skips.pop()
        for up in self.ups:
            features = up(torch.cat([skips.pop(), self.upsample(features)], dim=1))
        return self.output(features)


class SAGAN(LatentGAN):
    """The whole method."""

    def __init__(self, config: SAGANConfig, image_shape: Shape) -> None:
        super().__init__(config, image_shape, AttentionUNet(config.pool), Discriminator(image_shape[0]))
