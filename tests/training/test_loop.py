"""The training loop."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import numpy as np
import pytest
import torch
from torch import Tensor

from blemish.errors import BlemishError
from blemish.models.base import Batch, TrainedModel
from blemish.models.gtrans.model import GTrans
from blemish.training import feature_cache
from blemish.training.batches import epoch_order
from blemish.training.config import TrainingConfig
from blemish.training.loop import TrainingSummary, train
from tests.support import SIZE, same_tensors, small_config, textures, tiny_training
from tests.training.support import Scripted, TinyModel

IMAGES = textures(11)
LEARN, HOLD_OUT = np.arange(9), np.arange(9, 11)


class Run:
    """A training in a folder, its summary, and what it left: weights, and the log's lines about epochs."""

    def __init__(
        self,
        folder: Path,
        config: TrainingConfig,
        model: TrainedModel | None = None,
        images: np.ndarray = IMAGES,
        rows: tuple[np.ndarray, np.ndarray] = (LEARN, HOLD_OUT),
    ) -> None:
        model = model or TinyModel()
        files: Any = {"checkpoint": folder / "c", "log": folder / "log.jsonl"}
        self.summary: TrainingSummary = train(model, images, *rows, config, fingerprint="f", **files)
        self.weights = model.state_dict()
        lines = [json.loads(line) for line in files["log"].read_text().splitlines()]
        self.log = [line for line in lines if "epoch" in line]


def small_gtrans() -> GTrans:
    torch.manual_seed(0)
    config = small_config().model
    return GTrans(config, SIZE)  # type: ignore[arg-type]


def test_the_loss_falls_and_the_log_is_complete(tmp_path: Path) -> None:
    run = Run(tmp_path, tiny_training(epochs=4), small_gtrans())
    log, summary = run.log, run.summary
    assert [line["epoch"] for line in log] == [1, 2, 3, 4]
    assert [line["step"] for line in log] == [3, 6, 9, 12]  # 9 images in batches of 4
    assert log[-1]["losses"]["student"] < 0.8 * log[0]["losses"]["student"]
    assert summary.validation_loss == min(line["validation_loss"] for line in log)
    assert all(line["seconds"] >= 0 for line in log)
    assert (summary.epochs, summary.processes, summary.precision) == (4, 1, "fp32")
    assert summary.peak_memory_mb > 50


def test_the_learning_rate_falls_by_a_tenth_in_all(tmp_path: Path, rates: list[float]) -> None:
    log = Run(tmp_path, tiny_training(epochs=4, learning_rate=1e-3, lr_decay=0.9)).log
    assert len(rates) == 12
    assert rates[0] == 1e-3
    assert rates[6] == pytest.approx(1e-3 * 0.9**0.5)  # eq. 20 at half of the steps
    assert rates[11] == pytest.approx(1e-3 * 0.9 ** (11 / 12))
    assert [line["learning_rate"] for line in log] == rates[2::3]


