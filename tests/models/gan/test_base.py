"""What the four reconstructing GANs train on, against the equations of AnoTrans (ICANN 2022)."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from blemish.models.base import Batch
from blemish.models.gan.base import initialise, to_unit_range
from tests.models.gan.support import (
    every_latent_method,
    every_method,
    make_images,
    seen,
    take_steps,
    train,
    values,
)
from tests.models.support import SIZE, build
from tests.support import tiny_training

LOSSES = {"discriminator", "generator", "adversarial", "contextual", "latent", "spread", "cross_entropy"}


def test_the_log_has_all_losses_of_each_batch_and_their_means_for_the_epoch(tmp_path: Path) -> None:
    log = train(build("sagan"), tmp_path, tiny_training(epochs=1), 7)
    *batches, epoch = (json.loads(line) for line in log.read_text().splitlines())
    assert [line["step"] for line in batches] == [1, 2] and (epoch["epoch"], epoch["step"]) == (1, 2)
    for line in (*batches, epoch):
        assert line["losses"].keys() == LOSSES and np.isfinite(list(line["losses"].values())).all()
    for name in LOSSES:
        assert epoch["losses"][name] == pytest.approx(np.mean([one["losses"][name] for one in batches]))


@every_method
def test_the_discriminator_is_changed_twice_and_then_the_generator_by_one_reconstruction(method: str) -> None:
    untouched_model = build(method, d_steps=2)
    untouched = list(untouched_model.training_steps(Batch(make_images(), ())))
    untouched[0].loss.backward()
    assert all(parameter.grad is None for parameter in untouched_model.generator.parameters())
    assert all(parameter.grad.abs().sum() > 0 for parameter in untouched_model.discriminator.parameters())

    model, redrawn = build(method, d_steps=2), []
    model.generator.register_forward_hook(lambda *_: redrawn.append(1))
    first, second, last = take_steps(model, make_images())
    assert [step.group for step in (first, second, last)] == ["discriminator", "discriminator", "generator"]
    assert len(redrawn) == 1
    assert second.parts["cross_entropy"] < first.parts["cross_entropy"] == untouched[0].parts["cross_entropy"]
    assert last.parts["adversarial"] != untouched[-1].parts["adversarial"], "the discriminator has changed"
    assert last.parts["contextual"] == untouched[-1].parts["contextual"]


def literal_generator_losses(model: Any, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Adversarial, contextual and latent loss as the authors' code has them."""
    fakes, codes = model.redraw(images)
    _, real = model.discriminator(images)
    logit, fake = model.discriminator(fakes)
    matching = (real.detach() - fake).square().mean()
    contextual = (images - fakes).abs().mean()
    if codes:  # GANomaly's own: the feature is the adversarial loss, the latent one is between its codes
        return matching, contextual, (codes[0] - codes[1]).square().mean()
    return -logit.sigmoid().log().mean(), contextual, matching


@every_method
def test_each_of_three_losses_reaches_the_generator_once(method: str) -> None:
    names, weights = ("adversarial", "contextual", "latent"), (3, 2, 500)
    fields = {f"{name}_weight": weight for name, weight in zip(names, weights, strict=True)}
    model, images = build(method, d_steps=2, **fields), make_images()
    parameters = list(model.generator.parameters())
    for step in model.training_steps(Batch(images, ())):
        if step.group == "discriminator":
            step.loss.backward()
    given = torch.autograd.grad(step.loss, parameters, materialize_grads=True)
    losses = literal_generator_losses(model, to_unit_range(images))
    literal_loss = 3 * losses[0] + 2 * losses[1] + 500 * losses[2]
    literal = torch.autograd.grad(literal_loss, parameters, materialize_grads=True)
    one, other = (torch.cat([gradient.flatten() for gradient in found]) for found in (given, literal))
    assert other.norm() > 0
    assert (one - other).norm() < 1e-4 * other.norm()
    assert step.loss.item() == pytest.approx(literal_loss.item(), rel=1e-5)
    assert [step.parts[name].item() for name in names] == pytest.approx([one.item() for one in losses])


def images_and_fakes(model: Any) -> tuple[Tensor, Tensor]:
    images = to_unit_range(make_images())
    return images, model.redraw(images).images.detach()


def literal_entropy(model: Any) -> float:
    """Eq. 5: the means over the batch of -log D(x) and -log(1 - D(G(x)))."""
    real, fake = (1 / (1 + np.exp(-values(model.discriminator(one)[0]))) for one in images_and_fakes(model))
    return float(-np.log(real).mean() - np.log(1 - fake).mean())


