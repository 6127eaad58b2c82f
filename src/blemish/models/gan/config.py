"""Configuration of the methods that reconstruct with a GAN: the papers' values as defaults. Free of torch."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from blemish.models.config import ModelConfig, Preset

LEVELS = 3  # how often AnoTrans's encoder halves its map

PAPER_FRAME = {"resize": 128, "crop": "none"}
PAPER_TRAINING = {
    "epochs": 25,
    "batch_size": 64,
    "learning_rate": 2e-4,
    "adam_betas": (0.5, 0.999),
    "validation_share": 0.1,
    "select": "last",
}


class GANConfig(ModelConfig):
    """What AnoTrans, Skip-GANomaly, SAGAN and GANomaly share.

    Attributes:
        adversarial_weight, contextual_weight, latent_weight: of the generator's three losses (AnoTrans
            eq. 8, section 3.2).
        d_steps: discriminator steps before each generator step.
        restart_discriminator: give the discriminator new weights when its cross entropy falls
            below `discriminator_floor`, as the code of GANomaly and Skip-GANomaly does; otherwise training
            stops when the loss stays there.
        discriminator_floor: a lower cross entropy means that the discriminator has nothing left to learn.
        sigma: standard deviation in pixels of the Gaussian over the anomaly map. The papers have no such
            map; 4 as in GTrans.
        batchnorm_at_test: "eval" scores with BatchNorm's running statistics; "instance" with those of each
            image alone, which is how Skip-GANomaly's author says he tested.
    """

    square: ClassVar[bool] = True

    adversarial_weight: float = Field(default=1.0, ge=0)
    contextual_weight: float = Field(default=50.0, ge=0)
    latent_weight: float = Field(default=1.0, ge=0)
    d_steps: int = Field(default=1, ge=1, le=16)
    restart_discriminator: bool = True
    discriminator_floor: float = Field(default=1e-5, ge=0)
    sigma: float = Field(default=4.0, gt=0, le=256)
    batchnorm_at_test: Literal["eval", "instance"] = "eval"

    presets: ClassVar[dict[str, Preset]] = {"paper": {"frame": PAPER_FRAME, "training": PAPER_TRAINING}}

    def check_image_size(self, size: int) -> None:
        """A power of two from 32 on, unless the method says otherwise."""
        if size < 32 or size & (size - 1):
            raise ValueError(f"takes images of 32, 64, 128, ... pixels, not {size}")


class LatentGANConfig(GANConfig):
    """What AnoTrans, Skip-GANomaly and SAGAN have and GANomaly has not.

    Attributes:
        score_weight: of the reconstruction error in the score; the latent distance has the rest.
        latent_trains_discriminator: the discriminator minimises the latent loss too, as in the code of all
            three methods; the papers print one loss for both networks. Without it the discriminator drives
            its features apart without bound, and AnoTrans's generator stayed at one picture in our runs.
    """

    score_weight: float = Field(default=0.9, ge=0, le=1)
    latent_trains_discriminator: bool = True


class AnoTransConfig(LatentGANConfig):
    """Fields of the AnoTrans model (ICANN 2022); losses and scoring as in `LatentGANConfig`.

    Attributes:
        d_steps: 2, the training strategy of section 3.2.
        restart_discriminator: not part of this method.
        patch: side of an embedded patch in pixels, even; the paper's 2, the authors' code defaults to 4.
        channels: C, width of a token at the first level; it doubles with each of the three mergings. A
            multiple of the number of heads.
        heads: attention heads in every block.
        window: side of an attention window in tokens; every second block shifts it by half.
        attention: "window" is the paper's; "global" lets every token see all others (table 1).
        skip: what a skip connection does to the encoder's tokens. "sac", the paper's skip attention
            connection, is an attention block of its own; "cbam" (tables 3 and 4); "identity" (table 5).
        input_norm: whether the generator begins with BatchNorm. The paper says so; the authors' code does
            not run it.
    """

    d_steps: int = Field(default=2, ge=1, le=16)
    restart_discriminator: bool = False
    patch: int = Field(default=2, ge=2, le=64, multiple_of=2)
    channels: int = Field(default=64, ge=1, le=1024)
    heads: int = Field(default=4, ge=1, le=64)
    window: int = Field(default=2, ge=1, le=64)
    attention: Literal["window", "global"] = "window"
    skip: Literal["sac", "cbam", "identity"] = "sac"
    input_norm: bool = True

    presets: ClassVar[dict[str, Preset]] = {
        "paper": {"frame": PAPER_FRAME, "training": PAPER_TRAINING | {"batch_size": 32}}
    }

    def check_image_size(self, size: int) -> None:
        """A size whose tokens can be halved three times and fill their windows, without padding."""
        if not self._fits(size):
            sizes = ", ".join(str(other) for other in range(32, 257) if self._fits(other))
            raise ValueError(
                f"with patch {self.patch} and window {self.window} takes images of "
                f"{sizes or 'more than 256'} pixels, not {size}"
            )

    def _fits(self, size: int) -> bool:
        if size % (self.patch * 2**LEVELS):
            return False
        sides = [size // (self.patch * 2**level) for level in range(LEVELS + 1)]
        return self.attention == "global" or all(s <= self.window or s % self.window == 0 for s in sides)

    @model_validator(mode="after")
    def _check_heads(self) -> "AnoTransConfig":
        if self.channels % self.heads or self.channels % 2:
            raise ValueError(f"channels must be even and a multiple of heads, {self.heads}")
        return self


class GANomalyConfig(GANConfig):
    """GANomaly (Akcay et al., ACCV 2018). The score is the distance of two latent vectors alone."""

    presets: ClassVar[dict[str, Preset]] = {
        "paper": {"frame": PAPER_FRAME, "training": PAPER_TRAINING | {"epochs": 15}}
    }


class SkipGANomalyConfig(LatentGANConfig):
    """Skip-GANomaly (Akcay et al., IJCNN 2019)."""


class SAGANConfig(LatentGANConfig):
    """SAGAN, Skip-GANomaly with attention in its skips (Skip-Attention-GAN, 2021).

    Attributes:
        pool: how the encoder halves its maps; the authors use both.
    """

    pool: Literal["softpool", "max"] = "softpool"

    def check_image_size(self, size: int) -> None:
        """A multiple of 16: the encoder halves four times."""
        if size % 16:
            raise ValueError(f"takes images of a multiple of 16 pixels, not {size}")
