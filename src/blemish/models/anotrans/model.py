"""AnoTrans: a GAN whose generator is a U-shaped transformer with attention in its skip connections."""

from torch import Tensor

from blemish.models.anotrans.config import AnoTransConfig
from blemish.models.anotrans.generator import Generator
from blemish.models.discriminator import Discriminator
from blemish.models.gan import LatentGAN


class AnoTrans(LatentGAN):
    """The whole of figure 1."""

    def __init__(self, config: AnoTransConfig, image_size: int) -> None:
        super().__init__(config, image_size, Generator(config, image_size), Discriminator(image_size))

    def channels_first(self, features: Tensor) -> Tensor:
        """Tokens [B, h, w, C] as [B, C, h, w]."""
        return features.permute(0, 3, 1, 2)
