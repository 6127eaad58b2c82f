"""GANomaly's networks and what they learn by."""

import pytest
import torch

from blemish.models.gan.base import to_unit_range
from blemish.models.gan.ganomaly import FeatureDiscriminator, Generator
from tests.models.gan.support import make_images, seen, unit_images, values


@pytest.mark.parametrize("size", [16, 64])
def test_a_reconstruction_and_two_latent_vectors_of_which_the_second_is_the_reconstructions(
    size: int,
) -> None:
    generator, images = Generator(size).eval(), unit_images(2, size)
    reconstruction, latent, latent_again = generator(images)
    assert reconstruction.shape == (2, 3, size, size) and reconstruction.abs().max() <= 1
    assert latent.shape == latent_again.shape == (2, 100)
    torch.testing.assert_close(latent, generator.encoder(images))
    torch.testing.assert_close(reconstruction, generator.decoder(latent))
    torch.testing.assert_close(latent_again, generator.second_encoder(reconstruction))


def test_the_discriminator_gives_a_logit_and_what_came_before_it() -> None:
    discriminator = FeatureDiscriminator(32)
    logit, features = discriminator(unit_images(2))
    assert features.shape == (2, 256, 4, 4)
    torch.testing.assert_close(logit, (features * discriminator.classifier.weight).sum(dim=(1, 2, 3)))


def test_the_generator_matches_the_features_before_the_last_convolution() -> None:
    model = seen("ganomaly")
    images = to_unit_range(make_images())
    redrawn = model.redraw(images)
    adversarial, latent = model.generator_losses(images, redrawn)
    real, fake = (values(model.discriminator.pyramid(one)) for one in (images, redrawn.images))
    assert real.shape == (4, 256, 4, 4)
    assert adversarial.item() == pytest.approx(((real - fake) ** 2).mean(), rel=1e-4)
    code, again = map(values, redrawn.codes)
    assert latent.item() == pytest.approx(((code - again) ** 2).mean(), rel=1e-4)


def test_the_score_is_the_distance_of_its_two_codes_alone() -> None:
    model, images = seen("ganomaly"), make_images(3)
    with torch.inference_mode():
        score, _ = model(images)
        code, again = model.redraw(to_unit_range(images)).codes
    assert score.tolist() == pytest.approx(((values(code) - values(again)) ** 2).mean(axis=1), rel=1e-4)
