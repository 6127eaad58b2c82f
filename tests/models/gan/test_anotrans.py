"""AnoTrans's generator against the shapes, counts and readings of its paper (ICANN 2022)."""

from itertools import product
from typing import Any

import pytest
import torch
from timm.models.swin_transformer import PatchMerging
from torch import Tensor, nn

from blemish.models.gan.anotrans import AttentionBlock, EncoderLevel, Expand, Generator, Head, window_block
from blemish.models.gan.config import AnoTransConfig
from tests.models.gan.support import CHANNELS
from tests.models.support import scrambled


def small(**fields: Any) -> AnoTransConfig:
    """Fewer channels and as many heads as in the paper."""
    return AnoTransConfig(**({"channels": CHANNELS} | fields))


def small_generator(**fields: Any) -> Any:
    """Its every weight can be seen in what it gives."""
    return scrambled(Generator(small(**fields), 32))


def changed_by(module: nn.Module, side: int, row: int, column: int, channels: int = CHANNELS) -> Tensor:
    """Which output tokens [h, w] change when the input token at (row, column) of side x side does."""
    tokens = torch.randn(1, side, side, channels)
    other = tokens.clone()
    other[:, row, column] += torch.randn(channels)
    with torch.no_grad():
        return (module(tokens) - module(other))[0].abs().amax(dim=-1) > 1e-6


def square(side: int, rows: slice, columns: slice) -> Tensor:
    expected = torch.zeros(side, side, dtype=torch.bool)
    expected[rows, columns] = True
    return expected


@pytest.mark.parametrize("shift", [0, 1])
def test_a_block_attends_inside_its_windows_shifted_or_not_and_never_around_the_border(shift: int) -> None:
    block = scrambled(window_block(small(), CHANNELS, 8, shift))

    def window(position: int) -> slice:
        """Of two tokens; what is left over at either end of shifted ones stands alone."""
        start = (position + shift) // 2 * 2 - shift
        return slice(max(start, 0), min(start + 2, 8))

    for row, column in product(range(8), range(8)):
        expected = square(8, window(row), window(column))
        assert torch.equal(changed_by(block, 8, row, column), expected), (row, column)


def test_one_attention_block_sees_four_by_four_tokens_and_a_global_one_every_token() -> None:
    block = scrambled(AttentionBlock(small(), CHANNELS, 8))
    assert torch.equal(changed_by(block, 8, 2, 4), square(8, slice(1, 5), slice(3, 7)))
    assert torch.equal(changed_by(block, 8, 0, 0), square(8, slice(0, 3), slice(0, 3)))
    block = scrambled(AttentionBlock(small(attention="global"), CHANNELS, 8))
    assert all(changed_by(block, 8, *position).all() for position in ((0, 0), (2, 4), (7, 7)))


def test_a_map_as_small_as_its_window_is_one_window_without_a_shift() -> None:
    bottom = small_generator().bottom
    assert [block.shift_size for block in bottom.blocks] == [(0, 0), (0, 0)]
    assert [block.attn_mask for block in bottom.blocks] == [None, None]
    assert changed_by(bottom, 2, 1, 0, 8 * CHANNELS).all()
    single = small_generator(patch=4).bottom
    assert [block.window_size for block in single.blocks] == [(1, 1), (1, 1)]


def literal_window_block(block: Any, tokens: Tensor) -> Tensor:
    """Eqs. 1 and 2 for one image [h, w, C], window by window and head by head."""
    heads, channels = block.attn.num_heads, tokens.shape[-1]
    head_dim = channels // heads
    normed = block.norm1(tokens)
    attended = torch.zeros_like(tokens)
    for top in range(0, len(tokens), 2):
        for left in range(0, len(tokens), 2):
            places = [(top + i, left + j) for i in range(2) for j in range(2)]
            q, k, v = block.attn.qkv(torch.stack([normed[place] for place in places])).split(channels, dim=1)
            parts = []
            for head in range(heads):
                own = slice(head * head_dim, (head + 1) * head_dim)
                scores = q[:, own] @ k[:, own].T / head_dim**0.5
                for a, (row_a, column_a) in enumerate(places):
                    for b, (row_b, column_b) in enumerate(places):
                        entry = 3 * (row_a - row_b + 1) + column_a - column_b + 1
                        scores[a, b] += block.attn.relative_position_bias_table[entry, head]
                parts.append(scores.softmax(dim=1) @ v[:, own])
            for place, token in zip(places, block.attn.proj(torch.cat(parts, dim=1)), strict=True):
                attended[place] = token
    middle = tokens + attended
    return middle + block.mlp(block.norm2(middle))


