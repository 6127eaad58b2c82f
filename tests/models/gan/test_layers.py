"""BatchNorm with a choice of its statistics at test time, CBAM and the discriminator."""

import copy

import pytest
import torch
from torch import Tensor, nn

from blemish.models.gan.layers import CBAM, BatchNorm2d, BatchNormAtTest, Discriminator, set_batchnorm_at_test
from tests.models.gan.support import every_method
from tests.models.support import build, scrambled
from tests.support import same_tensors


def make() -> tuple[BatchNorm2d, nn.BatchNorm2d, Tensor]:
    """Ours and torch's with the same parameters and statistics, and a batch unlike what they have seen."""
    torch.manual_seed(0)
    reference = nn.BatchNorm2d(4)
    for parameter in reference.parameters():
        nn.init.normal_(parameter)
    reference(torch.randn(8, 4, 5, 5) * 2 + 1)
    ours = BatchNorm2d(4)
    ours.load_state_dict(reference.state_dict())
    return ours, reference, torch.randn(3, 4, 5, 5) * torch.tensor([1.0, 2, 3])[:, None, None, None]


@pytest.mark.parametrize("at_test", ["eval", "instance", "batch"])
def test_the_choice_is_eval_mode_or_train_mode_of_each_image_alone_or_of_the_batch(
    at_test: BatchNormAtTest,
) -> None:
    ours, reference, features = make()
    set_batchnorm_at_test(ours, at_test)
    before = copy.deepcopy(ours.state_dict())
    result = ours.eval()(features)
    parts = features.split(1) if at_test == "instance" else [features]
    reference.train(at_test != "eval")
    torch.testing.assert_close(result, torch.cat([reference(part) for part in parts]))
    assert torch.allclose(result[:1], ours(features[:1])) is (at_test != "batch"), "neighbours matter"
    assert same_tensors(ours.state_dict(), before)

    ours, reference, features = make()
    set_batchnorm_at_test(ours, at_test)
    assert torch.equal(ours.train()(features), reference.train()(features)), "it is for tests only"
    assert same_tensors(ours.state_dict(), reference.state_dict())


@every_method
def test_every_batchnorm_of_a_model_has_the_choice(method: str) -> None:
    model = build(method, batchnorm_at_test="instance")
    norms = [one for one in model.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    assert norms and all(isinstance(one, BatchNorm2d) and one.at_test == "instance" for one in norms)
    assert set_batchnorm_at_test(model, "batch") == len(norms)
    assert {one.at_test for one in norms} == {"batch"}


def test_cbam_weighs_channels_and_then_positions() -> None:
    cbam = scrambled(CBAM(32))
    features = torch.randn(2, 32, 5, 5)
    first, _, second = cbam.channel
    assert (first.in_features, first.out_features, second.out_features) == (32, 2, 32)
    with torch.no_grad():
        for image, output in zip(features, cbam(features), strict=True):
            pooled = [image.mean(dim=(1, 2)), image.amax(dim=(1, 2))]
            logits = sum(second(first(one).relu()) for one in pooled)
            by_channel = image * torch.sigmoid(torch.as_tensor(logits))[:, None, None]
            maps = torch.stack([by_channel.mean(dim=0), by_channel.amax(dim=0)])
            convolution, norm = cbam.spatial
            logit = norm(convolution(maps[None]))[0]
            torch.testing.assert_close(output, by_channel * logit.sigmoid())


@pytest.mark.parametrize("size", [32, 96])
def test_a_discriminator_gives_one_logit_and_one_feature_per_image(size: int) -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(size)
    logit, feature = discriminator(torch.rand(3, 3, size, size) * 2 - 1)
    assert (logit.shape, feature.shape) == ((3,), (3, 100))
    middle = discriminator.classifier.weight[0, :, 1, 1]  # of the last kernel, which is all that meets it
    torch.testing.assert_close(logit, feature @ middle)