def test_the_first_step_is_adam_on_the_mean_loss_of_the_first_batch(tmp_path: Path) -> None:
    run = Run(tmp_path, tiny_training(epochs=1, batch_size=9, weight_decay=1e-4))
    model = TinyModel().train()
    batch = Batch(torch.from_numpy(IMAGES[epoch_order(LEARN, 0, 0)]).permute(0, 3, 1, 2), ())
    batch = batch._replace(frozen=model.frozen_features(batch.images))
    optimiser = torch.optim.Adam(model.student.parameters(), 0.01, betas=(0.9, 0.999), weight_decay=1e-4)
    torch.manual_seed(0)
    loss = model.validation_loss(batch).mean()
    loss.backward()
    optimiser.step()
    assert run.log[0]["losses"]["student"] == pytest.approx(loss.item(), rel=1e-5)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(run.weights[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("select", "kept"), [("last", 4), ("best", 2)])
def test_the_model_ends_with_the_weights_of_the_epoch_that_select_says(
    select: str, kept: int, tmp_path: Path
) -> None:
    losses = [3.0, 1.0, 2.0, 1.0]
    model = Scripted(losses)
    run = Run(tmp_path, tiny_training(epochs=4, select=select), model)
    assert (run.summary.epochs, run.summary.kept_epoch) == (4, kept)
    assert run.summary.validation_loss == losses[kept - 1]
    assert [line["validation_loss"] for line in run.log] == losses
    assert [same_tensors(run.weights, one) for one in model.validated] == [n == kept for n in (1, 2, 3, 4)]
    assert not model.training


def test_validation_counts_each_held_out_image_once(tmp_path: Path) -> None:
    model = TinyModel()
    hold_out = np.arange(4, 11)  # 7 images in batches of 4 and 3
    log = Run(tmp_path, tiny_training(epochs=1), model, rows=(np.arange(4), hold_out)).log
    images = torch.from_numpy(IMAGES[hold_out]).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = model.validation_loss(Batch(images, model.frozen_features(images))).mean().item()
    assert log[0]["validation_loss"] == pytest.approx(expected, rel=1e-5)


def test_teacher_features_in_memory_in_a_file_and_recomputed_train_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    class Counting(TinyModel):
        def frozen_features(self, images: Tensor) -> tuple[Tensor, ...]:
            calls.append(len(images))
            return super().frozen_features(images)

    cached = Run(tmp_path, tiny_training(), Counting())
    assert sum(calls) == 11 + 2  # every image once, and two to learn the size
    calls.clear()
    files = sorted(tmp_path.iterdir())
    monkeypatch.setattr(feature_cache, "SPARE_DISK", 0.0)
    from_file = Run(tmp_path, tiny_training(cache_gigabytes=0), Counting())
    assert sum(calls) == 11 + 2
    assert sorted(tmp_path.iterdir()) == files  # the file has no name
    assert same_tensors(cached.weights, from_file.weights)
    assert from_file.log == [line | {"seconds": ANY} for line in cached.log]
    calls.clear()
    monkeypatch.setattr(feature_cache, "SPARE_DISK", 1.0)
    computed = Run(tmp_path, tiny_training(cache_gigabytes=0), Counting())
    assert sum(calls) == 3 * 11 + 2
    for name, value in computed.weights.items():
        torch.testing.assert_close(cached.weights[name], value, rtol=1e-5, atol=1e-6)
    for line, cached_line in zip(computed.log, cached.log, strict=True):
        assert line["losses"] == pytest.approx(cached_line["losses"])


def test_memory_mapped_images_train_bit_for_bit_the_same(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "images", np.uint8, "w+", shape=IMAGES.shape)
    mapped[:] = IMAGES
    in_memory, from_file = (Run(tmp_path, tiny_training(), images=images) for images in (IMAGES, mapped))
    assert same_tensors(in_memory.weights, from_file.weights)


def test_a_loss_that_is_no_number_is_named(tmp_path: Path) -> None:
    with pytest.raises(BlemishError, match=r"collapsed in epoch 2: the loss of validation is nan; lower"):
        Run(tmp_path, tiny_training(), Scripted([1.0, float("nan")]))

    class Diverging(TinyModel):
        def validation_loss(self, batch: Batch) -> Tensor:
            return super().validation_loss(batch) * float("inf")

    with pytest.raises(BlemishError, match="epoch 1: the loss student is inf; lower"):
        Run(tmp_path, tiny_training(), Diverging())


def test_runs_of_different_precision_in_one_process_both_get_theirs(tmp_path: Path) -> None:
    fp32, bf16, again = (Run(tmp_path, tiny_training(precision=one)) for one in ("fp32", "bf16", "fp32"))
    assert [run.summary.precision for run in (fp32, bf16, again)] == ["fp32", "bf16", "fp32"]
    assert same_tensors(fp32.weights, again.weights)
    assert not same_tensors(fp32.weights, bf16.weights)
    assert all(value.dtype != torch.bfloat16 for value in bf16.weights.values())


def test_determinism_is_asked_for_while_training(tmp_path: Path) -> None:
    asked = []

    class Asking(TinyModel):
        def validation_loss(self, batch: Batch) -> Tensor:
            asked.append(torch.are_deterministic_algorithms_enabled())
            return super().validation_loss(batch)

    Run(tmp_path, tiny_training(epochs=1, deterministic=True), Asking())
    assert asked and all(asked) and not torch.are_deterministic_algorithms_enabled()


def test_an_epochs_last_batch_may_hold_one_image(tmp_path: Path) -> None:
    run = Run(tmp_path, tiny_training(epochs=1), small_gtrans())  # 9 images: 4, 4 and 1
    assert np.isfinite(run.summary.validation_loss) and run.log[0]["step"] == 3


def test_the_largest_seed_trains(tmp_path: Path) -> None:
    assert len(Run(tmp_path, tiny_training(seed=2**32 - 1)).log) == 3


class OnePixel(TinyModel):
    """Whose maps are single pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        pool = torch.nn.AdaptiveAvgPool2d(1)
        self.teacher = torch.nn.Sequential(self.teacher, pool)  # type: ignore[assignment]
        self.student.insert(1, pool)

    def validation_loss(self, batch: Batch) -> Tensor:
        self.sizes += [len(batch.images)] if self.training else []
        return super().validation_loss(batch)


def test_maps_of_one_pixel_join_a_last_batch_of_one_image(tmp_path: Path) -> None:
    model = OnePixel()
    log = Run(tmp_path, tiny_training(), model).log
    assert model.sizes == [4, 5] * 3
    assert [line["step"] for line in log] == [2, 4, 6]


def test_one_image_with_maps_of_one_pixel_is_told_and_leaves_no_log(tmp_path: Path) -> None:
    with pytest.raises(BlemishError, match="give more images or a larger frame"):
        Run(tmp_path, tiny_training(), OnePixel(), IMAGES[:2], (np.arange(1), np.arange(1, 2)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("losses", [[1.0, 2.0, 3.0], [1.0, float("nan")]])
def test_a_tracker_gets_the_losses_and_is_finished_however_a_run_ends(
    losses: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    tracking = pytest.importorskip("accelerate.tracking")
    finished, finish = [], tracking.TensorBoardTracker.finish
    monkeypatch.setattr(
        tracking.TensorBoardTracker, "finish", lambda self: (finished.append(self.run_name), finish(self))
    )
    with suppress(BlemishError):
        Run(tmp_path, tiny_training(tracker="tensorboard"), Scripted(losses))
    assert finished == ["blemish/c"]  # named as the checkpoint
    assert list((tmp_path / "blemish" / "c").rglob("events.out.tfevents.*"))
