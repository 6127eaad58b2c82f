"""How far apart AGN's and the mapped features are (GTrans eqs. 13 and 14)."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

EPS = 1e-12


def distance(f_g: Tensor, f_m: Tensor) -> Tensor:
    """Eq. 13: half the squared distance at each position, [B, c, h, w] twice to float32 [B, h, w].

    Both are first normalised to unit length along the channels: the paper is silent, the authors' code
    does so, and the distance is then 1 - cosine.
    """
    f_g = functional.normalize(f_g.float(), dim=1, eps=EPS)
    f_m = functional.normalize(f_m.float(), dim=1, eps=EPS)
    return 0.5 * (f_g - f_m).square().sum(dim=1)


def rough_distance(f_g: Tensor, f_m: Tensor) -> Tensor:
    """`distance` multiplied out, for training steps: half as much to compute and differentiate.

    Off by up to 4e-7 whatever the distance, so by more than a percent of distances below 4e-5, and
    slightly negative for some of the smallest. The gradients hold to a percent even there.
    """
    g, m = f_g.float(), f_m.float()
    gg, mm, gm = (g * g).sum(dim=1), (m * m).sum(dim=1), (g * m).sum(dim=1)
    g_scale, m_scale = (square.clamp(min=EPS**2).rsqrt() for square in (gg, mm))
    return 0.5 * (gg * g_scale**2 + mm * m_scale**2) - gm * g_scale * m_scale


def loss(
    f_g: Sequence[Tensor], f_m: Sequence[Tensor], measure: Callable[[Tensor, Tensor], Tensor] = distance
) -> Tensor:
    """Eq. 14: the mean distance over positions, summed over levels [B, c_l, h_l, w_l]; float32 [B]."""
    losses = [measure(g, m).mean(dim=(1, 2)) for g, m in zip(f_g, f_m, strict=True)]
    return torch.stack(losses).sum(dim=0)
