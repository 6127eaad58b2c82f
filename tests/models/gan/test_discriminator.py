"""The discriminator of Skip-GANomaly, SAGAN and AnoTrans."""

import pytest
import torch
from torch import nn

from blemish.models.gan.discriminator import Discriminator, pyramid
from tests.support import count_parameters


@pytest.mark.parametrize(
    ("size", "parameters"), [(32, 1_069_700), (64, 3_577_476), (128, 12_787_332), (256, 47_984_260)]
)
def test_the_discriminator_has_the_authors_number_of_parameters(size: int, parameters: int) -> None:
    with torch.device("meta"):
        assert count_parameters(Discriminator(size)) == parameters


@pytest.mark.parametrize(
    ("size", "widths", "remaining"),
    [(32, [64, 128, 256], 4), (64, [64, 128, 256, 512], 4), (96, [64, 128, 256, 512, 1024], 3)],
)
def test_the_pyramid_says_what_it_ends_in(size: int, widths: list[int], remaining: int) -> None:
    layers, channels, left = pyramid(size)
    assert [layer.out_channels for layer in layers if isinstance(layer, nn.Conv2d)] == widths
    assert (channels, left) == (widths[-1], remaining)
    assert layers(torch.zeros(2, 3, size, size)).shape == (2, channels, remaining, remaining)


@pytest.mark.parametrize("size", [32, 64, 96])
def test_a_discriminator_gives_one_logit_and_one_feature_per_image(size: int) -> None:
    discriminator = Discriminator(size)
    logit, feature = discriminator(torch.rand(3, 3, size, size) * 2 - 1)
    assert logit.shape == (3,)
    assert feature.shape == (3, 100)


def test_only_the_middle_of_the_last_kernel_meets_the_feature() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(32)
    logit, feature = discriminator(torch.rand(3, 3, 32, 32))
    torch.testing.assert_close(logit, feature @ discriminator.classifier.weight[0, :, 1, 1])
