"""The training loop."""

import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from blemish.errors import BlemishError
from blemish.models.base import Batch
from blemish.models.gtrans.model import GTrans
from blemish.models.settings import usual_settings
from blemish.training import cache
from blemish.training.batches import batch_rows
from blemish.training.config import TrainingConfig
from blemish.training.loop import learning_rate
from tests.support import SIZE, log_lines, same_tensors, small_config, textures, tiny_training
from tests.training.support import Scripted, TinyModel, train

IMAGES = textures(11)


def test_the_loss_falls_and_the_log_is_complete(tmp_path: Path) -> None:
    torch.manual_seed(0)
    summary = train(tmp_path, GTrans(small_config().model, (SIZE, SIZE)))  # type: ignore[arg-type]
    log = log_lines(tmp_path / "log.jsonl")
    assert [line["epoch"] for line in log] == [1, 2, 3, 4]
    assert [line["step"] for line in log] == [3, 6, 9, 12]  # 9 images in batches of 4, 4 and 1
    assert log[-1]["losses"]["student"] < 0.8 * log[0]["losses"]["student"]
    assert summary.validation_loss == min(line["validation_loss"] for line in log)
    assert (summary.epochs, summary.processes, summary.precision) == (4, 1, "fp32")
    assert summary.peak_memory_mb > 50 and summary.seconds >= 0


def test_the_learning_rate_falls_by_a_tenth_in_all(tmp_path: Path, rates: list[float]) -> None:
    train(tmp_path, TinyModel(plain=True), learning_rate=1e-3, lr_decay=0.9)
    assert len(rates) == 12
    assert rates[0] == 1e-3
    assert rates[6] == pytest.approx(1e-3 * 0.9**0.5)  # eq. 20 at half of the steps
    assert rates[11] == pytest.approx(1e-3 * 0.9 ** (11 / 12))
    assert [line["learning_rate"] for line in log_lines(tmp_path / "log.jsonl")] == rates[2::3]


def test_one_cycle_is_pytorchs() -> None:
    config = TrainingConfig(learning_rate=0.01, schedule="one-cycle")
    total, expected = 2000, []
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])
    reference = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.01, total_steps=total + 1, pct_start=0.15)
    for _ in range(total):
        expected.append(reference.get_last_lr()[0])
        optimiser.step()
        reference.step()
    rates = [learning_rate(config, step / total) for step in range(total)]
    assert max(rates) == pytest.approx(0.01, rel=1e-4)
    assert np.abs(np.subtract(rates, expected)).max() < 3e-5


