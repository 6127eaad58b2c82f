"""From a feature map to a few visual tokens (GTrans section 3.1.2, eqs. 1-3)."""

from torch import Tensor, nn


class Tokenizer(nn.Module):
    """Static tokenizer of one level, applied to both networks' features.

    The paper does not say whether AGN and Trans share a tokenizer; they do here, as in the authors' code.

    Args:
        channels: c, channels of the level.
        tokens: g, number of tokens.
        token_dim: d, width of a token.
    """

    def __init__(self, channels: int, tokens: int, token_dim: int) -> None:
        super().__init__()
        self.scale = channels**-0.5
        self.group = nn.Linear(channels, tokens, bias=False)
        self.value = nn.Linear(channels, token_dim, bias=False)

    def attention(self, features: Tensor) -> Tensor:
        """Eq. 1 and the softmax of eq. 3: features [B, hw, c] to weights [B, g, hw] that sum to 1 over hw."""
        return (self.group(features) * self.scale).softmax(dim=1).transpose(1, 2)

    def forward(self, features: Tensor) -> Tensor:
        """Features [B, hw, c] to tokens [B, g, d].

        Eq. 3 is softmax(G)^T V with V = features W (eq. 2). Both are linear in the features, so the
        positions are pooled before the projection: the same result without the [hw, d] tensor V.
        """
        return self.value(self.attention(features) @ features)
