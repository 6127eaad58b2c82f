"""Skip-GANomaly: GANomaly with a U-Net for a generator (Akcay et al., IJCNN 2019)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from blemish.images.frame import Shape
from blemish.models.gan.base import LatentGAN
from blemish.models.gan.config import SkipGANomalyConfig
from blemish.models.gan.layers import BatchNorm2d, Discriminator


class UNet(nn.Module):
    """The U-Net of pix2pix (Isola et al., CVPR 2017), down to one pixel, without its dropout.

    Images have a power of two of pixels to a side, at least 32.
    """

    def __init__(self, image_size: int) -> None:
        super().__init__()
        depth = image_size.bit_length() - 1
        pairs = list(pairwise(min(64 * 2**level, 512) for level in range(depth)))
        self.downs = nn.ModuleList([nn.Conv2d(3, 64, 4, 2, 1, bias=False)])
        for above, below in pairs:
            down = nn.Sequential(nn.LeakyReLU(0.2), nn.Conv2d(above, below, 4, 2, 1, bias=False))
            if len(self.downs) < depth - 1:  # a single pixel cannot be normalised
                down.append(BatchNorm2d(below))
            self.downs.append(down)
        self.ups = nn.ModuleList()
        for above, below in reversed(pairs):
            up = nn.ConvTranspose2d(2 * below if self.ups else below, above, 4, 2, 1, bias=False)
            self.ups.append(nn.Sequential(nn.ReLU(), up, BatchNorm2d(above)))
        self.output = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(2 * 64, 3, 4, 2, 1))

    @property
    def cam_layer(self) -> nn.Module:
        """Its output is [B, 64, S/2, S/2]."""
        return self.ups[-1]

    def forward(self, images: Tensor) -> Tensor:
        """Images float [B, 3, S, S] in [-1, 1] to their reconstruction in [-1, 1]."""
        skips = []
        features = images
        for down in self.downs:
            features = down(features)
            skips.append(features)
        features = skips.pop()
        for up in self.ups:
            features = torch.cat([skips.pop(), up(features)], dim=1)
        return self.output(features).tanh()


class SkipGANomaly(LatentGAN):
    """The whole method."""

    def __init__(self, config: SkipGANomalyConfig, image_shape: Shape) -> None:
        super().__init__(config, image_shape, UNet(image_shape[0]), Discriminator(image_shape[0]))
