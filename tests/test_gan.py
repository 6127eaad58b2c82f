"""What the four reconstructing GANs train on and score by, against the equations of AnoTrans (ICANN 2022)."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from blemish import training
from blemish.config import TrainingConfig
from blemish.errors import BlemishError
from blemish.models import gan
from blemish.models.base import Batch, Step, images_to_tensor
from blemish.models.batchnorm import set_batchnorm_at_test
from blemish.models.gan import LEAST_SPREAD, initialise, to_unit_range
from blemish.models.gradcam import grad_cam
from blemish.models.registry import config_class, model_class
from helpers import textures, tiny_training

SIZE = 32
METHODS = ("anotrans", "ganomaly", "sagan", "skip_ganomaly")
LATENT = ("anotrans", "sagan", "skip_ganomaly")
SMALL = {"anotrans": {"channels": 16, "heads": 2}}

every_method = pytest.mark.parametrize("method", METHODS)
every_latent_method = pytest.mark.parametrize("method", LATENT)


def make(method: str, **fields: Any) -> Any:
    """A model with its initial weights, in train mode."""
    torch.manual_seed(0)
    return model_class(method)(config_class(method)(**(SMALL.get(method, {}) | fields)), SIZE)


def seen(method: str, **fields: Any) -> Any:
    """A model in eval mode that tells images apart, with running statistics of others."""
    model = make(method, **fields)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, std=0.08)
        elif isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # the statistics of the last batch
    images = to_unit_range(make_images(4, seed=7))
    with torch.no_grad():
        model.discriminator(model.redraw(images).images)
    return model.eval()


def make_images(count: int = 4, seed: int = 0) -> Tensor:
    return images_to_tensor(textures(count, seed, SIZE))


def batch_of(images: Tensor) -> Batch:
    return Batch(images, ())


def take_steps(model: Any, images: Tensor) -> list[Step]:
    """All steps of one batch, each made with Adam before the next is asked for."""
    adams = {name: torch.optim.Adam(group, 1e-3) for name, group in model.parameter_groups().items()}
    steps = []
    for step in model.training_steps(batch_of(images)):
        parameters = model.parameter_groups()[step.group]
        adams[step.group].zero_grad()
        step.loss.backward(inputs=parameters)
        adams[step.group].step()
        steps.append(step)
    return steps


def train(model: Any, folder: Path, config: TrainingConfig, count: int) -> None:
    """Learn from `count` images, with one more held out."""
    training.train(
        model,
        textures(count + 1, size=SIZE),
        np.arange(count),
        np.arange(count, count + 1),
        config,
        checkpoint=folder / "c",
        log=folder / "log.jsonl",
        fingerprint="f",
        quiet=True,
    )


def fakes_and_codes(model: Any, images: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Straight from the generator."""
    output = model.generator(images)
    return (output[0], output[1:]) if isinstance(output, tuple) else (output, ())


def values(tensor: Tensor) -> np.ndarray:
    """As float64, for literal computations."""
    return tensor.detach().numpy().astype(np.float64)


@every_method
def test_a_batch_changes_the_discriminator_twice_and_then_the_generator_once(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(method, d_steps=2)
    owner = {id(one): name for name, group in model.parameter_groups().items() for one in group}
    changed: list[str] = []
    forwards: list[bool] = []
    step = torch.optim.Adam.step

    def spy(self: torch.optim.Adam, *arguments: Any) -> Any:
        changed.append(owner[id(self.param_groups[0]["params"][0])])
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.Adam, "step", spy)
    monkeypatch.setattr(training, "save_checkpoint", lambda *_: None)
    model.generator.register_forward_hook(lambda *_: forwards.append(model.training))
    train(model, tmp_path, tiny_training(epochs=1, batch_size=2, select="last"), 4)
    assert changed == ["discriminator", "discriminator", "generator"] * 2
    assert forwards == [True, True, False], "one reconstruction for each batch, and one to validate"


@every_method
def test_the_later_losses_see_the_changed_discriminator(method: str) -> None:
    first, second, last = take_steps(make(method, d_steps=2), make_images())
    assert second.parts["cross_entropy"] < first.parts["cross_entropy"]
    untouched = list(make(method, d_steps=2).training_steps(batch_of(make_images())))
    assert last.parts["adversarial"] != untouched[-1].parts["adversarial"]
    assert last.parts["contextual"] == untouched[-1].parts["contextual"]


@every_method
def test_the_discriminators_loss_does_not_reach_the_generator(method: str) -> None:
    model = make(method)
    next(model.training_steps(batch_of(make_images()))).loss.backward()
    assert all(parameter.grad is None for parameter in model.generator.parameters())
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.discriminator.parameters())


