"""What every registered model promises to the training loop, the detector and the exporters."""

import pytest
import torch

from blemish.models.base import AnomalyModel, Batch
from blemish.models.registry import METHODS, config_class, model_class

SIZE, COUNT = 64, 3


@pytest.fixture(scope="module", params=sorted(METHODS))
def model(request: pytest.FixtureRequest) -> AnomalyModel:
    torch.manual_seed(0)
    return model_class(request.param)(config_class(request.param)(), SIZE)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randint(0, 256, (COUNT, 3, SIZE, SIZE), generator=torch.manual_seed(1)).to(torch.uint8)


@pytest.fixture(scope="module")
def batch(model: AnomalyModel, images: torch.Tensor) -> Batch:
    return Batch(images, model.frozen_features(images))


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


def test_each_step_changes_just_the_parameters_of_its_group(model: AnomalyModel, batch: Batch) -> None:
    groups = {
        group: {name for name, one in model.named_parameters() if any(one is other for other in parameters)}
        for group, parameters in model.train().parameter_groups().items()
    }
    assert all(groups.values())
    reached = set()
    for step in model.training_steps(batch):
        assert step.loss.ndim == 0 and step.loss.isfinite()
        assert all(part.ndim == 0 and not part.isnan() for part in step.parts.values())
        model.zero_grad(set_to_none=True)
        step.loss.backward(inputs=model.parameter_groups()[step.group])
        found = {name for name, one in model.named_parameters() if one.grad is not None and one.grad.any()}
        assert found == groups[step.group]
        reached |= found
    assert reached == {name for name, one in model.named_parameters() if one.requires_grad}


def test_one_validation_loss_per_image(model: AnomalyModel, batch: Batch) -> None:
    with torch.inference_mode():
        losses = model.eval().validation_loss(batch)
    assert losses.shape == (COUNT,) and losses.isfinite().all()


def test_frozen_features_belong_to_their_image_and_never_change(
    model: AnomalyModel, images: torch.Tensor, batch: Batch
) -> None:
    with torch.inference_mode():
        first = model.train().frozen_features(images[:1])
    for one, all_ in zip(first, batch.frozen, strict=True):
        torch.testing.assert_close(one, all_[:1], rtol=1e-4, atol=1e-5)


def test_weights_make_the_model(model: AnomalyModel, images: torch.Tensor) -> None:
    method = next(name for name in METHODS if type(model) is model_class(name))
    other = model_class(method)(config_class(method)(), SIZE)
    other.load_state_dict(model.state_dict())
    with torch.inference_mode():
        assert torch.equal(other.eval()(images)[0], model.eval()(images)[0])
