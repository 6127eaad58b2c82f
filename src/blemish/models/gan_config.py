"""Configuration of the methods that reconstruct with a GAN: the papers' values as defaults. Free of torch."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from blemish.models.config import ModelConfig


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

    adversarial_weight: float = Field(default=1.0, ge=0)
    contextual_weight: float = Field(default=50.0, ge=0)
    latent_weight: float = Field(default=1.0, ge=0)
    d_steps: int = Field(default=1, ge=1, le=16)
    restart_discriminator: bool = True
    discriminator_floor: float = Field(default=1e-5, ge=0)
    sigma: float = Field(default=4.0, gt=0, le=256)
    batchnorm_at_test: Literal["eval", "instance"] = "eval"

    run_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "frame": {"resize": 128, "crop": "none"},
        "training": {
            "epochs": 25,
            "batch_size": 64,
            "learning_rate": 2e-4,
            "adam_betas": (0.5, 0.999),
            "weight_decay": 0.0,
            "lr_decay": 1.0,
            "validation_share": 0.1,
            "select": "last",
        },
    }


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


class GANomalyConfig(GANConfig):
    """GANomaly (Akcay et al., ACCV 2018). The score is the distance of two latent vectors alone."""

    run_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "frame": GANConfig.run_defaults["frame"],
        "training": GANConfig.run_defaults["training"] | {"epochs": 15},
    }

    def check_image_size(self, size: int) -> None:
        """A power of two from 32 on."""
        _check_power_of_two("ganomaly", size)


class SkipGANomalyConfig(LatentGANConfig):
    """Skip-GANomaly (Akcay et al., IJCNN 2019)."""

    def check_image_size(self, size: int) -> None:
        """A power of two from 32 on."""
        _check_power_of_two("skip_ganomaly", size)


class SAGANConfig(LatentGANConfig):
    """SAGAN, Skip-GANomaly with attention in its skips (Skip-Attention-GAN, 2021).

    Attributes:
        pool: how the encoder halves its maps; the authors use both.
    """

    pool: Literal["softpool", "max"] = "softpool"

    def check_image_size(self, size: int) -> None:
        """A multiple of 16: the encoder halves four times."""
        if size % 16:
            raise ValueError(f"sagan takes images of a multiple of 16 pixels, not {size}")


def _check_power_of_two(method: str, size: int) -> None:
    if size < 32 or size & (size - 1):
        raise ValueError(f"{method} takes images of 32, 64, 128, ... pixels, not {size}")