@every_method
def test_the_real_features_carry_no_gradient_in_the_generators_losses(method: str) -> None:
    model = make(method)
    images = to_unit_range(make_images())
    redrawn = model.redraw(images)
    features: list[Tensor] = []
    model.discriminator.register_forward_hook(lambda module, given, output: features.append(output[1]))
    model.generator_losses(images.requires_grad_(), redrawn)
    real, fake = features
    assert not real.requires_grad and fake.requires_grad


def literal_generator_losses(model: Any, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Adversarial, contextual and latent loss as the authors' code has them."""
    fakes, codes = fakes_and_codes(model, images)
    _, real = model.discriminator(images)
    logit, fake = model.discriminator(fakes)
    matching = (real.detach() - fake).square().mean()
    contextual = (images - fakes).abs().mean()
    if codes:  # GANomaly's own: the feature is the adversarial loss, the latent one is between its codes
        return matching, contextual, (codes[0] - codes[1]).square().mean()
    return -logit.sigmoid().log().mean(), contextual, matching


@pytest.mark.parametrize("weights", [(1, 50, 1), (0, 0, 1), (3, 2, 500)], ids=str)
@every_method
def test_each_of_three_losses_reaches_the_generator_once(
    method: str, weights: tuple[float, float, float]
) -> None:
    adversarial, contextual, latent = weights
    model = make(
        method, adversarial_weight=adversarial, contextual_weight=contextual, latent_weight=latent, d_steps=2
    )
    images = make_images()
    parameters = list(model.generator.parameters())
    for step in model.training_steps(batch_of(images)):
        if step.group == "discriminator":
            step.loss.backward()
    given = torch.autograd.grad(step.loss, parameters, materialize_grads=True)
    losses = literal_generator_losses(model, to_unit_range(images))
    literal_loss = sum(weight * loss for weight, loss in zip(weights, losses, strict=True))
    literal = torch.autograd.grad(literal_loss, parameters, materialize_grads=True)  # type: ignore[arg-type]
    one, other = (torch.cat([gradient.flatten() for gradient in found]) for found in (given, literal))
    assert other.norm() > 0
    assert (one - other).norm() < 1e-4 * other.norm()
    assert step.loss.item() == pytest.approx(literal_loss.item(), rel=1e-5)  # type: ignore[union-attr]
    names = ("adversarial", "contextual", "latent")
    assert [step.parts[name].item() for name in names] == pytest.approx([one.item() for one in losses])


def test_the_papers_weights_are_the_defaults() -> None:
    for method in METHODS:
        config: Any = config_class(method)()
        assert (config.adversarial_weight, config.contextual_weight, config.latent_weight) == (1, 50, 1)
        assert config.d_steps == (2 if method == "anotrans" else 1)
        assert config.restart_discriminator is (method != "anotrans")


def literal_entropies(model: Any, images: Tensor, fakes: Tensor) -> tuple[float, float]:
    """-log D(x) and -log(1 - D(G(x))), the two terms of eq. 5, as means over the batch."""
    real, fake = (1 / (1 + np.exp(-values(model.discriminator(one)[0]))) for one in (images, fakes))
    return float(-np.log(real).mean()), float(-np.log(1 - fake).mean())


@pytest.mark.parametrize("latent", [True, False])
@every_latent_method
def test_the_discriminator_minimises_eq_5_and_eq_7_where_it_is_told(method: str, latent: bool) -> None:
    model = seen(method, latent_trains_discriminator=latent, latent_weight=3)
    images = to_unit_range(make_images())
    fakes = model.redraw(images).images.detach()
    entropy, loss = model.discriminator_losses(images, fakes)
    literal = sum(literal_entropies(model, images, fakes))
    assert entropy.item() == pytest.approx(literal, rel=1e-4)
    real, fake = (values(model.discriminator(one)[1]) for one in (images, fakes))
    eq_7 = ((real - fake) ** 2).mean()
    assert eq_7 > 1e-3
    assert loss.item() == pytest.approx(literal + 3 * eq_7 * latent, rel=1e-4)


def test_the_latent_loss_trains_the_discriminator_by_both_features() -> None:
    model = seen("anotrans")
    images = to_unit_range(make_images())
    fakes = model.redraw(images).images.detach()
    features: list[Tensor] = []
    model.discriminator.register_forward_hook(lambda module, given, output: features.append(output[1]))
    entropy, loss = model.discriminator_losses(images, fakes)
    real, fake = torch.autograd.grad(loss - entropy, features)
    assert real.abs().sum() > 0
    torch.testing.assert_close(real, -fake)


def test_ganomalys_discriminator_minimises_half_the_sum_and_nothing_else() -> None:
    model = seen("ganomaly")
    images = to_unit_range(make_images())
    fakes = model.redraw(images).images.detach()
    entropy, loss = model.discriminator_losses(images, fakes)
    assert loss is entropy
    assert loss.item() == pytest.approx(sum(literal_entropies(model, images, fakes)) / 2, rel=1e-4)


def test_ganomaly_matches_the_features_before_the_last_convolution() -> None:
    model = seen("ganomaly")
    images = to_unit_range(make_images())
    redrawn = model.redraw(images)
    adversarial, latent = model.generator_losses(images, redrawn)
    real, fake = (values(model.discriminator.pyramid(one)) for one in (images, redrawn.images))
    assert real.shape == (4, 256, 4, 4)
    assert adversarial.item() == pytest.approx(((real - fake) ** 2).mean(), rel=1e-4)
    code, again = map(values, redrawn.codes)
    assert latent.item() == pytest.approx(((code - again) ** 2).mean(), rel=1e-4)


@pytest.mark.parametrize("weight", [0.0, 0.1, 0.9, 1.0])
@every_latent_method
def test_the_score_is_eq_9(method: str, weight: float) -> None:
    model = seen(method, score_weight=weight)
    images = make_images(3)
    with torch.inference_mode():
        score, _ = model(images)
        inside = to_unit_range(images)
        fakes, _ = fakes_and_codes(model, inside)
        features = [values(model.discriminator(one)[1]) for one in (inside, fakes)]
    pixels = images.numpy().astype(np.float64) / 127.5 - 1
    reconstruction = ((pixels - values(fakes)) ** 2).mean(axis=(1, 2, 3))
    latent = ((features[0] - features[1]) ** 2).mean(axis=1)
    assert reconstruction.min() > 1e-3 and latent.min() > 1e-3
    np.testing.assert_allclose(score.numpy(), weight * reconstruction + (1 - weight) * latent, rtol=1e-4)


def test_ganomalys_score_is_the_distance_of_its_two_codes_alone() -> None:
    model = seen("ganomaly")
    images = make_images(3)
    with torch.inference_mode():
        score, _ = model(images)
        _, (code, again) = fakes_and_codes(model, to_unit_range(images))
    np.testing.assert_allclose(score.numpy(), ((values(code) - values(again)) ** 2).mean(axis=1), rtol=1e-4)


@pytest.mark.parametrize("sigma", [1.5, 4.0])
@every_method
def test_the_map_is_the_smoothed_mean_squared_error_of_the_colours(method: str, sigma: float) -> None:
    model = seen(method, sigma=sigma)
    images = make_images(2)
    with torch.inference_mode():
        _, maps = model(images)
        fakes = values(model.redraw(to_unit_range(images)).images)
    error = ((images.numpy() / 127.5 - 1 - fakes) ** 2).mean(axis=1)
    for one, own in zip(error, maps.numpy(), strict=True):
        np.testing.assert_allclose(own, gaussian_filter(one, sigma), rtol=1e-3, atol=1e-6)


@every_method
def test_the_validation_loss_is_the_mean_absolute_error_of_each_image(method: str) -> None:
    model = seen(method)
    images = make_images(3)
    with torch.inference_mode():
        losses = model.validation_loss(batch_of(images))
        fakes = values(model.redraw(to_unit_range(images)).images)
    literal = np.abs(images.numpy() / 127.5 - 1 - fakes).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(losses.numpy(), literal, rtol=1e-4)


def spread_of(model: Any, images: Tensor) -> float:
    *_, last = model.training_steps(batch_of(images))
    return float(last.parts["spread"])


@every_method
def test_the_spread_compares_how_much_fakes_and_images_vary_over_the_batch(method: str) -> None:
    model, images = seen(method), make_images()
    fakes = values(model.redraw(to_unit_range(images)).images)
    literal = fakes.std(axis=0).mean() / (images.numpy() / 127.5 - 1).std(axis=0).mean()
    assert literal > LEAST_SPREAD
    assert spread_of(model, images) == pytest.approx(literal, rel=1e-3)


@every_method
def test_images_that_do_not_vary_are_no_collapse(method: str) -> None:
    image = make_images(1)
    for images in (image, image.expand(4, -1, -1, -1)):
        model = make(method)
        assert spread_of(model, images) == 1.0
        assert model.after_batch({"spread": 1.0, "cross_entropy": 1.0}) == ""


def test_one_picture_for_all_images_is_named() -> None:
    model = make("anotrans")
    nn.init.zeros_(model.generator.head.colours.weight)
    spread = spread_of(model, make_images())
    assert spread == 0
    for method in METHODS:
        losses = {"spread": spread, "cross_entropy": 1.0}
        assert make(method).after_batch(losses) == "the generator draws the same picture for every image"
        assert make(method).after_batch(losses | {"spread": 2 * LEAST_SPREAD}) == ""


def test_a_last_batch_of_one_image_does_not_hide_a_collapse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "PATIENCE", 4)
    monkeypatch.setattr(gan, "LEAST_SPREAD", 0.5)
    config = tiny_training(epochs=4, batch_size=2, learning_rate=1e-12, select="last")
    with pytest.raises(BlemishError, match="the generator draws the same picture for every image"):
        train(make("anotrans"), tmp_path, config, 5)  # in batches of 2, 2 and 1


