"""From tokens back to a feature map (GTrans section 3.2.3, eq. 12)."""

from torch import Tensor, nn

from blemish.models.gtrans.attention import attend


class Mapper(nn.Module):
    """Adds to each position of Trans's feature map what it finds in its level's tokens.

    Eq. 12 prints the query from F_G and keys and values from E_out. That would leave the decoder without
    gradient and contradict the sentence before it, so the query comes from F_T and keys and values from
    this level's group of D_out, as in the authors' code.

    Args:
        channels: c, channels of the level.
        token_dim: d, width of a token.
    """

    def __init__(self, channels: int, token_dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(channels, channels, bias=False)
        self.key = nn.Linear(token_dim, channels, bias=False)
        self.value = nn.Linear(token_dim, channels, bias=False)

    def forward(self, features: Tensor, tokens: Tensor) -> Tensor:
        """Features [B, hw, c] and tokens [B, g, d] to mapped features [B, hw, c], softmax over g."""
        return features + attend(self.query(features), self.key(tokens), self.value(tokens))
