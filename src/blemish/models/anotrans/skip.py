"""What a skip connection does to the encoder's tokens (AnoTrans figure 2a)."""

from torch import Tensor, nn

from blemish.models.anotrans.config import AnoTransConfig
from blemish.models.anotrans.swin import AttentionBlock
from blemish.models.cbam import CBAM


class CBAMSkip(nn.Module):
    """CBAM on the token map (tables 3 and 4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cbam = CBAM(channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [B, h, w, C] to the same shape."""
        return self.cbam(tokens.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def create_skip(config: AnoTransConfig, channels: int, side: int) -> nn.Module:
    """The skip connection of a level with side x side tokens of width `channels`.

    The skip attention connection is an attention block as in the encoder with its own weights. Figure 2a
    draws no second residual; the authors' code has it, and so has this.
    """
    match config.skip:
        case "sac":
            return AttentionBlock(config, channels, side)
        case "cbam":
            return CBAMSkip(channels)
        case "identity":
            return nn.Identity()
