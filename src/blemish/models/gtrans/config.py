"""GTrans's configuration: the paper's values as defaults, the ablations of its tables as fields."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from blemish.models.config import CENTRE, Layers, ModelConfig, Preset

SCORING = frozenset({"alpha", "alpha_lambda", "combine", "sigma", "centre"})
Combination = Literal["P1", "P2", "P3", "P4", "P5", "P6", "P7", "geometric"]

PAPER_TRAINING = {  # section 4
    "epochs": 300,
    "batch_size": 32,
    "learning_rate": 1e-3,
    "weight_decay": 1e-4,
    "adam_betas": (0.9, 0.999),
    "lr_decay": 0.9,
    "validation_share": 0.2,
    "select": "best",
}
WHOLE_AT_256 = {"resize": 256, "crop": "none"}  # the scale of the paper's crop
IMPROVED = {"tfm": "encoder", "alpha": "fixed", "combine": "geometric", "damage": 0.5, "standardise": True}
SMALL_BATCHES = {"batch_size": 8, "learning_rate": 2e-3, "schedule": "one-cycle"}


class GTransConfig(ModelConfig):
    """Fields of the GTrans model (arXiv 2305.14880).

    The defaults are the paper's, and so is the preset "paper"; "paper-fast" learns the same in 40 epochs of
    small batches with a one-cycle rate. "improved" learns so too, sees whole images, keeps the teacher's
    tokens of the scored image from the student, and standardises the maps. "with-memory", which a run takes
    unasked, has a memory bank of AGN's features beside such a student, which learns in 5 epochs from a warm
    start; `docs/experiments.md` has what each of it does.

    Attributes:
        backbone: architecture of both networks; the paper uses "resnet34" and "wide_resnet50_2". The
            default is the one whose ImageNet weights install with the package.
        layers: feature levels, level l being the map at stride 2^(l+1) (table 3).
        tokens: g, visual tokens per level (section 4).
        token_dim: d, width of a token.
        tfm: which part of the transformer runs (tables 4 and 5): "encoder-decoder" is the paper's;
            "encoder" maps the encoder's output; "bypass" maps Trans's tokens directly; "none" compares
            the two backbones without tokens.
        tfm_depth: S, the number of encoder and of decoder blocks (table 5).
        alpha: the weight of each level in an image (table 6, eqs. 16-18).
        alpha_lambda: lambda of eq. 18. The paper gives no value; 0.1 is the authors' (their code's
            2ab/(a+b) with a = 100 mse and b = 10 cos equals eq. 18 with 0.1 up to a constant).
        combine: how the levels' maps become one (table 7). "P4" is eq. 19's sum over any levels; the
            others name level 1 to 3 and need three levels. "P7" multiplies P6's two products. "geometric",
            not in the paper, is the geometric mean of any levels: high where all of them are.
        sigma: standard deviation of the final Gaussian in pixels; 4 as in the authors' code.
        damage: share of the training images that the student sees damaged, while it is to give what the
            teacher gives for the undamaged image. Not in the paper.
        warm_start: share of AGN's weights in those that Trans's convolutions start from; the rest is random.
            Not in the paper, whose Trans starts from random ones.
        mining: power of a position's relative distance by which it weighs in the loss
            (`blemish.models.gtrans.anomaly_map.training_loss`). Not in the paper.
        standardise: divide each level's distances by their spread over good images at the same place before
            they are combined. Not in the paper.
        centre: subtract each image's mean from its map: for parts whose light varies and whose defects are
            small. Not in the paper.
        memory: add the map of a memory bank of AGN's features (`blemish.models.gtrans.memory`). Not in the
            paper.
    """

    presets: ClassVar[dict[str, Preset]] = {
        "with-memory": {
            "frame": WHOLE_AT_256,
            "model": IMPROVED | {"memory": True, "warm_start": 0.5, "mining": 2.0},
            "training": PAPER_TRAINING | SMALL_BATCHES | {"epochs": 5},
        },
        "improved": {
            "frame": WHOLE_AT_256,
            "model": IMPROVED,
            "training": PAPER_TRAINING | SMALL_BATCHES | {"epochs": 20},
        },
        "paper": {"frame": CENTRE, "training": PAPER_TRAINING},
        "paper-fast": {"frame": CENTRE, "training": PAPER_TRAINING | SMALL_BATCHES | {"epochs": 40}},
    }
    backbone: str = "efficientnet_lite0"
    layers: Layers = (1, 2, 3)
    tokens: int = Field(default=8, ge=1, le=1024)
    token_dim: int = Field(default=256, ge=1, le=8192)
    tfm: Literal["encoder-decoder", "encoder", "bypass", "none"] = "encoder-decoder"
    tfm_depth: int = Field(default=2, ge=1, le=64)
    alpha: Literal["harmonic", "mse", "cos", "fixed"] = "harmonic"
    alpha_lambda: float = Field(default=0.1, gt=0)
    combine: Combination = "P6"
    sigma: float = Field(default=4.0, gt=0, le=256)
    damage: float = Field(default=0.0, ge=0, le=1)
    warm_start: float = Field(default=0.0, ge=0, le=1)
    mining: float = Field(default=0.0, ge=0, le=8)
    standardise: bool = False
    centre: bool = False
    memory: bool = False

    @property
    def remembers_all(self) -> bool:
        """See `ModelConfig.remembers_all`; Trans has not seen the images that calibrate."""
        return self.memory

    @property
    def scoring_only(self) -> frozenset[str]:
        """See `ModelConfig.scoring_only`; a memory's units are of the map that these fields make."""
        return frozenset() if self.memory else SCORING

    @model_validator(mode="after")
    def _check_levels(self) -> "GTransConfig":
        if self.combine not in ("P4", "geometric") and len(self.layers) != 3:
            raise ValueError(
                f'combine "{self.combine}" needs three layers; '
                f'use "geometric" or "P4" with {len(self.layers)}'
            )
        return self
