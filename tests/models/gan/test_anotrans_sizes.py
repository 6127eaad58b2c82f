"""AnoTrans's generator has the paper's parameters and shapes."""

from typing import Any

import pytest
import torch
from torch import nn

from blemish.models.gan.anotrans import Generator, WindowBlock
from blemish.models.gan.config import AnoTransConfig
from tests.models.gan.support import small
from tests.support import count_parameters


def test_parameter_counts_are_the_papers_network() -> None:
    generator: Any = Generator(AnoTransConfig(), 32)
    assert count_parameters(generator.embedding.input_norm) == 6
    assert count_parameters(generator.embedding) == 17_344 + 6
    assert [count_parameters(level.block) for level in generator.encoder] == [100_168, 396_872, 1_580_104]
    assert count_parameters(generator.encoder[0].merge) == 33_280
    assert [count_parameters(level.block) + count_parameters(level.merge) for level in generator.encoder] == [
        133_448,
        528_968,
        2_106_440,
    ]
    assert count_parameters(generator.bottom) == 6_305_864
    assert count_parameters(generator.expand) == 524_800
    assert [count_parameters(level) for level in generator.decoder] == [1_842_760, 462_664, 116_680]
    assert count_parameters(generator.head.linear) == 99
    assert count_parameters(generator.head.colours) == 9
    skips = [count_parameters(level.skip) for level in generator.encoder]
    assert skips == [100_168, 396_872, 1_580_104]
    assert count_parameters(generator) == 14_116_226
    # The authors' code attends in the first two skip connections only and declares its input norm unused.
    assert count_parameters(generator) - skips[2] == 12_536_122


def test_parameter_counts_of_one_block() -> None:
    block: Any = WindowBlock(AnoTransConfig(), 64, 16, shifted=True)
    assert count_parameters(block) == 50_020
    assert count_parameters(block.attn.qkv) == 12_480
    assert count_parameters(block.attn.proj) == 4_160
    assert block.attn.relative_position_bias_table.shape == (9, 4)


@pytest.mark.parametrize(
    ("size", "patch", "authors"),
    [
        (32, 2, 12_536_122),
        (64, 2, 12_585_274),
        (96, 2, 12_667_194),
        (128, 2, 12_781_882),
        (32, 4, 12_526_371),
    ],
)
def test_parameter_counts_of_other_sizes(size: int, patch: int, authors: int) -> None:
    with torch.device("meta"):
        generator = Generator(AnoTransConfig(patch=patch), size)
        bare = Generator(AnoTransConfig(patch=patch, input_norm=False), size)
    assert count_parameters(generator) == authors + 1_580_104
    assert count_parameters(bare) == authors + 1_580_104 - 6


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


def test_every_step_has_the_papers_shape() -> None:
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


@pytest.mark.parametrize(("size", "patch"), [(32, 2), (96, 2), (32, 4), (96, 6), (64, 8)])
def test_images_come_back_in_their_size(size: int, patch: int) -> None:
    with torch.device("meta"):
        images = torch.zeros(1, 3, size, size)
        assert Generator(small(patch=patch), size).eval()(images).shape == images.shape