@pytest.mark.parametrize("latent", [True, False])
@every_latent_method
def test_the_discriminator_minimises_eq_5_and_eq_7_where_it_is_told(method: str, latent: bool) -> None:
    model = seen(method, latent_trains_discriminator=latent, latent_weight=3)
    images, fakes = images_and_fakes(model)
    entropy, loss = model.discriminator_losses(images, fakes)
    assert entropy.item() == pytest.approx(literal_entropy(model), rel=1e-4)
    real, fake = (values(model.discriminator(one)[1]) for one in (images, fakes))
    eq_7 = ((real - fake) ** 2).mean()
    assert eq_7 > 1e-3
    assert loss.item() == pytest.approx(literal_entropy(model) + 3 * eq_7 * latent, rel=1e-4)


def test_the_latent_loss_trains_the_discriminator_by_both_features() -> None:
    model, features = seen("anotrans"), []
    images, fakes = images_and_fakes(model)
    model.discriminator.register_forward_hook(lambda module, given, output: features.append(output[1]))
    entropy, loss = model.discriminator_losses(images, fakes)
    real, fake = torch.autograd.grad(loss - entropy, features)
    assert real.abs().sum() > 0
    torch.testing.assert_close(real, -fake)


def test_ganomalys_discriminator_minimises_half_the_sum_and_nothing_else() -> None:
    model = seen("ganomaly")
    entropy, loss = model.discriminator_losses(*images_and_fakes(model))
    assert loss is entropy
    assert loss.item() == pytest.approx(literal_entropy(model) / 2, rel=1e-4)


@every_method
def test_initial_weights_are_dcgans(method: str) -> None:
    model = build(method)
    drawn = [one for one in model.modules() if isinstance(one, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    norms = [one for one in model.modules() if isinstance(one, nn.BatchNorm2d)]
    assert not any(one.bias.any() for one in drawn + norms if one.bias is not None)
    large = [one.weight for one in drawn if one.weight.numel() > 2000]
    assert len(large) > 5
    assert [weight.std().item() for weight in large] == pytest.approx([0.02] * len(large), rel=0.1)
    assert [weight.mean().item() for weight in large] == pytest.approx([0] * len(large), abs=2e-3)
    scale = torch.cat([one.weight for one in norms])
    assert scale.mean().item() == pytest.approx(1, abs=0.01)
    assert scale.std().item() == pytest.approx(0.02, rel=0.15)


def test_initialising_leaves_positions_and_layer_norms_as_they_are() -> None:
    generator = build("anotrans").generator
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    generator.apply(initialise)
    after = generator.state_dict()
    kept = ("positions", "norm1.weight", "norm2.weight", "relative_position_bias_table")
    same = {name for name in after if name.endswith(kept)}
    assert len(same) > 20 and all(torch.equal(after[name], before[name]) for name in same)
    assert before["embedding.positions"].std().item() == pytest.approx(0.02, rel=0.1)
    changed = {name for name in after if name.endswith(("qkv.weight", "proj.weight", "fuse.weight"))}
    assert changed and not any(torch.equal(after[name], before[name]) for name in changed)


ABLATIONS: list[dict[str, Any]] = [
    {"skip": skip, "attention": attention}
    for skip, attention in product(("sac", "cbam", "identity"), ("window", "global"))
]
ABLATIONS += [{"input_norm": False}, {"patch": 4}, {"patch": 4, "skip": "cbam"}, {"window": 4}]


@pytest.mark.parametrize("fields", ABLATIONS, ids=str)
def test_every_ablation_of_anotrans_trains_and_scores_each_image_alone(fields: dict[str, Any]) -> None:
    model = build("anotrans", **fields)
    before = {name: value.clone() for name, value in model.named_parameters()}
    images = make_images()
    steps = take_steps(model, images)
    assert [step.group for step in steps] == ["discriminator", "discriminator", "generator"]
    assert all(step.loss.isfinite() for step in steps)
    single = "generator.bottom" if fields.get("patch") == 4 else "nothing"  # one token there sees only itself
    unchanged = {name for name, value in model.named_parameters() if torch.equal(value, before[name])}
    assert not {name for name in unchanged if not name.startswith(single) and ".cbam.channel." not in name}
    with torch.inference_mode():
        found, maps = model.eval()(images)
        alone = torch.cat([model(image[None])[0] for image in images])
    assert found.unique().numel() == 4 and maps.shape == (4, SIZE, SIZE) and maps.isfinite().all()
    torch.testing.assert_close(alone, found, rtol=1e-4, atol=0)
    assert model.explain(images).reconstruction.shape == images.shape
