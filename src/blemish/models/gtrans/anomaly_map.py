"""From two sets of features to one anomaly map (GTrans section 3.4, eqs. 15-19)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from blemish.models.gtrans.config import Combination, GTransConfig
from blemish.models.smoothing import smooth

EPS = 1e-12


def distance(teacher: Tensor, student: Tensor) -> Tensor:
    """Eq. 13: half the squared distance at each position, [B, c, h, w] twice to float32 [B, h, w].

    Both are first normalised to unit length along the channels: the paper is silent, the authors' code
    does so, and the distance is then 1 - cosine.
    """
    teacher = functional.normalize(teacher.float(), dim=1, eps=EPS)
    student = functional.normalize(student.float(), dim=1, eps=EPS)
    return 0.5 * (teacher - student).square().sum(dim=1)


def level_weight(teacher: Tensor, student: Tensor, mode: str, lambda_: float) -> Tensor:
    """alpha of one level (eqs. 16-18), [B, c, h, w] twice to float32 [B].

    Per image, as the formulas say. alpha_mse takes unit-length features and the mean over channels (the
    paper squares a vector); alpha_cos takes the raw features, flattened whole.
    """
    if mode == "fixed":
        return teacher.new_full((len(teacher),), 0.5, dtype=torch.float32)
    mse = 2 * distance(teacher, student).mean(dim=(1, 2)) / teacher.shape[1]
    if mode == "mse":
        return mse
    cos = 1 - functional.cosine_similarity(
        teacher.float().flatten(1), student.float().flatten(1), dim=1, eps=EPS
    )
    cos = cos.clamp(min=0)
    if mode == "cos":
        return cos
    return lambda_ * cos * mse / (mse + lambda_ * cos + EPS)


def combine(maps: list[Tensor], mode: Combination) -> Tensor:
    """Table 7: the levels' weighted maps to one. "P4" is eq. 19 and sums any number of levels."""
    if mode == "P4":
        return torch.stack(maps).sum(dim=0)
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


class AnomalyMap(nn.Module):
    """Weights, upsampling, combination and smoothing of the levels' distances.

    The default combination is "P6": eq. 19's plain sum ("P4") is not what the paper's headline numbers use.
    """

    def __init__(self, config: GTransConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, teacher: list[Tensor], student: list[Tensor], size: int) -> Tensor:
        """F_G and F_M, one [B, c_l, h_l, w_l] per level, to the anomaly map M, float32 [B, size, size]."""
        weighted = []
        for f_g, f_m in zip(teacher, student, strict=True):
            per_level = distance(f_g, f_m) / (f_g.shape[2] * f_g.shape[3])  # eq. 15
            upsampled = functional.interpolate(
                per_level[:, None], size=(size, size), mode="bilinear", align_corners=False
            )[:, 0]
            alpha = level_weight(f_g, f_m, self.config.alpha, self.config.alpha_lambda)
            weighted.append(alpha[:, None, None] * upsampled)
        combined = combine(weighted, self.config.combine)
        return smooth(combined, self.config.sigma)
