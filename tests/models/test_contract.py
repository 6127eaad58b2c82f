"""What every registered model promises to the training loop, the detector and the exporters."""

from collections.abc import Iterator

import pytest
import torch

from blemish.models.base import AnomalyModel, Batch, TrainedModel, TrainingFreeModel
from blemish.models.registry import METHODS, config_class, model_class

SIZE, COUNT = 64, 3
TRAINED = [name for name in sorted(METHODS) if issubclass(model_class(name), TrainedModel)]
TRAINING_FREE = [name for name in sorted(METHODS) if issubclass(model_class(name), TrainingFreeModel)]


def build(method: str) -> AnomalyModel:
    torch.manual_seed(0)
    return model_class(method)(config_class(method)(), SIZE)


def random_images(count: int, seed: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, SIZE, SIZE), generator=torch.manual_seed(seed)).to(torch.uint8)


def learn(model: TrainingFreeModel, images: torch.Tensor, *, batch_size: int = 4, seed: int = 0) -> None:
    def batches() -> Iterator[torch.Tensor]:
        yield from images.split(batch_size)

    model.eval().learn(batches, len(images), seed)


@pytest.fixture(scope="module", params=sorted(METHODS))
def model(request: pytest.FixtureRequest) -> AnomalyModel:
    model = build(request.param)
    if isinstance(model, TrainingFreeModel):
        learn(model, random_images(6, seed=2))
    return model


@pytest.fixture(scope="module", params=TRAINED)
def trained(request: pytest.FixtureRequest) -> TrainedModel:
    model = build(request.param)
    assert isinstance(model, TrainedModel)
    return model


@pytest.fixture(scope="module", params=TRAINING_FREE)
def training_free(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return random_images(COUNT, seed=1)


@pytest.fixture(scope="module")
def batch(trained: TrainedModel, images: torch.Tensor) -> Batch:
    return Batch(images, trained.frozen_features(images))


def test_every_method_is_trained_or_training_free() -> None:
    assert sorted(TRAINED + TRAINING_FREE) == sorted(METHODS)


def test_a_score_and_a_map_for_each_image(model: AnomalyModel, images: torch.Tensor) -> None:
    with torch.inference_mode():
        score, anomaly_map = model.eval()(images)
    assert (score.shape, score.dtype) == ((COUNT,), torch.float32)
    assert (anomaly_map.shape, anomaly_map.dtype) == ((COUNT, SIZE, SIZE), torch.float32)
    assert score.isfinite().all() and anomaly_map.isfinite().all()


def test_no_image_changes_anothers_score(model: AnomalyModel, images: torch.Tensor) -> None:
    with torch.inference_mode():
        together, _ = model.eval()(images)
        reversed_, _ = model(images.flip(0))
        alone = torch.cat([model(image[None])[0] for image in images])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=0)
    torch.testing.assert_close(reversed_.flip(0), together, rtol=1e-4, atol=0)


def test_each_step_changes_just_the_parameters_of_its_group(trained: TrainedModel, batch: Batch) -> None:
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


def test_one_validation_loss_per_image(trained: TrainedModel, batch: Batch) -> None:
    with torch.inference_mode():
        losses = trained.eval().validation_loss(batch)
    assert losses.shape == (COUNT,) and losses.isfinite().all()


def test_frozen_features_belong_to_their_image_and_never_change(
    trained: TrainedModel, images: torch.Tensor, batch: Batch
) -> None:
    with torch.inference_mode():
        first = trained.train().frozen_features(images[:1])
    for one, all_ in zip(first, batch.frozen, strict=True):
        torch.testing.assert_close(one, all_[:1], rtol=1e-4, atol=1e-5)


def test_weights_make_the_model(model: AnomalyModel, images: torch.Tensor) -> None:
    method = next(name for name in METHODS if type(model) is model_class(name))
    other = model_class(method)(config_class(method)(), SIZE)
    if isinstance(other, TrainingFreeModel):
        other.resize_state({name: value.shape for name, value in model.state_dict().items()})
    other.load_state_dict(model.state_dict())
    with torch.inference_mode():
        assert torch.equal(other.eval()(images)[0], model.eval()(images)[0])


def test_learning_twice_remembers_the_same(training_free: str) -> None:
    one, other = build(training_free), build(training_free)
    assert isinstance(one, TrainingFreeModel) and isinstance(other, TrainingFreeModel)
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
    training_free: str, images: torch.Tensor
) -> None:
    scores = []
    for batch_size in (1, 4, 6):
        model = build(training_free)
        assert isinstance(model, TrainingFreeModel)
        learn(model, random_images(6, seed=2), batch_size=batch_size)
        with torch.inference_mode():
            scores.append(model(images)[0])
    torch.testing.assert_close(scores[1], scores[0], rtol=1e-3, atol=0)
    torch.testing.assert_close(scores[2], scores[0], rtol=1e-3, atol=0)


@pytest.mark.parametrize("count", [1, 2])
def test_one_image_is_enough_to_learn_from(training_free: str, count: int, images: torch.Tensor) -> None:
    model = build(training_free)
    assert isinstance(model, TrainingFreeModel)
    known = random_images(count, seed=2)
    learn(model, known)
    with torch.inference_mode():
        score, anomaly_map = model(torch.cat([known, images]))
    assert score.isfinite().all() and anomaly_map.isfinite().all()
    assert score[:count].max() < score[count:].min()


def test_nothing_of_a_training_free_model_is_trained(training_free: str) -> None:
    assert not any(parameter.requires_grad for parameter in build(training_free).parameters())
    assert not any(module.training for module in build(training_free).train().features.modules())  # type: ignore[union-attr]
