"""Every network has its authors' number of parameters, and AnoTrans's generator its paper's shapes."""

from typing import Any

import pytest
import torch
from torch import nn

from blemish.models.gan import ganomaly
from blemish.models.gan.anotrans import Generator
from blemish.models.gan.config import AnoTransConfig
from blemish.models.gan.layers import Discriminator
from blemish.models.gan.sagan import AttentionUNet
from blemish.models.gan.skip_ganomaly import UNet
from tests.support import count_parameters

AUTHORS: dict[Any, dict[Any, int]] = {
    Discriminator: {32: 1_069_700, 64: 3_577_476, 128: 12_787_332, 256: 47_984_260},
    ganomaly.Generator: {32: 3_206_528, 64: 10_729_856, 128: 38_359_424},
    ganomaly.FeatureDiscriminator: {32: 663_296, 64: 2_765_568, 128: 11_164_416},
    UNet: {32: 16_659_075, 64: 29_244_035, 128: 41_828_995, 256: 54_413_955},
    AttentionUNet: {"softpool": 2_062_065, "max": 2_062_065},
}


@pytest.mark.parametrize("network", AUTHORS)
def test_a_network_has_its_authors_number_of_parameters(network: Any) -> None:
    with torch.device("meta"):
        assert {given: count_parameters(network(given)) for given in AUTHORS[network]} == AUTHORS[network]


ANOTRANS = {  # size and patch
    **{(32, 2): 12_536_122, (64, 2): 12_585_274, (96, 2): 12_667_194, (128, 2): 12_781_882},
    (32, 4): 12_526_371,
}


@pytest.mark.parametrize(("size", "patch", "authors"), [(*given, ANOTRANS[given]) for given in ANOTRANS])
def test_parameter_counts_of_anotrans(size: int, patch: int, authors: int) -> None:
    """The authors' code attends in the first two skip connections only and declares its input norm unused."""
    with torch.device("meta"):
        generator: Any = Generator(AnoTransConfig(patch=patch), size)
        bare = Generator(AnoTransConfig(patch=patch, input_norm=False), size)
    assert count_parameters(generator) == authors + 1_580_104
    assert count_parameters(bare) == authors + 1_580_104 - 6
    blocks = [100_168, 396_872, 1_580_104]
    assert [count_parameters(level.block) for level in generator.encoder] == blocks
    assert [count_parameters(level.skip) for level in generator.encoder] == blocks
    assert [count_parameters(level.merge) for level in generator.encoder] == [33_280, 132_096, 526_336]
    assert [count_parameters(level) for level in generator.decoder] == [1_842_760, 462_664, 116_680]
    assert count_parameters(generator.bottom) == 6_305_864 - 64 * (patch == 4), "a window of a single token"
    assert count_parameters(generator.expand) == 524_800


def test_parameter_counts_of_the_ablations() -> None:
    attention_blocks = 100_168 + 396_872 + 1_580_104
    cbams = 680 + 2_284 + 8_564
    # Global blocks have no table of relative positions (36 each) and no bias for query, key and value (3 C).
    widths = 2 * (2 * 64 + 2 * 128 + 2 * 256 + 512) + 2 * (64 + 128 + 256)
    counts: list[tuple[dict[str, Any], int]] = [
        ({"skip": "identity"}, 14_116_226 - attention_blocks),
        ({"skip": "cbam"}, 14_116_226 - attention_blocks + cbams),
        ({"attention": "global"}, 14_116_226 - 20 * 36 - 3 * widths),
    ]
    for fields, count in counts:
        with torch.device("meta"):
            assert count_parameters(Generator(AnoTransConfig(**fields), 32)) == count


def test_every_step_of_anotrans_has_the_papers_shape() -> None:
    generator: Any = Generator(AnoTransConfig(), 32).eval()
    steps = [generator.embedding]
    for encoder_level in generator.encoder:
        steps += [encoder_level.block, encoder_level.skip, encoder_level.merge]
    steps += [generator.bottom, generator.expand, *generator.decoder, generator.head.linear]
    shapes: dict[nn.Module, tuple[int, ...]] = {}
    for step in steps:
        step.register_forward_hook(lambda module, _, output: shapes.update({module: tuple(output.shape)}))
    with torch.no_grad():
        assert generator(torch.zeros(2, 3, 32, 32)).shape == (2, 3, 32, 32)
    assert [shapes[step][1:] for step in steps] == [
        (16, 16, 64),
        *((16, 16, 64), (16, 16, 64), (8, 8, 128)),
        *((8, 8, 128), (8, 8, 128), (4, 4, 256)),
        *((4, 4, 256), (4, 4, 256), (2, 2, 512)),
        *((2, 2, 512), (4, 4, 256)),
        *((8, 8, 128), (16, 16, 64), (32, 32, 32)),
        (32, 32, 3),
    ]
    assert {shape[0] for shape in shapes.values()} == {2}


@pytest.mark.parametrize(("size", "patch"), [(96, 2), (32, 4), (96, 6), (64, 8)])
def test_images_come_back_in_their_size(size: int, patch: int) -> None:
    with torch.device("meta"):
        images = torch.zeros(1, 3, size, size)
        generator = Generator(AnoTransConfig(patch=patch, channels=16), size)
        assert generator.eval()(images).shape == images.shape
