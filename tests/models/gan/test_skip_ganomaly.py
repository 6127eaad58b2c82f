"""Skip-GANomaly's generator."""

import pytest

from blemish.models.gan.skip_ganomaly import UNet
from tests.models.gan.support import unit_images


@pytest.mark.parametrize("size", [32, 64])
def test_the_unet_goes_down_to_one_pixel_and_back(size: int) -> None:
    unet = UNet(size)
    bottom = []
    unet.downs[-1].register_forward_hook(lambda _module, _inputs, output: bottom.append(output.shape))
    reconstruction = unet(unit_images(2, size) * 100)
    assert bottom == [(2, 512, 1, 1)]
    assert reconstruction.shape == (2, 3, size, size)
    assert reconstruction.abs().max() <= 1
