"""A GAN that draws one picture for all images, or whose discriminator has nothing left to learn, is named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from blemish.errors import BlemishError
from blemish.models.base import Batch
from blemish.models.gan import base
from blemish.models.gan.base import LEAST_SPREAD, to_unit_range
from blemish.training import collapse
from tests.models.gan.support import METHODS, every_method, make_images, seen, train, values
from tests.models.support import build
from tests.support import same_tensors, tiny_training


def spread_of(model: Any, images: Tensor) -> float:
    *_, last = model.training_steps(Batch(images, ()))
    return float(last.parts["spread"])


@every_method
def test_the_spread_compares_how_much_fakes_and_images_vary_over_the_batch(method: str) -> None:
    model, images = seen(method), make_images()
    fakes = values(model.redraw(to_unit_range(images)).images)
    literal = fakes.std(axis=0).mean() / (images.numpy() / 127.5 - 1).std(axis=0).mean()
    assert literal > LEAST_SPREAD
    assert spread_of(model, images) == pytest.approx(literal, rel=1e-3)


def test_one_picture_for_all_images_is_named_unless_they_do_not_vary_either() -> None:
    model, image = build("anotrans"), make_images(1)
    nn.init.zeros_(model.generator.head.colours.weight)
    assert spread_of(model, make_images()) == 0
    assert spread_of(model, image) == spread_of(model, image.expand(4, -1, -1, -1)) == 1
    for method in METHODS:
        one, healthy = ({"spread": spread, "cross_entropy": 1.0} for spread in (0.0, 2 * LEAST_SPREAD))
        assert build(method).after_batch(one) == "the generator draws the same picture for every image"
        assert build(method).after_batch(healthy) == ""


def test_a_last_batch_of_one_image_does_not_hide_a_collapse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collapse, "PATIENCE", 4)
    monkeypatch.setattr(base, "LEAST_SPREAD", 0.5)
    config = tiny_training(epochs=4, batch_size=2, learning_rate=1e-12, select="last")
    with pytest.raises(BlemishError, match="the generator draws the same picture for every image"):
        train(build("anotrans"), tmp_path, config, 5)  # in batches of 2, 2 and 1


@every_method
def test_a_discriminator_with_nothing_left_to_learn_is_named_or_restarted(method: str) -> None:
    low, healthy = ({"spread": 1.0, "cross_entropy": entropy} for entropy in (0.9e-3, 1.1e-3))
    stopping, mending = (
        build(method, restart_discriminator=one, discriminator_floor=1e-3) for one in (False, True)
    )
    before = {name: value.clone() for name, value in stopping.state_dict().items()}
    assert stopping.after_batch(healthy) == mending.after_batch(healthy) == ""
    assert stopping.after_batch(low) == "the discriminator's cross entropy is below 0.001"
    assert same_tensors(stopping.state_dict(), before) and same_tensors(mending.state_dict(), before)
    assert mending.after_batch(low) == ""
    for name, value in mending.named_parameters():
        new = name.startswith("discriminator.") and not name.endswith(".bias")
        assert torch.equal(value, before[name]) is not new, name
    weight = mending.discriminator.pyramid[2].weight
    assert (weight.mean().item(), weight.std().item()) == pytest.approx((0, 0.02), abs=1e-3)


def test_a_model_no_better_than_one_picture_for_all_is_told() -> None:
    learned = np.full((5, 32, 32, 3), 100, np.uint8)
    held_out = learned[:2] + np.uint8(51)  # 0.4 away in [-1, 1]
    model = build("anotrans")
    assert model.remark(learned, held_out, 0.39) == ""
    assert "(error 0.400, 0.400 with their median); train it longer" in model.remark(learned, held_out, 0.4)
