"""What every method's model promises to the training loop, the detector and the exporters.

That it can be fitted, saved and loaded is in `test_contract_fit`, that it exports in `tests/export`.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from blemish.models.base import Batch
from blemish.models.registry import METHODS
from tests.models.support import SIZE, TRAINED, TRAINING_FREE, build, learn, random_images

COUNT = 3

# how many tensors a small model's file has, and some of their names; renaming any orphans older files
NAMES = {
    "gtrans": (
        *(199, "agn.backbone.scale", "agn.backbone.network.layer3.0.bn3.running_var", "trans.shift"),
        *("trans.network.conv1.0.weight", "tokenizers.2.group.weight", "tokenizers.0.value.weight"),
        *("tfm.encoder.1.attention_norm.weight", "tfm.decoder.1.query.weight", "tfm.decoder.0.reduce.weight"),
        *("tfm.encoder.0.output_norm.bias", "tfm.encoder.0.expand.weight", "mappers.1.key.weight"),
    ),
    "anotrans": (
        *(335, "generator.embedding.positions", "generator.embedding.input_norm.running_mean"),
        *("generator.embedding.patches.proj.weight", "generator.encoder.2.block.blocks.1.attn.qkv.bias"),
        *("generator.encoder.0.skip.norm.weight", "generator.encoder.1.merge.reduction.weight"),
        *("generator.bottom.blocks.0.mlp.fc1.weight", "generator.expand.linear.weight"),
        *("generator.decoder.2.fuse.weight", "generator.decoder.0.expand.norm.bias"),
        *("generator.head.linear.bias", "generator.head.colours.weight", "discriminator.feature.weight"),
    ),
    "ganomaly": (
        *(61, "generator.encoder.pyramid.0.weight", "generator.second_encoder.latent.weight"),
        *("generator.decoder.hidden.7.running_mean", "generator.decoder.output.weight"),
        *("discriminator.pyramid.6.num_batches_tracked", "discriminator.classifier.weight"),
    ),
    "skip_ganomaly": (
        *(61, "generator.downs.0.weight", "generator.downs.1.1.weight", "generator.ups.3.2.running_var"),
        *("generator.output.1.bias", "discriminator.pyramid.3.weight", "discriminator.classifier.weight"),
    ),
    "sagan": (
        *(229, "generator.levels.4.6.running_mean", "generator.attention.0.channel.2.bias"),
        *("generator.attention.4.spatial.0.weight", "generator.ups.0.0.weight", "generator.output.bias"),
        "discriminator.feature.weight",
    ),
    "patchcore": (75, "memory", "features.backbone.scale", "features.backbone.network.conv1.6.weight"),
    "padim": (77, "drawn", "mean", "whitening", "features.backbone.network.layer2.0.bn1.running_var"),
    "spade": (76, "pooled", "gallery", "features.backbone.shift", "features.backbone.network.bn1.weight"),
}


@pytest.fixture(scope="module", params=METHODS)
def model(request: pytest.FixtureRequest) -> Any:
    model = build(request.param)
    if request.param in TRAINING_FREE:
        learn(model, random_images(6, seed=2))
    return model


@pytest.fixture(scope="module", params=TRAINED)
def trained(request: pytest.FixtureRequest) -> Any:
    return build(request.param)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return random_images(COUNT, seed=1)


@pytest.fixture(scope="module")
def batch(trained: Any, images: Tensor) -> Batch:
    return Batch(images, trained.frozen_features(images))


@pytest.mark.parametrize("method", METHODS)
def test_tensors_have_the_names_that_older_files_have(method: str) -> None:
    found = build(method).state_dict().keys()
    count, *names = NAMES[method]
    assert len(found) == count and set(names) <= found


def test_a_score_and_a_map_for_each_image(model: Any, images: Tensor) -> None:
    with torch.inference_mode():
        score, anomaly_map = model.eval()(images)
    assert (score.shape, score.dtype) == ((COUNT,), torch.float32)
    assert (anomaly_map.shape, anomaly_map.dtype) == ((COUNT, SIZE, SIZE), torch.float32)
    assert score.isfinite().all() and anomaly_map.isfinite().all()


def test_no_image_changes_anothers_score_or_map(model: Any, images: Tensor) -> None:
    with torch.inference_mode():
        together = model.eval()(images)
        backwards = model(images.flip(0))
        alone = [model(image[None]) for image in images]
    assert together[0].unique().numel() == COUNT
    for which in (0, 1):
        close = {"rtol": 1e-4, "atol": 1e-6 * together[which].max().item()}
        torch.testing.assert_close(backwards[which].flip(0), together[which], **close)
        torch.testing.assert_close(torch.cat([one[which] for one in alone]), together[which], **close)


def test_each_step_changes_just_the_parameters_of_its_group(trained: Any, batch: Batch) -> None:
    groups = {
        group: {name for name, one in trained.named_parameters() if any(one is other for other in parameters)}
        for group, parameters in trained.train().parameter_groups().items()
    }
    assert all(groups.values())
    reached = set()
    for step in trained.training_steps(batch):
        assert step.loss.ndim == 0 and step.loss.isfinite()
        assert all(part.ndim == 0 and not part.isnan() for part in step.parts.values())
        trained.zero_grad(set_to_none=True)
        step.loss.backward(inputs=trained.parameter_groups()[step.group])
        found = {name for name, one in trained.named_parameters() if one.grad is not None and one.grad.any()}
        assert found == groups[step.group]
        reached |= found
    assert reached == {name for name, one in trained.named_parameters() if one.requires_grad}


def test_one_validation_loss_per_image(trained: Any, batch: Batch) -> None:
    with torch.inference_mode():
        losses = trained.eval().validation_loss(batch)
    assert losses.shape == (COUNT,) and losses.isfinite().all()


def test_frozen_features_belong_to_their_image_and_never_change(
    trained: Any, images: Tensor, batch: Batch
) -> None:
    with torch.inference_mode():
        first = trained.train().frozen_features(images[:1])
    for one, all_ in zip(first, batch.frozen, strict=True):
        torch.testing.assert_close(one, all_[:1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", TRAINING_FREE)
class TestTrainingFree:
    def test_learning_twice_remembers_the_same(self, method: str) -> None:
        one, other = build(method), build(method)
        before = {name: value.clone() for name, value in one.state_dict().items()}
        for model in (one, other, one):  # a model that has learned forgets it
            learn(model, random_images(6, seed=2))
        first, second = one.state_dict(), other.state_dict()
        assert first.keys() == second.keys() == before.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)
        assert {name for name in first if not torch.equal(first[name], before[name])} == {
            name for name, _ in one.named_buffers() if not name.startswith("features.")
        }

    def test_the_size_of_the_batches_hardly_changes_what_is_learned(
        self, method: str, images: Tensor
    ) -> None:
        scores = []
        for batch_size in (1, 4, 6):
            model = build(method)
            learn(model, random_images(6, seed=2), batch_size=batch_size)
            with torch.inference_mode():
                scores.append(model(images)[0])
        torch.testing.assert_close(scores[1], scores[0], rtol=1e-3, atol=0)
        torch.testing.assert_close(scores[2], scores[0], rtol=1e-3, atol=0)

    @pytest.mark.parametrize("count", [1, 2])
    def test_one_image_is_enough_to_learn_from(self, method: str, count: int, images: Tensor) -> None:
        model = build(method)
        known = random_images(count, seed=2)
        learn(model, known)
        with torch.inference_mode():
            score, anomaly_map = model(torch.cat([known, images]))
        assert score.isfinite().all() and anomaly_map.isfinite().all()
        assert score[:count].max() < score[count:].min()

    def test_nothing_is_trained(self, method: str) -> None:
        model = build(method).train()
        assert not any(parameter.requires_grad for parameter in model.parameters())
        assert not any(module.training for module in model.features.modules())
