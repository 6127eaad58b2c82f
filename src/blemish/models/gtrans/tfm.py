"""The transformer between the levels (GTrans section 3.2.2, eqs. 4-11).

Tokens are [B, N, d] here, the transpose of the paper's d x N. There is no positional embedding, one head,
no bias in any projection and no dropout, as the paper prescribes.
"""

from torch import Tensor, nn
from torch.nn import functional

from blemish.models.gtrans.attention import attend


class Block(nn.Module):
    """One encoder or decoder block: attention, then a two-layer point-wise network.

    An encoder block attends to itself (eqs. 4-7); a decoder block takes queries from AGN's tokens and keys
    and values from the encoder's output (eqs. 8-11). The two LayerNorms are placed as printed: the first
    inside its residual (eqs. 6 and 10), the second outside (eqs. 7 and 11). The paper does not give their
    shape; they normalise jointly over [N, d], as in the authors' code, each with its own affine parameters.
    """

    def __init__(self, tokens: int, dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(dim, dim, bias=False)
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim, bias=False)
        self.attention_norm = nn.LayerNorm((tokens, dim))
        self.expand = nn.Linear(dim, dim, bias=False)
        self.reduce = nn.Linear(dim, dim, bias=False)
        self.output_norm = nn.LayerNorm((tokens, dim))

    def forward(self, tokens: Tensor, memory: Tensor) -> Tensor:
        """Tokens [B, N, d] attending to memory [B, N, d], softmax over the keys; returns [B, N, d]."""
        attended = attend(self.query(tokens), self.key(memory), self.value(memory))
        tokens = tokens + self.attention_norm(attended)
        return self.output_norm(tokens + self.reduce(functional.relu(self.expand(tokens))))


class TFM(nn.Module):
    """A stack of S encoder blocks and, unless `decoder` is False, S decoder blocks with their own weights.

    Every decoder block attends to the last encoder output. The text under fig. 2 names Trans's tokens E_in
    and AGN's D_in; the sentence before eq. 4 swaps them, and eq. 8 only fits the former, which is used.
    """

    def __init__(self, tokens: int, dim: int, depth: int, *, decoder: bool = True) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(Block(tokens, dim) for _ in range(depth))
        self.decoder = nn.ModuleList(Block(tokens, dim) for _ in range(depth if decoder else 0))

    def forward(self, student_tokens: Tensor, teacher_tokens: Tensor) -> Tensor:
        """E_in and D_in, each [B, N, d], to D_out (or E_out without a decoder), [B, N, d]."""
        encoded = student_tokens
        for block in self.encoder:
            encoded = block(encoded, encoded)
        if not self.decoder:
            return encoded
        decoded = teacher_tokens
        for block in self.decoder:
            decoded = block(decoded, encoded)
        return decoded
