"""SAGAN's generator."""

import numpy as np
import pytest
import torch
from torch import Tensor

from blemish.models.gan.sagan import AttentionUNet, SoftPool
from tests.models.gan.support import unit_images


@pytest.mark.parametrize("size", [32, 96])
def test_it_reconstructs_any_multiple_of_16_without_a_last_activation(size: int) -> None:
    generator = AttentionUNet("softpool")
    assert generator(unit_images(2, size)).shape == (2, 3, size, size)
    with torch.no_grad():
        generator.output.bias.fill_(5)
    assert generator(unit_images(2, size)).max() > 1


def test_attention_reaches_the_decoder_through_the_skips_alone() -> None:
    generator = AttentionUNet("max")
    assert generator.pool(torch.arange(4.0).reshape(1, 1, 2, 2)).item() == 3
    seen: list[Tensor] = []
    for module in generator.levels:
        module.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    before = generator(unit_images(2))
    for level in range(5):
        hook = generator.attention[level].register_forward_hook(lambda _module, _inputs, output: 3 * output)
        assert not torch.allclose(before, generator(unit_images(2)))
        assert all(torch.equal(one, other) for one, other in zip(seen[:5], seen[-5:], strict=True))
        hook.remove()


def test_softpool_is_the_average_weighted_by_exponentials() -> None:
    features = unit_images(2).numpy()[:, :, :4, :6].astype(np.float64) * 3
    literal = np.empty((2, 3, 2, 3))
    for index in np.ndindex(literal.shape):
        b, c, y, x = index
        block = features[b, c, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
        literal[index] = (np.exp(block) * block).sum() / np.exp(block).sum()
    np.testing.assert_allclose(SoftPool()(torch.from_numpy(features)).numpy(), literal)


def test_softpool_neither_overflows_nor_divides_by_zero() -> None:
    for value in (1000.0, -1000.0):
        features = torch.full((1, 1, 2, 2), value, requires_grad=True)
        pooled = SoftPool()(features)
        pooled.sum().backward()
        assert pooled.item() == value
        torch.testing.assert_close(features.grad, torch.full((1, 1, 2, 2), 0.25))