def test_the_first_step_is_adam_on_the_mean_loss_of_the_first_batch(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"epochs": 1, "batch_size": 9, "weight_decay": 1e-4, "seed": 2**32 - 1}
    model, trained = TinyModel(plain=True).train(), TinyModel(plain=True)
    train(tmp_path, trained, **fields)
    order = batch_rows(np.arange(9), tiny_training(**fields), 0, 1)
    images = torch.from_numpy(IMAGES[order]).permute(0, 3, 1, 2)
    optimiser = torch.optim.Adam(model.student.parameters(), 0.01, betas=(0.9, 0.999), weight_decay=1e-4)
    loss = model.validation_loss(Batch(images, model.frozen_features(images))).mean()
    loss.backward()
    optimiser.step()
    assert log_lines(tmp_path / "log.jsonl")[0]["losses"]["student"] == pytest.approx(loss.item(), rel=1e-5)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(trained.state_dict()[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("select", "kept"), [("last", 4), ("best", 2)])
def test_the_model_ends_with_the_weights_of_the_epoch_that_select_says(
    select: str, kept: int, tmp_path: Path
) -> None:
    losses = [3.0, 1.0, 2.0, 1.0]
    model = Scripted(losses)
    summary, weights = train(tmp_path, model, select=select), model.state_dict()
    assert (summary.epochs, summary.kept_epoch, summary.validation_loss) == (4, kept, losses[kept - 1])
    assert [line["validation_loss"] for line in log_lines(tmp_path / "log.jsonl")] == losses
    assert [same_tensors(weights, one) for one in model.validated] == [n == kept for n in (1, 2, 3, 4)]
    assert not model.training


def test_validation_counts_each_held_out_image_once(tmp_path: Path) -> None:
    model = TinyModel()
    summary = train(tmp_path, model, learn=4, epochs=1)  # 7 images in batches of 4 and 3
    images = torch.from_numpy(IMAGES[4:]).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = model.validation_loss(Batch(images, model.frozen_features(images))).mean().item()
    assert summary.validation_loss == pytest.approx(expected, rel=1e-5)


def test_teacher_features_in_memory_in_a_file_and_recomputed_train_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    class Counting(TinyModel):
        def frozen_features(self, images: Tensor) -> tuple[Tensor, ...]:
            calls.append(len(images))
            return super().frozen_features(images)

    def run(gigabytes: float, spare: float) -> tuple[int, dict[str, Tensor], list[dict[str, Any]]]:
        """How many features were computed, the weights and the log."""
        calls.clear()
        monkeypatch.setattr(cache, "SPARE_DISK", spare)
        model = Counting()
        train(tmp_path, model, epochs=3, cache_gigabytes=gigabytes)
        assert len(list(tmp_path.iterdir())) == 3, "the file of features has no name"
        return sum(calls), model.state_dict(), log_lines(tmp_path / "log.jsonl")

    cached, from_file, computed = run(4, 1.0), run(0, 0.0), run(0, 1.0)
    assert cached[0] == from_file[0] == 11 + 2  # every image once, and two to learn the size
    assert computed[0] == 3 * 11 + 2
    assert same_tensors(cached[1], from_file[1]) and cached[2] == from_file[2]
    for name, value in computed[1].items():
        torch.testing.assert_close(cached[1][name], value, rtol=1e-5, atol=1e-6)
    for line, cached_line in zip(computed[2], cached[2], strict=True):
        assert line["losses"] == pytest.approx(cached_line["losses"])


def test_runs_of_different_precision_in_one_process_both_get_theirs(tmp_path: Path) -> None:
    runs = []
    for precision in ("fp32", "bf16", "fp32"):
        model = TinyModel()
        assert train(tmp_path, model, precision=precision).precision == precision
        runs.append(model.state_dict())
    assert same_tensors(runs[0], runs[2]) and not same_tensors(runs[0], runs[1])
    assert all(value.dtype != torch.bfloat16 for value in runs[1].values())


def test_each_step_in_bf16_sees_the_weights_of_the_step_before(tmp_path: Path) -> None:
    """Within another autocast, such as the one that `fit` switches off, cast weights would be kept."""
    alone, within = TinyModel(), TinyModel()
    train(tmp_path, alone, precision="bf16")
    with usual_settings():
        train(tmp_path, within, precision="bf16")
    assert same_tensors(alone.state_dict(), within.state_dict())


def test_determinism_is_asked_for_while_training(tmp_path: Path) -> None:
    asked = []

    class Asking(TinyModel):
        def validation_loss(self, batch: Batch) -> Tensor:
            asked.append(torch.are_deterministic_algorithms_enabled())
            return super().validation_loss(batch)

    train(tmp_path, Asking(), epochs=1, deterministic=True)
    assert asked and all(asked) and not torch.are_deterministic_algorithms_enabled()


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


def test_maps_of_one_pixel_join_a_last_batch_of_one_image_unless_it_is_the_only_one(tmp_path: Path) -> None:
    with pytest.raises(BlemishError, match="give more images or a larger frame"):
        train(tmp_path, OnePixel(), count=2, learn=1)
    assert not list(tmp_path.iterdir())
    model = OnePixel()
    train(tmp_path, model)
    assert model.sizes == [4, 5] * 4
    assert [line["step"] for line in log_lines(tmp_path / "log.jsonl")] == [2, 4, 6, 8]


COLLAPSE = pytest.raises(BlemishError, match="collapsed in epoch 2: the loss of validation is nan; ")


@pytest.mark.parametrize(("losses", "end"), [([1.0, 2.0, 3.0], nullcontext()), ([1.0, math.nan], COLLAPSE)])
def test_a_tracker_gets_the_losses_and_is_finished_however_a_run_ends(
    losses: list[float], end: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    tracking = pytest.importorskip("accelerate.tracking")
    finished, finish = [], tracking.TensorBoardTracker.finish
    monkeypatch.setattr(
        tracking.TensorBoardTracker, "finish", lambda self: (finished.append(self.run_name), finish(self))
    )
    with end:
        train(tmp_path, Scripted(losses), epochs=3, tracker="tensorboard")
    assert finished == ["blemish/run"]  # named as the checkpoint
    assert list((tmp_path / "blemish" / "run").rglob("events.out.tfevents.*"))