@every_method
def test_a_discriminator_with_nothing_left_to_learn_is_named_or_restarted(method: str) -> None:
    low, healthy = ({"spread": 1.0, "cross_entropy": entropy} for entropy in (0.9e-3, 1.1e-3))
    stopping = make(method, restart_discriminator=False, discriminator_floor=1e-3)
    before = {name: value.clone() for name, value in stopping.state_dict().items()}
    assert stopping.after_batch(healthy) == ""
    assert stopping.after_batch(low) == "the discriminator's cross entropy is below 0.001"
    assert all(torch.equal(value, before[name]) for name, value in stopping.state_dict().items())

    mending = make(method, restart_discriminator=True, discriminator_floor=1e-3)
    assert mending.after_batch(healthy) == ""
    assert all(torch.equal(value, before[name]) for name, value in mending.state_dict().items())
    assert mending.after_batch(low) == ""
    for name, value in mending.named_parameters():
        new = name.startswith("discriminator.") and not name.endswith(".bias")
        assert torch.equal(value, before[name]) is not new, name
    weight = mending.discriminator.pyramid[2].weight
    assert (weight.mean().item(), weight.std().item()) == pytest.approx((0, 0.02), abs=1e-3)


def scores(model: Any, images: Tensor, batch_size: int) -> Tensor:
    with torch.inference_mode():
        return torch.cat([model(part)[0] for part in images.split(batch_size)])


