"""Scaled dot-product attention with one head (GTrans eqs. 5, 9 and 12)."""

from torch import Tensor


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Query [B, n, c], key [B, m, c], value [B, m, d] to [B, n, d]; softmax over the m keys, scale 1/sqrt(c).

    Spelt out, because PyTorch's fused function does not export to ONNX for three-dimensional tensors, and
    with a few dozen keys it gains nothing.
    """
    scores = query @ key.transpose(1, 2) * query.shape[-1] ** -0.5
    return scores.softmax(dim=-1) @ value
