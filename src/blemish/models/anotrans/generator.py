"""The generator, a U-shaped network of attention blocks (AnoTrans section 3, figure 1)."""

import torch
from timm.layers import PatchEmbed
from timm.models.swin_transformer import PatchMerging
from torch import Tensor, nn

from blemish.models.anotrans.config import LEVELS, AnoTransConfig
from blemish.models.anotrans.skip import create_skip
from blemish.models.anotrans.swin import AttentionBlock, Expand, unfold_pixels
from blemish.models.batchnorm import BatchNorm2d


class Embedding(nn.Module):
    """Images to tokens: BatchNorm, patches, learned positions.

    Args:
        config: the model's fields.
        side: tokens per row.
    """

    def __init__(self, config: AnoTransConfig, side: int) -> None:
        super().__init__()
        self.input_norm = BatchNorm2d(3) if config.input_norm else nn.Identity()
        self.patches = PatchEmbed(
            side * config.patch,
            config.patch,
            embed_dim=config.channels,
            norm_layer=nn.LayerNorm,
            output_fmt="NHWC",
        )
        self.positions = nn.Parameter(torch.empty(1, side, side, config.channels))
        nn.init.trunc_normal_(self.positions, std=0.02)

    def forward(self, images: Tensor) -> Tensor:
        """Images [B, 3, S, S] to tokens [B, S/p, S/p, C]."""
        return self.patches(self.input_norm(images)) + self.positions


class EncoderLevel(nn.Module):
    """Attention, the skip connection tapped behind it, merging.

    The paper's text and figures tap the block's output; the authors' code taps its input.
    """

    def __init__(self, config: AnoTransConfig, channels: int, side: int) -> None:
        super().__init__()
        self.block = AttentionBlock(config, channels, side)
        self.skip = create_skip(config, channels, side)
        self.merge = PatchMerging(channels)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens [B, h, w, C] to the next level's [B, h/2, w/2, 2C] and the skipped ones [B, h, w, C]."""
        tokens = self.block(tokens)
        return self.merge(tokens), self.skip(tokens)


class DecoderLevel(nn.Module):
    """Fusion with the skipped tokens, attention, expanding."""

    def __init__(self, config: AnoTransConfig, channels: int, side: int) -> None:
        super().__init__()
        self.fuse = nn.Linear(2 * channels, channels)
        self.block = AttentionBlock(config, channels, side)
        self.expand = Expand(channels)

    def forward(self, tokens: Tensor, skipped: Tensor) -> Tensor:
        """Tokens [B, h, w, C] and skipped tokens of the same shape to [B, 2h, 2w, C/2]."""
        return self.expand(self.block(self.fuse(torch.cat([tokens, skipped], dim=-1))))


class Head(nn.Module):
    """Tokens to pixels, "patch restore" in figure 1; linear, as in the authors' code.

    The last expanding has left p/2 x p/2 pixels to each token. The authors' code reshapes rows of tokens
    instead, which only for p = 2 puts every pixel in its place.
    """

    def __init__(self, config: AnoTransConfig) -> None:
        super().__init__()
        self.factor = config.patch // 2
        self.linear = nn.Linear(config.channels // 2, 3 * self.factor**2)
        self.colours = nn.Conv2d(3, 3, 1, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [B, 2S/p, 2S/p, C/2] to images [B, 3, S, S]."""
        return self.colours(unfold_pixels(self.linear(tokens), self.factor).permute(0, 3, 1, 2))


class Generator(nn.Module):
    """Reconstructs images of one size.

    Args:
        config: the model's fields.
        image_size: S, a multiple of 8 patches.
    """

    def __init__(self, config: AnoTransConfig, image_size: int) -> None:
        super().__init__()
        side = image_size // config.patch
        levels = [(config.channels * 2**level, side // 2**level) for level in range(LEVELS + 1)]
        bottom = levels.pop()
        self.embedding = Embedding(config, side)
        self.encoder = nn.ModuleList(EncoderLevel(config, *level) for level in levels)
        self.bottom = AttentionBlock(config, *bottom)
        self.expand = Expand(bottom[0])
        self.decoder = nn.ModuleList(DecoderLevel(config, *level) for level in reversed(levels))
        self.head = Head(config)

    @property
    def cam_layer(self) -> nn.Module:
        """The last attention block, whose output [B, S/p, S/p, C] a heat-map can be read from (figure 5)."""
        return self.decoder[-1].get_submodule("block")

    def forward(self, images: Tensor) -> Tensor:
        """Images float [B, 3, S, S] in [-1, 1] to reconstructions of the same shape."""
        tokens = self.embedding(images)
        skips = []
        for level in self.encoder:
            tokens, skipped = level(tokens)
            skips.append(skipped)
        tokens = self.expand(self.bottom(tokens))
        for level in self.decoder:
            tokens = level(tokens, skips.pop())
        return self.head(tokens)