@pytest.mark.parametrize("at_test", ["eval", "instance"])
@every_method
def test_scores_depend_neither_on_the_batch_size_nor_on_the_order(method: str, at_test: str) -> None:
    model = seen(method, batchnorm_at_test=at_test)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images, order = make_images(5), torch.tensor([3, 0, 4, 1, 2])
    together = scores(model, images, 5)
    assert together.unique().numel() == 5
    torch.testing.assert_close(scores(model, images, 1), together, rtol=1e-4, atol=0)
    torch.testing.assert_close(scores(model, images[order], 2), together[order], rtol=1e-4, atol=0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@every_method
def test_batch_statistics_make_scores_depend_on_both(method: str) -> None:
    model = seen(method)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    evaluated = scores(model, make_images(4), 2)
    set_batchnorm_at_test(model, "batch")
    images, order = make_images(4), torch.tensor([3, 0, 2, 1])
    pairs = scores(model, images, 2)
    for other in (scores(model, images, 4), scores(model, images[order], 2)[order.argsort()], evaluated):
        assert ((other - pairs).abs() > 1e-3 * pairs).all()
    alone = scores(model, images, 1)
    set_batchnorm_at_test(model, "instance")
    torch.testing.assert_close(scores(model, images, 4), alone, rtol=1e-4, atol=0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


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
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


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
        literal = literal_grad_cam(values(maps[0][0]), values(maps[1][0]), SIZE)
        np.testing.assert_allclose(attention.numpy(), literal, atol=1e-2)
    hook.remove()


def enlarge(image: np.ndarray, size: int) -> np.ndarray:
    """Bilinear, with the pixels' centres in place and the border repeated."""
    side = len(image)
    places = np.clip((np.arange(size) + 0.5) * side / size - 0.5, 0, side - 1)
    rows = np.array([np.interp(places, np.arange(side), row) for row in image])
    return np.array([np.interp(places, np.arange(side), column) for column in rows.T]).T


def literal_grad_cam(features: np.ndarray, gradient: np.ndarray, size: int) -> np.ndarray:
    """Of one image, [C, h, w]."""
    weighted = np.zeros(features.shape[1:])
    for channel, slope in zip(features, gradient, strict=True):
        weighted += slope.mean() * channel
    enlarged = enlarge(np.maximum(weighted, 0), size)
    return np.asarray((enlarged - enlarged.min()) / (enlarged.max() - enlarged.min()))


@pytest.mark.parametrize(("side", "size"), [(4, 16), (8, 8), (5, 12)])
def test_grad_cam_is_the_papers(side: int, size: int) -> None:
    generator = torch.manual_seed(0)
    features, gradient = torch.randn(2, 3, 6, side, side, generator=generator)
    scales = torch.tensor([1.0, 1e-6, 1e6])[:, None, None, None]  # of the score's, which must not matter
    maps = grad_cam(features, gradient * scales, size)
    for own, feature, slope in zip(maps, features, gradient, strict=True):
        literal = literal_grad_cam(values(feature), values(slope), size)
        assert literal.max() == 1
        np.testing.assert_allclose(own.numpy(), literal, atol=1e-5)


def test_grad_cam_is_zero_where_no_feature_raises_the_score() -> None:
    features = torch.rand(2, 6, 4, 4, generator=torch.manual_seed(0))
    slopes = torch.stack([-torch.ones(6, 4, 4), torch.zeros(6, 4, 4)])
    assert not grad_cam(features, slopes, 16).any()


@every_method
def test_initial_weights_are_dcgans(method: str) -> None:
    model = make(method)
    weights: list[Tensor] = []
    scales: list[Tensor] = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            weights.append(module.weight.flatten())
        elif isinstance(module, nn.BatchNorm2d):
            scales.append(module.weight)
        else:
            continue
        assert module.bias is None or not module.bias.any()
    for network in (model.generator, model.discriminator):
        assert any(isinstance(module, nn.Conv2d) for module in network.modules())
    large = [weight for weight in weights if len(weight) > 2000]
    assert len(large) > 5
    assert [weight.std().item() for weight in large] == pytest.approx([0.02] * len(large), rel=0.1)
    assert [weight.mean().item() for weight in large] == pytest.approx([0] * len(large), abs=2e-3)
    scale = torch.cat(scales)
    assert scale.mean().item() == pytest.approx(1, abs=0.01)
    assert scale.std().item() == pytest.approx(0.02, rel=0.15)


def test_initialising_leaves_positions_and_layer_norms_as_they_are() -> None:
    model = make("anotrans")
    kept = ("positions", "norm.weight", "norm1.weight", "norm2.weight", "relative_position_bias_table")
    before = {name: value.clone() for name, value in model.generator.state_dict().items()}
    model.apply(initialise)
    after = model.generator.state_dict()
    same = {name for name in after if name.endswith(kept) and "input_norm" not in name}
    assert {name.rpartition(".")[2] for name in same} >= {"positions", "weight"}
    assert len(same) > 20 and all(torch.equal(after[name], before[name]) for name in same)
    assert before["embedding.positions"].std().item() == pytest.approx(0.02, rel=0.1)
    changed = {name for name in after if name.endswith(("qkv.weight", "proj.weight", "fuse.weight"))}
    assert changed and not any(torch.equal(after[name], before[name]) for name in changed)


@pytest.mark.parametrize(
    ("skip", "attention", "input_norm", "patch"),
    list(product(("sac", "cbam", "identity"), ("window", "global"), (True, False), (2, 4))),
)
def test_every_ablation_of_anotrans_trains_and_scores(
    skip: str, attention: str, input_norm: bool, patch: int
) -> None:
    model = make("anotrans", skip=skip, attention=attention, input_norm=input_norm, patch=patch)
    before = {name: value.clone() for name, value in model.named_parameters()}
    images = make_images()
    steps = take_steps(model, images)
    assert [step.group for step in steps] == ["discriminator", "discriminator", "generator"]
    assert all(step.loss.isfinite() for step in steps)
    single = "generator.bottom" if patch == 4 else "nothing"  # one token there attends to itself whatever
    unchanged = {name for name, value in model.named_parameters() if torch.equal(value, before[name])}
    assert not {name for name in unchanged if not name.startswith(single) and ".cbam.channel." not in name}
    with torch.inference_mode():
        found, maps = model.eval()(images)
    assert found.unique().numel() == 4 and maps.shape == (4, SIZE, SIZE) and maps.isfinite().all()
    assert model.explain(images).reconstruction.shape == images.shape


def test_a_model_no_better_than_one_picture_for_all_is_told() -> None:
    learned = np.full((5, 32, 32, 3), 100, np.uint8)
    held_out = learned[:2] + np.uint8(51)  # 0.4 away in [-1, 1]
    model = make("anotrans")
    assert model.remark(learned, held_out, 0.39) == ""
    assert "(error 0.400, 0.400 with their median); train it longer" in model.remark(learned, held_out, 0.4)