def test_a_block_is_eq_1_and_2_and_two_of_them_end_in_layer_norm_and_gelu() -> None:
    attention = scrambled(AttentionBlock(small(), CHANNELS, 4))
    images, first = torch.randn(3, 4, 4, CHANNELS), attention.blocks[0]
    with torch.no_grad():
        for image, output in zip(images, first(images), strict=True):
            torch.testing.assert_close(output, literal_window_block(first, image), rtol=1e-4, atol=1e-4)
        literal = nn.GELU()(attention.norm(attention.blocks[1](first(images))))
        torch.testing.assert_close(attention(images), literal)


def test_merging_then_expanding_restores_the_tokens_shape_and_stays_in_place() -> None:
    tokens = torch.randn(2, 8, 8, CHANNELS)
    there_and_back = nn.Sequential(PatchMerging(CHANNELS), Expand(2 * CHANNELS))
    assert there_and_back(tokens).shape == tokens.shape
    expected = square(8, slice(2, 4), slice(6, 8))
    assert torch.equal(changed_by(scrambled(there_and_back), 8, 3, 6), expected)


def test_the_head_puts_a_known_image_together() -> None:
    """Patch 4: each token holds its 2 x 2 pixels row by row, each with three colours."""
    head = Head(small(patch=4, channels=24)).eval()
    image = torch.rand(1, 3, 10, 10)
    with torch.no_grad():
        head.linear.weight.copy_(torch.eye(12))
        head.linear.bias.zero_()
        head.colours.weight.copy_(torch.eye(3)[:, :, None, None])
        tokens = torch.empty(1, 5, 5, 12)
        for row, column in product(range(5), range(5)):
            pixels = image[0, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            tokens[0, row, column] = pixels.permute(1, 2, 0).flatten()
        torch.testing.assert_close(head(tokens), image)


def test_skips_are_tapped_behind_the_block_and_meet_the_decoder_level_of_their_own_resolution() -> None:
    generator = small_generator(skip="identity")
    tapped: list[Tensor] = []
    merged: list[Tensor] = []
    fused: list[Tensor] = []
    for level in generator.encoder:
        level.block.register_forward_hook(lambda _, args, output: tapped.append(output))
        level.merge.register_forward_hook(lambda _, args, output: merged.append(args[0]))
    for level in generator.decoder:
        level.fuse.register_forward_hook(lambda _, args, output: fused.append(args[0]))
    with torch.no_grad():
        generator(torch.randn(1, 3, 32, 32))
    assert all(torch.equal(one, other) for one, other in zip(tapped, merged, strict=True))
    for skip, pair in zip(reversed(tapped), fused, strict=True):
        assert torch.equal(pair[..., pair.shape[-1] // 2 :], skip)


def test_each_kind_of_skip_connection() -> None:
    tokens = torch.randn(2, 8, 8, CHANNELS)
    kinds = ("sac", "cbam", "identity")
    sac, cbam, identity = (EncoderLevel(small(skip=kind), CHANNELS, 8).skip for kind in kinds)
    assert isinstance(sac, AttentionBlock) and sac(tokens).shape == tokens.shape
    assert identity(tokens) is tokens
    expected = cbam.cbam(tokens.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # type: ignore[union-attr, operator]
    torch.testing.assert_close(cbam(tokens), expected)
