"""Skip-GANomaly's generator."""

import pytest
import torch

from blemish.models.gan.skip_ganomaly import UNet
from tests.models.gan.support import unit_images
from tests.support import count_parameters


@pytest.mark.parametrize(
    ("size", "parameters"), [(32, 16_659_075), (64, 29_244_035), (128, 41_828_995), (256, 54_413_955)]
)
def test_the_unet_has_its_authors_number_of_parameters(size: int, parameters: int) -> None:
    with torch.device("meta"):
        assert count_parameters(UNet(size)) == parameters


@pytest.mark.parametrize("size", [32, 64])
def test_the_unet_goes_down_to_one_pixel_and_back(size: int) -> None:
    unet = UNet(size)
    bottom = []
    unet.downs[-1].register_forward_hook(lambda _module, _inputs, output: bottom.append(output.shape))
    reconstruction = unet(unit_images(2, size) * 100)
    assert bottom == [(2, 512, 1, 1)]
    assert reconstruction.shape == (2, 3, size, size)
    assert reconstruction.abs().max() <= 1
