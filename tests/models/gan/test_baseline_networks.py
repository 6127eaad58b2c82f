"""The networks of GANomaly, Skip-GANomaly and SAGAN."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from blemish.models.gan.ganomaly import FeatureDiscriminator, Generator
from blemish.models.gan.layers import BatchNorm2d
from blemish.models.gan.sagan import AttentionUNet, Pool, SoftPool
from blemish.models.gan.skip_ganomaly import UNet
from tests.support import count_parameters

NETWORKS = [
    pytest.param(lambda: Generator(32), id="ganomaly"),
    pytest.param(lambda: FeatureDiscriminator(32), id="ganomaly-discriminator"),
    pytest.param(lambda: UNet(32), id="skip-ganomaly"),
    pytest.param(lambda: AttentionUNet(), id="sagan"),
    pytest.param(lambda: AttentionUNet("max"), id="sagan-max"),
]
GENERATORS = [NETWORKS[0], *NETWORKS[2:]]


def make(network: Callable[[], nn.Module]) -> Any:
    torch.manual_seed(0)
    return network()


def images(count: int, size: int = 32) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def outputs(network: nn.Module, inputs: Tensor) -> tuple[Tensor, ...]:
    result = network(inputs)
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize(
    ("network", "size", "parameters"),
    [
        (Generator, 32, 3_206_528),
        (Generator, 64, 10_729_856),
        (Generator, 128, 38_359_424),
        (FeatureDiscriminator, 32, 663_296),
        (FeatureDiscriminator, 64, 2_765_568),
        (FeatureDiscriminator, 128, 11_164_416),
        (UNet, 32, 16_659_075),
        (UNet, 64, 29_244_035),
        (UNet, 128, 41_828_995),
        (UNet, 256, 54_413_955),
    ],
)
def test_a_network_has_its_authors_number_of_parameters(
    network: type[nn.Module], size: int, parameters: int
) -> None:
    with torch.device("meta"):
        assert count_parameters(network(size)) == parameters


@pytest.mark.parametrize("pool", ["softpool", "max"])
def test_sagan_has_its_authors_number_of_parameters(pool: Pool) -> None:
    assert count_parameters(AttentionUNet(pool)) == 2_062_065


@pytest.mark.parametrize("network", NETWORKS)
def test_every_normalisation_can_be_told_what_to_do_at_test_time(network: Callable[[], nn.Module]) -> None:
    norms = [m for m in make(network).modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert norms and all(isinstance(norm, BatchNorm2d) for norm in norms)


@pytest.mark.parametrize("size", [16, 32, 64])
def test_ganomaly_gives_a_reconstruction_and_two_latent_vectors(size: int) -> None:
    reconstruction, latent, latent_again = Generator(size)(images(2, size))
    assert reconstruction.shape == (2, 3, size, size)
    assert latent.shape == latent_again.shape == (2, 100)
    assert reconstruction.abs().max() <= 1


def test_ganomalys_second_latent_vector_is_that_of_the_reconstruction() -> None:
    generator = make(lambda: Generator(32)).eval()
    reconstruction, latent, latent_again = generator(images(2))
    torch.testing.assert_close(latent, generator.encoder(images(2)))
    torch.testing.assert_close(reconstruction, generator.decoder(latent))
    torch.testing.assert_close(latent_again, generator.second_encoder(reconstruction))


def test_ganomalys_discriminator_gives_a_logit_and_what_came_before_it() -> None:
    discriminator = make(lambda: FeatureDiscriminator(32))
    logit, features = discriminator(images(2))
    assert features.shape == (2, 256, 4, 4)
    torch.testing.assert_close(logit, (features * discriminator.classifier.weight).sum(dim=(1, 2, 3)))


@pytest.mark.parametrize("size", [32, 64])
def test_the_unet_goes_down_to_one_pixel_and_back(size: int) -> None:
    unet = UNet(size)
    bottom = []
    unet.downs[-1].register_forward_hook(lambda _module, _inputs, output: bottom.append(output.shape))
    reconstruction = unet(images(2, size) * 100)
    assert bottom == [(2, 512, 1, 1)]
    assert reconstruction.shape == (2, 3, size, size)
    assert reconstruction.abs().max() <= 1


@pytest.mark.parametrize("size", [32, 96])
def test_sagan_reconstructs_any_multiple_of_16_without_a_last_activation(size: int) -> None:
    generator = make(lambda: AttentionUNet())
    assert generator(images(2, size)).shape == (2, 3, size, size)
    with torch.no_grad():
        generator.output.bias.fill_(5)
    assert generator(images(2, size)).max() > 1


@pytest.mark.parametrize("level", range(5))
def test_sagans_attention_reaches_the_decoder_through_the_skips_alone(level: int) -> None:
    generator = make(lambda: AttentionUNet())
    seen: list[Tensor] = []
    for module in generator.levels:
        module.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    before = generator(images(2))
    generator.attention[level].register_forward_hook(lambda _module, _inputs, output: 3 * output)
    after = generator(images(2))
    assert all(torch.equal(one, other) for one, other in zip(seen[:5], seen[5:], strict=True))
    assert not torch.allclose(before, after)


def test_softpool_is_the_average_weighted_by_exponentials() -> None:
    features = images(2).numpy()[:, :, :4, :6].astype(np.float64) * 3
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


def test_sagan_pools_as_it_is_told() -> None:
    soft, hard = make(lambda: AttentionUNet()), make(lambda: AttentionUNet("max"))
    assert not torch.allclose(soft(images(2)), hard(images(2)))
    assert hard.pool(torch.arange(4.0).reshape(1, 1, 2, 2)).item() == 3


@pytest.mark.parametrize("network", NETWORKS)
def test_gradients_reach_every_parameter(network: Callable[[], nn.Module]) -> None:
    model = make(network)
    torch.stack([output.square().sum() for output in outputs(model, images(4))]).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("network", NETWORKS)
def test_in_eval_mode_an_image_does_not_depend_on_its_batch(network: Callable[[], nn.Module]) -> None:
    model = make(network)
    model(images(5))
    model.eval()
    together = outputs(model, images(5))
    for index in range(5):
        for one, all_ in zip(outputs(model, images(5)[index : index + 1]), together, strict=True):
            torch.testing.assert_close(one[0], all_[index])


@pytest.mark.parametrize("network", GENERATORS)
def test_the_heat_map_layer_sees_fine_features_the_output_is_made_of(
    network: Callable[[], nn.Module],
) -> None:
    generator = make(network).eval()
    seen: list[Tensor] = []
    generator.cam_layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    reconstruction = outputs(generator, images(2))[0]
    (features,) = seen
    assert features.shape[:2] == (2, 64)
    assert features.shape[-1] == (32 if isinstance(generator, AttentionUNet) else 16)
    (gradient,) = torch.autograd.grad(reconstruction.square().sum(), features)
    assert gradient.abs().max() > 0
