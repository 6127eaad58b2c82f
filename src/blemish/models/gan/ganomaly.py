"""GANomaly: an image is anomalous if its latent vector does not survive reconstruction (Akcay, ACCV 2018)."""

import torch
from torch import Tensor, nn

from blemish.images.frame import Shape
from blemish.models.gan.base import GAN, Redrawn, cross_entropy, latent_error
from blemish.models.gan.config import GANomalyConfig
from blemish.models.gan.layers import BatchNorm2d, pyramid

LATENT_SIZE = 100


class Encoder(nn.Module):
    """Images to latent vectors."""

    def __init__(self, image_size: int) -> None:
        super().__init__()
        self.pyramid, channels, remaining = pyramid(image_size)
        self.latent = nn.Conv2d(channels, LATENT_SIZE, remaining, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Images float [B, 3, S, S] to z [B, 100], without an activation."""
        return self.latent(self.pyramid(images)).flatten(1)


class Decoder(nn.Module):
    """Latent vectors to images: the encoder's pyramid the other way up."""

    def __init__(self, image_size: int) -> None:
        super().__init__()
        channels = 8 * image_size
        self.hidden = nn.Sequential(
            nn.ConvTranspose2d(LATENT_SIZE, channels, 4, bias=False), BatchNorm2d(channels), nn.ReLU()
        )
        while channels > 64:
            self.hidden.append(nn.ConvTranspose2d(channels, channels // 2, 4, 2, 1, bias=False))
            self.hidden.append(BatchNorm2d(channels // 2))
            self.hidden.append(nn.ReLU())
            channels //= 2
        self.output = nn.ConvTranspose2d(channels, 3, 4, 2, 1, bias=False)

    def forward(self, latent: Tensor) -> Tensor:
        """z [B, 100] to images [B, 3, S, S] in [-1, 1]."""
        return self.output(self.hidden(latent[:, :, None, None])).tanh()


class Generator(nn.Module):
    """Encoder, decoder and a second encoder with its own weights, for images of 16 times a power of two."""

    def __init__(self, image_size: int) -> None:
        super().__init__()
        self.encoder = Encoder(image_size)
        self.decoder = Decoder(image_size)
        self.second_encoder = Encoder(image_size)

    @property
    def cam_layer(self) -> nn.Module:
        """Its output is [B, 64, S/2, S/2]."""
        return self.decoder.hidden

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images float [B, 3, S, S] in [-1, 1] to their reconstruction, z [B, 100] and z_hat [B, 100]."""
        latent = self.encoder(images)
        reconstruction = self.decoder(latent)
        return reconstruction, latent, self.second_encoder(reconstruction)


class FeatureDiscriminator(nn.Module):
    """An encoder with one output, whose features are all that comes before its last convolution."""

    def __init__(self, image_size: int) -> None:
        super().__init__()
        self.pyramid, channels, remaining = pyramid(image_size)
        self.classifier = nn.Conv2d(channels, 1, remaining, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images float [B, 3, S, S] in [-1, 1] to the logit of being real [B] and features [B, C, 4, 4]."""
        features = self.pyramid(images)
        return self.classifier(features).flatten(), features


class GANomaly(GAN):
    """The whole method: adversarial training by features, the score in latent space."""

    def __init__(self, config: GANomalyConfig, image_shape: Shape) -> None:
        super().__init__(config, image_shape, Generator(image_shape[0]), FeatureDiscriminator(image_shape[0]))

    def redraw(self, images: Tensor) -> Redrawn:
        """Reconstruct images; the codes are z and z_hat."""
        reconstruction, latent, latent_again = self.generator(images)
        return Redrawn(reconstruction, (latent, latent_again))

    def score(self, images: Tensor, redrawn: Redrawn) -> Tensor:
        """Mean squared difference of the two latent vectors, as in the authors' code."""
        return latent_error(*redrawn.codes)

    def discriminator_losses(self, images: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
        """Half the cross entropies of real and fake, and nothing else."""
        real, _ = self.discriminator(images)
        fake, _ = self.discriminator(fakes)
        entropy = (cross_entropy(real, 1.0) + cross_entropy(fake, 0.0)) / 2
        return entropy, entropy

    def generator_losses(self, images: Tensor, redrawn: Redrawn) -> tuple[Tensor, Tensor]:
        """Feature matching, and the latent error."""
        with torch.no_grad():
            _, real = self.discriminator(images)
        _, fake = self.discriminator(redrawn.images)
        return (real.float() - fake.float()).square().mean(), latent_error(*redrawn.codes).mean()
