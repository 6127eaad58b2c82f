"""The generator's attention blocks and its upsampling (AnoTrans section 3, eqs. 1-4).

Tokens are [B, h, w, C]. Halving the map, the paper's patch merging, is timm's `PatchMerging` as it is.
"""

from timm.models.swin_transformer import SwinTransformerBlock
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional

from blemish.models.anotrans.config import AnoTransConfig

MLP_RATIO = 4


class WindowBlock(SwinTransformerBlock):
    """Attention inside windows of a map with `side` tokens per row, shifted by half a window or not.

    A window as large as the map is not shifted. timm spells the attention out unless told otherwise; for
    windows of four tokens that is as fast as PyTorch's fused function.
    """

    def __init__(self, config: AnoTransConfig, channels: int, side: int, *, shifted: bool) -> None:
        super().__init__(
            channels,
            (side, side),
            num_heads=config.heads,
            window_size=config.window,
            shift_size=config.window // 2 if shifted else 0,
            mlp_ratio=MLP_RATIO,
        )


class GlobalBlock(nn.Module):
    """Attention between all tokens of the map (table 1)."""

    def __init__(self, config: AnoTransConfig, channels: int) -> None:
        super().__init__()
        self.block = Block(channels, config.heads, MLP_RATIO, norm_layer=nn.LayerNorm)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [B, h, w, C] to the same shape."""
        return self.block(tokens.flatten(1, 2)).reshape(tokens.shape)


class AttentionBlock(nn.Module):
    """W-MSA, SW-MSA (eqs. 1-4), LayerNorm, GELU; the encoder's, the decoder's and the skip connections'.

    Args:
        config: the model's fields.
        channels: C, width of a token.
        side: h = w, tokens per row.
    """

    def __init__(self, config: AnoTransConfig, channels: int, side: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                WindowBlock(config, channels, side, shifted=shifted)
                if config.attention == "window"
                else GlobalBlock(config, channels)
                for shifted in (False, True)
            )
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
    """The opposite of merging: a map twice as large with half the channels.

    timm has no such layer, because its Swin models only go down.

    Args:
        channels: C, width of an incoming token.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, 2 * channels, bias=False)
        self.norm = nn.LayerNorm(channels // 2)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [B, h, w, C] to [B, 2h, 2w, C/2]."""
        return self.norm(unfold_pixels(self.linear(tokens), 2))
