"""What the four reconstructing GANs score by and show, against the equations of AnoTrans (ICANN 2022)."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from blemish.models.base import Batch
from blemish.models.gan.base import grad_cam, to_unit_range
from blemish.models.gan.layers import set_batchnorm_at_test
from tests.models.gan.support import CHANNELS, every_latent_method, every_method, make_images, seen, values
from tests.models.support import SIZE, literal_resize
from tests.support import same_tensors


@pytest.mark.parametrize("weight", [0.1, 0.9])
@every_latent_method
def test_the_score_is_eq_9(method: str, weight: float) -> None:
    model = seen(method, score_weight=weight)
    images = make_images(3)
    with torch.inference_mode():
        score, _ = model(images)
        inside = to_unit_range(images)
        fakes = model.redraw(inside).images
        features = [values(model.discriminator(one)[1]) for one in (inside, fakes)]
    pixels = images.numpy().astype(np.float64) / 127.5 - 1
    reconstruction = ((pixels - values(fakes)) ** 2).mean(axis=(1, 2, 3))
    latent = ((features[0] - features[1]) ** 2).mean(axis=1)
    assert reconstruction.min() > 1e-3 and latent.min() > 1e-3
    np.testing.assert_allclose(score.numpy(), weight * reconstruction + (1 - weight) * latent, rtol=1e-4)


@every_method
def test_the_map_is_the_smoothed_squared_error_and_the_validation_loss_the_absolute_one(method: str) -> None:
    model, images = seen(method, sigma=1.5), make_images(3)
    with torch.inference_mode():
        _, maps = model(images)
        losses = model.validation_loss(Batch(images, ()))
        fakes = values(model.redraw(to_unit_range(images)).images)
    error = images.numpy() / 127.5 - 1 - fakes
    np.testing.assert_allclose(losses.numpy(), np.abs(error).mean(axis=(1, 2, 3)), rtol=1e-4)
    for one, own in zip((error**2).mean(axis=1), maps.numpy(), strict=True):
        np.testing.assert_allclose(own, gaussian_filter(one, 1.5), rtol=1e-3, atol=1e-6)


def scores(model: Any, images: Tensor, batch_size: int) -> Tensor:
    with torch.inference_mode():
        return torch.cat([model(part)[0] for part in images.split(batch_size)])


@every_method
def test_scores_depend_on_other_images_where_batchnorm_looks_at_the_batch_alone(method: str) -> None:
    model, images, order = seen(method), make_images(4), torch.tensor([3, 0, 2, 1])
    before = {name: value.clone() for name, value in model.state_dict().items()}
    evaluated = scores(model, images, 2)
    set_batchnorm_at_test(model, "batch")
    pairs, alone = scores(model, images, 2), scores(model, images, 1)
    for other in (scores(model, images, 4), scores(model, images[order], 2)[order.argsort()], evaluated):
        assert ((other - pairs).abs() > 1e-3 * pairs).all()
    set_batchnorm_at_test(model, "instance")
    torch.testing.assert_close(scores(model, images, 4), alone, rtol=1e-4, atol=0)
    torch.testing.assert_close(scores(model, images[order], 2), alone[order], rtol=1e-4, atol=0)
    assert alone.unique().numel() == 4
    assert same_tensors(model.state_dict(), before)


@every_method
def test_an_explanation_shows_the_rounded_reconstruction_and_an_attention_of_its_own(method: str) -> None:
    model, images = seen(method), make_images(3)
    scores(model, images, 3)  # inference mode before must not matter
    pictures, attention = model.explain(images)
    with torch.inference_mode():
        fakes = values(model.redraw(to_unit_range(images)).images)
    exact = np.clip((fakes + 1) * 127.5, 0, 255)
    assert (pictures.shape, pictures.dtype) == ((3, 3, SIZE, SIZE), torch.uint8)
    assert np.abs(pictures.numpy() - exact).max() < 0.501
    assert (attention.shape, attention.dtype) == ((3, SIZE, SIZE), torch.float32)
    assert attention.min() >= 0
    assert [one.amax().item() for one in attention] == [1.0] * 3, "some feature raises each of these scores"
    assert attention.std(dim=(1, 2)).min() > 0.01
    for image, picture, own in zip(images, pictures, attention, strict=True):
        alone = model.explain(image[None])
        assert (alone.reconstruction[0].int() - picture.int()).abs().max() <= 1
        torch.testing.assert_close(alone.attention[0], own, rtol=0, atol=1e-2)


SHAPES = {  # AnoTrans's are tokens, channels last
    "anotrans": (16, 16, CHANNELS),
    "ganomaly": (64, 16, 16),
    "sagan": (64, 32, 32),
    "skip_ganomaly": (64, 16, 16),
}


@every_method
def test_grad_cam_looks_at_fine_features_that_the_output_is_made_of(method: str) -> None:
    model, features = seen(method), []
    model.generator.cam_layer.register_forward_hook(lambda module, given, output: features.append(output))
    redrawn = model.redraw(to_unit_range(make_images(2))).images
    (found,) = features
    assert found.shape == (2, *SHAPES[method])
    (gradient,) = torch.autograd.grad(redrawn.square().sum(), found)
    assert gradient.abs().max() > 0


@every_method
def test_explaining_leaves_nothing_behind(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, images = seen(method), make_images(2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        explanation = model.explain(images)
    assert not explanation.reconstruction.requires_grad and not explanation.attention.requires_grad
    monkeypatch.setattr(model, "score", lambda *_: (_ for _ in ()).throw(RuntimeError("no memory")))
    with pytest.raises(RuntimeError, match="no memory"):
        model.explain(images)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    assert same_tensors(model.state_dict(), before)


@every_method
def test_the_attention_is_grad_cam_of_the_score(method: str) -> None:
    model, images = seen(method), make_images(2)
    layer, features = model.generator.cam_layer, []
    hook = layer.register_forward_hook(lambda module, given, output: features.append(output))
    for image, attention in zip(images, model.explain(images).attention, strict=True):
        features.clear()
        model(image[None])[0].backward(inputs=features)
        (output,) = features
        maps = [output.detach(), output.grad]
        if method == "anotrans":  # tokens, channels last
            maps = [one.permute(0, 3, 1, 2) for one in maps]
        slopes = values(maps[1][0]).mean(axis=(1, 2))
        enlarged = literal_resize(np.maximum(np.tensordot(slopes, values(maps[0][0]), 1), 0), SIZE)
        literal = (enlarged - enlarged.min()) / (enlarged.max() - enlarged.min())
        np.testing.assert_allclose(attention.numpy(), literal, atol=1e-2)
    hook.remove()


def test_grad_cam_is_zero_where_no_feature_raises_the_score() -> None:
    features = torch.rand(2, 6, 4, 4, generator=torch.manual_seed(0))
    slopes = torch.stack([-torch.ones(6, 4, 4), torch.zeros(6, 4, 4)])
    assert not grad_cam(features, slopes, 16).any()
