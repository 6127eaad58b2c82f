"""What every method's model promises to the training loop, the detector and the exporters.

That it can be fitted, saved and loaded is in `test_contract_fit`, that it exports in `tests/export`.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from blemish.files import value_digest
from blemish.models.base import Batch
from blemish.models.registry import METHODS
from tests.models.support import SIZE, TRAINED, TRAINING_FREE, build, learn, random_images
from tests.support import same_tensors

COUNT = 3

# digests of the names of a small model's tensors; renaming any orphans older files
NAMES = {
    "gtrans": "60b40fe173f7207a",
    "anotrans": "96d57126e2c5fc23",
    "ganomaly": "25f1b89d8d1b8c13",
    "skip_ganomaly": "25a19697056631ec",
    "sagan": "c8c73370dc49e459",
    "patchcore": "ca3f5b2b80cd7c1c",
    "padim": "2048b6db4fe46d11",
    "rad": "40240f3d502fce52",
    "spade": "eadb7d801f92f970",
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
    names = sorted(build(method).state_dict())
    assert value_digest(names).startswith(NAMES[method]), names


def test_each_image_has_a_score_and_a_map_that_no_other_image_changes(model: Any, images: Tensor) -> None:
    with torch.inference_mode():
        together = model.eval()(images)
        backwards = model(images.flip(0))
        alone = [model(image[None]) for image in images]
    assert together[0].unique().numel() == COUNT
    for which, shape in enumerate([(COUNT,), (COUNT, SIZE, SIZE)]):
        assert (together[which].shape, together[which].dtype) == (shape, torch.float32)
        assert together[which].isfinite().all()
        close = {"rtol": 1e-4, "atol": 1e-6 * together[which].max().item()}
        torch.testing.assert_close(backwards[which].flip(0), together[which], **close)
        torch.testing.assert_close(torch.cat([one[which] for one in alone]), together[which], **close)


def test_each_step_changes_just_the_parameters_of_its_group(trained: Any, batch: Batch) -> None:
    groups = {
        group: {name for name, one in trained.named_parameters() if any(one is other for other in parameters)}
        for group, parameters in trained.train().parameter_groups().items()
    }
    assert all(groups.values())
    reached: set[str] = set()
    for step in trained.training_steps(batch):
        assert step.loss.ndim == 0 and step.loss.isfinite()
        assert all(part.ndim == 0 and not part.isnan() for part in step.parts.values())
        trained.zero_grad(set_to_none=True)
        step.loss.backward(inputs=trained.parameter_groups()[step.group])
        found = {name for name, one in trained.named_parameters() if one.grad is not None and one.grad.any()}
        assert found == groups[step.group]
        reached |= found
    assert reached == {name for name, one in trained.named_parameters() if one.requires_grad}


def test_validation_losses_and_frozen_features_belong_to_their_image(
    trained: Any, images: Tensor, batch: Batch
) -> None:
    with torch.inference_mode():
        losses = trained.eval().validation_loss(batch)
        first = trained.train().frozen_features(images[:1])
    assert losses.shape == (COUNT,) and losses.isfinite().all()
    for one, all_ in zip(first, batch.frozen, strict=True):
        torch.testing.assert_close(one, all_[:1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", TRAINING_FREE)
class TestTrainingFree:
    def test_learning_twice_remembers_the_same(self, method: str) -> None:
        one, other = build(method), build(method)
        before = {name: value.clone() for name, value in one.state_dict().items()}
        for model in (one, other, one):  # a model that has learned forgets it
            learn(model, random_images(6, seed=2))
        first = one.state_dict()
        assert same_tensors(first, other.state_dict()) and first.keys() == before.keys()
        changed = {name for name in first if not torch.equal(first[name], before[name])}
        assert changed == {name for name in first if not name.startswith("features.")}

    def test_the_size_of_the_batches_hardly_changes_what_is_learned(
        self, method: str, images: Tensor
    ) -> None:
        scores = []
        for batch_size in (1, 4, 6):
            model = build(method)
            learn(model, random_images(6, seed=2), batch_size=batch_size)
            with torch.inference_mode():
                scores.append(model(images)[0])
        for other in scores[1:]:
            torch.testing.assert_close(other, scores[0], rtol=1e-3, atol=0)

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
