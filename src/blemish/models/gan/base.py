"""What the reconstructing GANs share: they are trained on good images, and redraw defective ones badly."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blemish.images.frame import Shape
from blemish.models.base import Batch, Explanation, Step, TrainedModel
from blemish.models.gan.config import GANConfig, LatentGANConfig
from blemish.models.gan.layers import set_batchnorm_at_test
from blemish.models.smoothing import smooth

MANY = 500  # images are enough for a median picture
LEAST_SPREAD = 0.002  # reconstructions that vary less than this share of the images are all the same


class Redrawn(NamedTuple):
    """What a generator makes of images: them again, [B, 3, S, S] in [-1, 1], and the codes it may have."""

    images: Tensor
    codes: tuple[Tensor, ...] = ()


class GAN(TrainedModel):
    """A generator that redraws images and a discriminator; inside, images are float in [-1, 1].

    A subclass says what the score is, and what the two networks minimise.

    Attributes:
        generator: with a property `cam_layer`, the module whose output [B, C, h, w] Grad-CAM weighs.
    """

    least_batch = 2  # one image has no spread

    def __init__(
        self, config: GANConfig, image_shape: Shape, generator: nn.Module, discriminator: nn.Module
    ) -> None:
        super().__init__()
        self.config, self.image_shape = config, image_shape
        self.generator, self.discriminator = generator, discriminator
        self.apply(initialise)
        set_batchnorm_at_test(self, config.batchnorm_at_test)

    def redraw(self, images: Tensor) -> Redrawn:
        """Reconstruct images [B, 3, S, S]."""
        return Redrawn(self.generator(images))

    def score(self, images: Tensor, redrawn: Redrawn) -> Tensor:
        """Image-level scores, float32 [B]."""
        raise NotImplementedError

    def discriminator_losses(self, images: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
        """The discriminator's cross entropy, and all that it minimises; `fakes` carry no gradient."""
        raise NotImplementedError

    def generator_losses(self, images: Tensor, redrawn: Redrawn) -> tuple[Tensor, Tensor]:
        """The generator's adversarial and latent loss."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See `AnomalyModel.forward`. The map is the smoothed squared error, which the papers do not have."""
        images = to_unit_range(images)
        redrawn = self.redraw(images)
        error = (images - redrawn.images).square().mean(dim=1)
        return self.score(images, redrawn), smooth(error, self.config.sigma)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """One group for each network."""
        return {
            "discriminator": list(self.discriminator.parameters()),
            "generator": list(self.generator.parameters()),
        }

    def training_steps(self, batch: Batch) -> Iterator[Step]:
        """The discriminator's steps, then one of the generator (AnoTrans section 3.2); one reconstruction
        serves them all."""
        images = to_unit_range(batch.images)
        redrawn = self.redraw(images)
        for _ in range(self.config.d_steps):
            entropy, loss = self.discriminator_losses(images, redrawn.images.detach())
            yield Step("discriminator", loss, {"cross_entropy": entropy})
        contextual = (images - redrawn.images.float()).abs().mean()
        adversarial, latent = self.generator_losses(images, redrawn)
        loss = (  # AnoTrans eq. 8
            self.config.adversarial_weight * adversarial
            + self.config.contextual_weight * contextual
            + self.config.latent_weight * latent
        )
        parts = {"adversarial": adversarial, "contextual": contextual, "latent": latent}
        yield Step("generator", loss, parts | {"spread": _spread(images, redrawn.images)})

    def after_batch(self, losses: dict[str, float]) -> str:
        """See `TrainedModel.after_batch`; restarts the discriminator where the config says so."""
        if losses["spread"] < LEAST_SPREAD:
            return "the generator draws the same picture for every image"
        if losses["cross_entropy"] < self.config.discriminator_floor:
            if not self.config.restart_discriminator:
                return f"the discriminator's cross entropy is below {self.config.discriminator_floor:g}"
            self.discriminator.apply(initialise)
        return ""

    def validation_loss(self, batch: Batch) -> Tensor:
        """The contextual loss (AnoTrans eq. 6) of each image, float32 [B]."""
        images = to_unit_range(batch.images)
        return (images - self.redraw(images).images.float()).abs().mean(dim=(1, 2, 3))

    def remark(self, learned: np.ndarray, held_out: np.ndarray, validation_loss: float) -> str:
        """See `TrainedModel.remark`: whether one picture for all images would be redrawn as well."""
        picture = np.median(learned[:MANY], axis=0)
        one_for_all = float(np.abs(held_out[:MANY] - picture).mean() / 127.5)
        if validation_loss < one_for_all:
            return ""
        return (
            f"The model redraws held-out images no better than one picture for all of them would (error "
            f"{validation_loss:.3f}, {one_for_all:.3f} with their median); train it longer with --epochs."
        )

    def explain(self, images: Tensor) -> Explanation:
        """See `AnomalyModel.explain`. Grad-CAM of the score over the generator's last features; AnoTrans
        figure 5 shows such pictures without saying of which layer."""
        features: list[Tensor] = []
        layer: nn.Module = self.generator.cam_layer  # type: ignore[assignment]
        hook = layer.register_forward_hook(lambda module, given, output: features.append(output))
        try:
            with torch.enable_grad():
                images = to_unit_range(images)
                redrawn = self.redraw(images)
                (gradient,) = torch.autograd.grad(self.score(images, redrawn).sum(), features[0])
        finally:
            hook.remove()
        picture = (redrawn.images.detach().float() * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)
        first, gradient = self.channels_first(features[0].detach()), self.channels_first(gradient)
        return Explanation(picture, grad_cam(first, gradient, self.image_shape))

    def channels_first(self, features: Tensor) -> Tensor:
        """The output of `cam_layer` as [B, C, h, w]."""
        return features


