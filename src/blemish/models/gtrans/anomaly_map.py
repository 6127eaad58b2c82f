"""How far AGN's features F_G and the mapped ones F_M are apart: loss and anomaly map (GTrans eqs. 13-19)."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from blemish.images.frame import Shape
from blemish.models.gtrans.config import Combination, GTransConfig
from blemish.models.smoothing import smooth

EPS = 1e-12
REACH = 8.0  # pixels: standard deviation of the window over which a place borrows from its neighbours
FLOOR = 0.2  # of a level's spread over all places: the least spread of any of them


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


def loss(f_g: Sequence[Tensor], f_m: Sequence[Tensor]) -> Tensor:
    """Eq. 14: the mean distance over positions, summed over levels [B, c_l, h_l, w_l]; float32 [B]."""
    losses = [distance(g, m).mean(dim=(1, 2)) for g, m in zip(f_g, f_m, strict=True)]
    return torch.stack(losses).sum(dim=0)


def training_loss(f_g: Sequence[Tensor], f_m: Sequence[Tensor], mining: float) -> Tensor:
    """Eq. 14 over a batch, for training steps; float32, a scalar.

    With `mining` above 0 each position is weighted by its distance over the level's mean to that power, a
    constant to the gradient: the soft mining loss of INP-Former (arXiv 2503.02424). Not in the paper.
    """
    total = torch.zeros((), device=f_g[0].device)
    for g, m in zip(f_g, f_m, strict=True):
        distances = rough_distance(g, m)
        if mining:
            relative = distances.detach().clamp(min=0)
            distances = distances * (relative / relative.mean().clamp(min=EPS)) ** mining
        total = total + distances.mean()
    return total


def level_weight(f_g: Tensor, f_m: Tensor, mode: str, lambda_: float) -> Tensor:
    """alpha of one level (eqs. 16-18), [B, c, h, w] twice to float32 [B].

    Per image, as the formulas say. alpha_mse takes unit-length features and the mean over channels (the
    paper squares a vector); alpha_cos takes the raw features, flattened whole.
    """
    if mode == "fixed":
        return torch.full_like(f_g[:, 0, 0, 0], 0.5, dtype=torch.float32)
    mse = 2 * distance(f_g, f_m).mean(dim=(1, 2)) / f_g.shape[1]
    if mode == "mse":
        return mse
    similarity = functional.cosine_similarity(f_g.float().flatten(1), f_m.float().flatten(1), dim=1, eps=EPS)
    cos = (1 - similarity).clamp(min=0)
    if mode == "cos":
        return cos
    return lambda_ * cos * mse / (mse + lambda_ * cos + EPS)


def combine(maps: list[Tensor], mode: Combination) -> Tensor:
    """Table 7: the levels' weighted maps to one. "P4" is eq. 19 and sums any number of levels.

    "geometric" is ours: the geometric mean of any number of levels.
    """
    if mode == "P4":
        return torch.stack(maps).sum(dim=0)
    if mode == "geometric":
        return torch.stack(maps).clamp(min=EPS).log().mean(dim=0).exp()
    m1, m2, m3 = maps
    match mode:
        case "P1":
            return m3
        case "P2":
            return m1 * m3
        case "P3":
            return m2 * m3
        case "P5":
            return m1 * m2 * m3
        case "P6":
            return m1 * m3 + m2 * m3
        case "P7":
            return (m1 * m3) * (m2 * m3)


class Standardise(nn.Module):
    """Not in the paper: distance / spread, per level and pixel, with the spread taken from good images.

    Levels come on one scale, and places where Trans errs now more, now less, such as the edges of a
    part, count for less. The images that calibrate the threshold have no part in it.

    Attributes:
        spread: float32 [L, H, W]; 1 until `learn`.
    """

    spread: Tensor

    def __init__(self, levels: int, shape: Shape) -> None:
        super().__init__()
        self.register_buffer("spread", torch.ones(levels, *shape))

    def learn(self, distances: Iterable[Tensor]) -> None:
        """Take the spread of distances about their mean, given as batches [L, B, H, W]."""
        total = torch.zeros_like(self.spread, dtype=torch.float64)
        squares = torch.zeros_like(total)
        count = 0
        for batch in distances:
            total += batch.double().sum(dim=1)
            squares += batch.double().square().sum(dim=1)
            count += batch.shape[1]
        total, squares = total / count, squares / count
        mean = smooth(total.float(), REACH).double()
        variance = squares - 2 * mean * total + mean.square()  # about the smoothed mean
        overall = squares.mean(dim=(1, 2)) - total.mean(dim=(1, 2)).square()
        floor = FLOOR * overall.clamp(min=0).sqrt()
        spread = smooth(variance.float(), REACH).clamp(min=0).sqrt() + floor[:, None, None]
        self.spread.copy_(spread.clamp(min=1e-12))

    def forward(self, distances: Tensor) -> Tensor:
        """Distances [L, B, H, W] to the same in units of their spread."""
        return distances / self.spread[:, None]


class AnomalyMap(nn.Module):
    """Weights, upsampling, combination and smoothing of the levels' distances.

    The default combination is "P6": eq. 19's plain sum ("P4") is not what the paper's headline numbers use.
    """

    def __init__(self, config: GTransConfig, shape: Shape) -> None:
        super().__init__()
        self.config, self.shape = config, shape
        self.standardise = Standardise(len(config.layers), shape) if config.standardise else nn.Identity()

    def level_maps(self, f_g: list[Tensor], f_m: list[Tensor]) -> Tensor:
        """Features, one [B, c_l, h_l, w_l] per level, to eq. 15 at full size, float32 [L, B, H, W]."""
        maps = []
        for g, m in zip(f_g, f_m, strict=True):
            level = (distance(g, m) / (g.shape[2] * g.shape[3]))[:, None]
            maps.append(functional.interpolate(level, self.shape, mode="bilinear", align_corners=False)[:, 0])
        return torch.stack(maps)

    def forward(self, f_g: list[Tensor], f_m: list[Tensor]) -> Tensor:
        """Features, one [B, c_l, h_l, w_l] per level, to the anomaly map M, float32 [B, H, W]."""
        maps = self.standardise(self.level_maps(f_g, f_m))
        weighted = []
        for g, m, level in zip(f_g, f_m, maps, strict=True):
            alpha = level_weight(g, m, self.config.alpha, self.config.alpha_lambda)
            weighted.append(alpha[:, None, None] * level)
        combined = combine(weighted, self.config.combine)
        if self.config.centre:
            combined = combined - combined.mean(dim=(1, 2), keepdim=True)
        return smooth(combined, self.config.sigma)
