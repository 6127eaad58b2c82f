"""AnoTrans: a GAN whose generator is a U-shaped transformer with attention in its skips (ICANN 2022).

Tokens are [B, h, w, C]; below, `side` is h = w and `channels` is C. Halving the map, the paper's patch
merging, is timm's `PatchMerging` as it is.
"""

import torch
from timm.layers import PatchEmbed
from timm.models.swin_transformer import PatchMerging, SwinTransformerBlock
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional

from blemish.images.frame import Shape
from blemish.models.gan.base import LatentGAN
from blemish.models.gan.config import LEVELS, AnoTransConfig
from blemish.models.gan.layers import CBAM, BatchNorm2d, Discriminator

MLP_RATIO = 4


def window_block(config: AnoTransConfig, channels: int, side: int, shift: int) -> SwinTransformerBlock:
    """Attention inside windows of a map, shifted unless a window is as large as the map.

    timm spells the attention out unless told otherwise; for windows of four tokens that is as fast as
    PyTorch's fused function.
    """
    heads, window = config.heads, config.window
    return SwinTransformerBlock(channels, (side, side), heads, None, window, shift, mlp_ratio=MLP_RATIO)


class GlobalBlock(nn.Module):
    """Attention between all tokens of the map (table 1)."""

    def __init__(self, config: AnoTransConfig, channels: int) -> None:
        super().__init__()
        self.block = Block(channels, config.heads, MLP_RATIO, norm_layer=nn.LayerNorm)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [B, h, w, C] to the same shape."""
        return self.block(tokens.flatten(1, 2)).reshape(tokens.shape)


class AttentionBlock(nn.Module):
    """W-MSA, SW-MSA (eqs. 1-4), LayerNorm, GELU; the encoder's, the decoder's and the skip connections'."""

    def __init__(self, config: AnoTransConfig, channels: int, side: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential()
        for shift in (0, config.window // 2):
            windows = config.attention == "window"
            self.blocks.append(
                window_block(config, channels, side, shift) if windows else GlobalBlock(config, channels)
            )
        self.norm = nn.LayerNorm(channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [B, h, w, C] to the same shape."""
        return functional.gelu(self.norm(self.blocks(tokens)))


def unfold_pixels(tokens: Tensor, factor: int) -> Tensor:
    """[B, h, w, factor^2 c] to [B, factor h, factor w, c]: each token becomes a square of them."""
    batch, height, width, _ = tokens.shape
    squares = tokens.reshape(batch, height, width, factor, factor, -1)
    return squares.transpose(2, 3).reshape(batch, factor * height, factor * width, -1)


class Expand(nn.Module):
    """The opposite of merging: a map twice as large with half the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, 2 * channels, bias=False)
        self.norm = nn.LayerNorm(channels // 2)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [B, h, w, C] to [B, 2h, 2w, C/2]."""
        return self.norm(unfold_pixels(self.linear(tokens), 2))


class CBAMSkip(nn.Module):
    """CBAM on the token map (tables 3 and 4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cbam = CBAM(channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [B, h, w, C] to the same shape."""
        return self.cbam(tokens.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Embedding(nn.Module):
    """Images to tokens: BatchNorm, patches, learned positions."""

    def __init__(self, config: AnoTransConfig, side: int) -> None:
        super().__init__()
        self.input_norm = BatchNorm2d(3) if config.input_norm else nn.Identity()
        size, norm = side * config.patch, nn.LayerNorm
        self.patches = PatchEmbed(size, config.patch, 3, config.channels, norm, output_fmt="NHWC")
        self.positions = nn.Parameter(torch.empty(1, side, side, config.channels))
        nn.init.trunc_normal_(self.positions, std=0.02)

    def forward(self, images: Tensor) -> Tensor:
        """Images [B, 3, S, S] to tokens [B, S/p, S/p, C]."""
        return self.patches(self.input_norm(images)) + self.positions


class EncoderLevel(nn.Module):
    """Attention, the skip connection tapped behind it, merging.

    The paper's text and figures tap the block's output; the authors' code taps its input. The skip attention
    connection is an attention block as in the encoder with its own weights. Figure 2a draws no second
    residual; the authors' code has it, and so has this.
    """

    skip: nn.Module

    def __init__(self, config: AnoTransConfig, channels: int, side: int) -> None:
        super().__init__()
        self.block = AttentionBlock(config, channels, side)
        match config.skip:
            case "sac":
                self.skip = AttentionBlock(config, channels, side)
            case "cbam":
                self.skip = CBAMSkip(channels)
            case "identity":
                self.skip = nn.Identity()
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
    """Reconstructs images of one size S, a multiple of 8 patches."""

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


class AnoTrans(LatentGAN):
    """The whole of figure 1."""

    def __init__(self, config: AnoTransConfig, image_shape: Shape) -> None:
        super().__init__(
            config, image_shape, Generator(config, image_shape[0]), Discriminator(image_shape[0])
        )

    def channels_first(self, features: Tensor) -> Tensor:
        """Tokens [B, h, w, C] as [B, C, h, w]."""
        return features.permute(0, 3, 1, 2)