class LatentGAN(GAN):
    """The losses and the score that Skip-GANomaly, SAGAN and AnoTrans share (AnoTrans eqs. 5-9)."""

    config: LatentGANConfig

    def score(self, images: Tensor, redrawn: Redrawn) -> Tensor:
        """Eq. 9: mean squared error of the image and of the discriminator's feature.

        The weight is on the reconstruction: the paper prints 0.1 for it, but both sources it cites and its
        own code have 0.9.
        """
        _, real = self.discriminator(images)
        _, fake = self.discriminator(redrawn.images)
        reconstruction = (images - redrawn.images).square().mean(dim=(1, 2, 3))
        weight = self.config.score_weight
        return weight * reconstruction + (1 - weight) * latent_error(real, fake)

    def discriminator_losses(self, images: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
        """The discriminator's side of eq. 5, plus eq. 7 unless `latent_trains_discriminator` is off."""
        real_logit, real = self.discriminator(images)
        fake_logit, fake = self.discriminator(fakes)
        entropy = cross_entropy(real_logit, 1.0) + cross_entropy(fake_logit, 0.0)
        if not self.config.latent_trains_discriminator:
            return entropy, entropy
        return entropy, entropy + self.config.latent_weight * latent_error(real, fake).mean()

    def generator_losses(self, images: Tensor, redrawn: Redrawn) -> tuple[Tensor, Tensor]:
        """Eq. 5 in its non-saturating form, and eq. 7 as a mean of squares, both as in the authors' code."""
        with torch.no_grad():
            _, real = self.discriminator(images)
        logit, fake = self.discriminator(redrawn.images)
        return cross_entropy(logit, 1.0), latent_error(real, fake).mean()


def grad_cam(features: Tensor, gradient: Tensor, shape: Shape) -> Tensor:
    """Grad-CAM (Selvaraju et al., ICCV 2017), each map stretched to [0, 1].

    Args:
        features, gradient: float [B, C, h, w], one layer's output, and each image's score by it.
        shape: height and width of the images.

    Returns:
        float32 [B, H, W] in [0, 1]; zero where no feature raises the score.
    """
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    maps = (weights * features).sum(dim=1, keepdim=True).relu().float()
    maps = F.interpolate(maps, size=shape, mode="bilinear")[:, 0]
    low, high = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp_min(1e-30)


def to_unit_range(images: Tensor) -> Tensor:
    """uint8 images to float32 in [-1, 1]."""
    return images.float() / 127.5 - 1


def initialise(module: nn.Module) -> None:
    """DCGAN's initial weights, which all four methods use; for `Module.apply`."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def cross_entropy(logits: Tensor, target: float) -> Tensor:
    """Mean binary cross entropy of logits [B] against one target for all of them."""
    logits = logits.float()
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def latent_error(one: Tensor, other: Tensor) -> Tensor:
    """Mean squared difference of latent vectors [B, d], float32 [B]."""
    return (one.float() - other.float()).square().mean(dim=1)


def _spread(images: Tensor, redrawn: Tensor) -> Tensor:
    """How much reconstructions vary over the batch, as a share of how much the images do."""
    with torch.no_grad():
        real = images.std(dim=0, correction=0).mean()
        fake = redrawn.float().std(dim=0, correction=0).mean()
        return torch.where(real > 1e-3, fake / real.clamp_min(1e-3), 1.0)
