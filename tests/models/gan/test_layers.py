"""BatchNorm with a choice of its statistics at test time, and CBAM."""

import copy
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from blemish.models.gan.layers import CBAM, BatchNorm2d, BatchNormAtTest, set_batchnorm_at_test
from tests.models.gan.support import every_method, scrambled
from tests.models.support import build
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


def test_by_default_it_is_torchs_in_both_modes() -> None:
    ours, reference, features = make()
    assert torch.equal(ours.eval()(features), reference.eval()(features))
    assert torch.equal(ours.train()(features), reference.train()(features))
    assert same_tensors(ours.state_dict(), reference.state_dict())


@pytest.mark.parametrize("at_test", ["instance", "batch"])
def test_in_train_mode_the_choice_changes_nothing(at_test: BatchNormAtTest) -> None:
    ours, reference, features = make()
    set_batchnorm_at_test(ours, at_test)
    assert torch.equal(ours.train()(features), reference.train()(features))
    assert same_tensors(ours.state_dict(), reference.state_dict())


def test_instance_is_train_mode_at_batch_size_one() -> None:
    ours, reference, features = make()
    set_batchnorm_at_test(ours, "instance")
    before = copy.deepcopy(ours.state_dict())
    result = ours.eval()(features)
    for index in range(len(features)):
        alone = features[index : index + 1]
        torch.testing.assert_close(result[index : index + 1], reference.train()(alone))
        torch.testing.assert_close(result[index : index + 1], ours(alone))
    assert same_tensors(ours.state_dict(), before)


def test_batch_is_train_mode_so_that_neighbours_matter() -> None:
    ours, reference, features = make()
    set_batchnorm_at_test(ours, "batch")
    before = copy.deepcopy(ours.state_dict())
    result = ours.eval()(features)
    torch.testing.assert_close(result, reference.train()(features))
    assert not torch.allclose(result[:1], ours(features[:1]))
    assert same_tensors(ours.state_dict(), before)


def test_the_choice_reaches_every_batchnorm_of_a_network_and_can_be_taken_back() -> None:
    network = nn.Sequential(BatchNorm2d(2), nn.Sequential(nn.ReLU(), nn.Sequential(BatchNorm2d(2))))
    for at_test in reversed(get_args(BatchNormAtTest)):
        assert set_batchnorm_at_test(network, at_test) == 2
        assert [m.at_test for m in network.modules() if isinstance(m, BatchNorm2d)] == [at_test] * 2


@every_method
def test_every_batchnorm_of_a_model_has_the_choice(method: str) -> None:
    model = build(method, batchnorm_at_test="instance")
    norms = [one for one in model.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    assert norms and all(isinstance(one, BatchNorm2d) and one.at_test == "instance" for one in norms)


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
