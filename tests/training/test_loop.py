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
from blemish.training import feature_cache, machine
from blemish.training.batches import count_batches, epoch_order, process_share, split_indices
from blemish.training.config import TrainingConfig
from blemish.training.loop import TrainingSummary, train
from tests.support import SIZE, TinyModel, log_lines, same_tensors, small_config, textures, tiny_training

IMAGES = textures(11)
LEARN, HOLD_OUT = np.arange(9), np.arange(9, 11)
WEIGHTS = dict[str, Tensor]


def run(
    folder: Path, config: TrainingConfig, model: TrainedModel | None = None, images: np.ndarray = IMAGES
) -> tuple["WeightsAndSummary", list[dict[str, Any]]]:
    """Train; the weights with the summary, and the log's lines."""
    model = model or TinyModel()
    log = folder / "log.jsonl"
    summary = train(
        model, images, LEARN, HOLD_OUT, config, checkpoint=folder / "c", log=log, fingerprint="f", quiet=True
    )
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return (model.state_dict(), summary), [line for line in lines if "epoch" in line]


WeightsAndSummary = tuple[WEIGHTS, TrainingSummary]


def small_gtrans() -> GTrans:
    torch.manual_seed(0)
    config = small_config().model
    return GTrans(config, SIZE)  # type: ignore[arg-type]


def test_the_loss_falls_and_the_log_is_complete(tmp_path: Path) -> None:
    (_, summary), log = run(tmp_path, tiny_training(epochs=4), small_gtrans())
    assert [line["epoch"] for line in log] == [1, 2, 3, 4]
    assert [line["step"] for line in log] == [3, 6, 9, 12]  # 9 images in batches of 4
    assert log[-1]["losses"]["student"] < 0.8 * log[0]["losses"]["student"]
    assert summary.validation_loss == min(line["validation_loss"] for line in log)
    assert all(line["seconds"] >= 0 for line in log)
    assert (summary.epochs, summary.processes, summary.precision) == (4, 1, "fp32")
    assert summary.peak_memory_mb > 50


def test_the_learning_rate_falls_by_a_tenth_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = []
    step = torch.optim.Adam.step

    def spy(self: torch.optim.Adam, *arguments: Any) -> Any:
        rates.append(self.param_groups[0]["lr"])
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.Adam, "step", spy)
    _, log = run(tmp_path, tiny_training(epochs=4, learning_rate=1e-3))
    assert len(rates) == 12
    assert rates[0] == 1e-3
    assert rates[6] == pytest.approx(1e-3 * 0.9**0.5)  # eq. 20 at half of the steps
    assert rates[11] == pytest.approx(1e-3 * 0.9 ** (11 / 12))
    assert [line["learning_rate"] for line in log] == rates[2::3]


def test_the_first_step_is_adam_on_the_mean_loss_of_the_first_batch(tmp_path: Path) -> None:
    config = tiny_training(epochs=1, batch_size=9)
    (weights, _), log = run(tmp_path, config)
    model = TinyModel().train()
    batch = Batch(torch.from_numpy(IMAGES[epoch_order(LEARN, 0, 0)]).permute(0, 3, 1, 2), ())
    batch = batch._replace(frozen=model.frozen_features(batch.images))
    optimiser = torch.optim.Adam(model.student.parameters(), 0.01, betas=(0.9, 0.999), weight_decay=1e-4)
    torch.manual_seed(0)
    loss = model.validation_loss(batch).mean()
    loss.backward()
    optimiser.step()
    assert log[0]["losses"]["student"] == pytest.approx(loss.item(), rel=1e-5)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(weights[name], value, rtol=1e-4, atol=1e-5)


class Forgetful(TinyModel):
    """Whose validation loss is told by a script, and which notes its weights whenever it validates."""

    def __init__(self, script: list[float]) -> None:
        super().__init__()
        self.script, self.seen = list(script), []

    def validation_loss(self, batch: Batch) -> Tensor:
        if self.training:
            return super().validation_loss(batch)
        self.seen.append({name: value.clone() for name, value in self.state_dict().items()})
        return torch.full((len(batch.images),), self.script.pop(0))


def test_the_model_ends_with_the_weights_of_the_best_epoch(tmp_path: Path) -> None:
    model = Forgetful([3.0, 1.0, 2.0, 1.0])
    (weights, summary), log = run(tmp_path, tiny_training(epochs=4), model)
    assert (summary.kept_epoch, summary.validation_loss) == (2, 1.0)
    assert [line["validation_loss"] for line in log] == [3.0, 1.0, 2.0, 1.0]
    assert same_tensors(weights, model.seen[1])
    assert not same_tensors(weights, model.seen[3])
    assert not model.training


def test_validation_counts_each_held_out_image_once(tmp_path: Path) -> None:
    model = TinyModel()
    log = tmp_path / "log.jsonl"
    hold_out = np.arange(4, 11)  # 7 images in batches of 4 and 3
    config = tiny_training(epochs=1)
    train(model, IMAGES, np.arange(4), hold_out, config, checkpoint=tmp_path / "c", log=log, fingerprint="f")
    images = torch.from_numpy(IMAGES[hold_out]).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = model.validation_loss(Batch(images, model.frozen_features(images))).mean().item()
    assert log_lines(log)[0]["validation_loss"] == pytest.approx(expected, rel=1e-5)


def test_teacher_features_in_memory_in_a_file_and_recomputed_train_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    class Counting(TinyModel):
        def frozen_features(self, images: Tensor) -> tuple[Tensor, ...]:
            calls.append(len(images))
            return super().frozen_features(images)

    (cached, _), cached_log = run(tmp_path, tiny_training(), Counting())
    assert sum(calls) == 11 + 2  # every image once, and two to learn the size
    calls.clear()
    files = sorted(tmp_path.iterdir())
    monkeypatch.setattr(feature_cache, "SPARE_DISK", 0.0)
    (from_file, _), file_log = run(tmp_path, tiny_training(cache_gigabytes=0), Counting())
    assert sum(calls) == 11 + 2
    assert sorted(tmp_path.iterdir()) == files  # the file has no name
    assert same_tensors(cached, from_file)
    assert file_log == [line | {"seconds": ANY} for line in cached_log]
    calls.clear()
    monkeypatch.setattr(feature_cache, "SPARE_DISK", 1.0)
    (computed, _), log = run(tmp_path, tiny_training(cache_gigabytes=0), Counting())
    assert sum(calls) == 3 * 11 + 2
    for name, value in computed.items():
        torch.testing.assert_close(cached[name], value, rtol=1e-5, atol=1e-6)
    for line, cached_line in zip(log, cached_log, strict=True):
        assert line["losses"] == pytest.approx(cached_line["losses"])


def test_memory_mapped_images_train_bit_for_bit_the_same(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "images", np.uint8, "w+", shape=IMAGES.shape)
    mapped[:] = IMAGES
    (in_memory, _), _ = run(tmp_path, tiny_training())
    (from_file, _), _ = run(tmp_path, tiny_training(), images=mapped)
    assert same_tensors(in_memory, from_file)


def test_a_loss_that_is_no_number_is_named(tmp_path: Path) -> None:
    with pytest.raises(BlemishError, match=r"collapsed in epoch 2: the validation loss is nan; lower"):
        run(tmp_path, tiny_training(), Forgetful([1.0, float("nan")]))

    class Diverging(TinyModel):
        def validation_loss(self, batch: Batch) -> Tensor:
            return super().validation_loss(batch) * float("inf")

    with pytest.raises(BlemishError, match="epoch 1: the loss student is inf; lower"):
        run(tmp_path, tiny_training(), Diverging())


def test_runs_of_different_precision_in_one_process_both_get_theirs(tmp_path: Path) -> None:
    (fp32, first), _ = run(tmp_path, tiny_training(precision="fp32"))
    (bf16, second), _ = run(tmp_path, tiny_training(precision="bf16"))
    (again, third), _ = run(tmp_path, tiny_training(precision="fp32"))
    assert [s.precision for s in (first, second, third)] == ["fp32", "bf16", "fp32"]
    assert same_tensors(fp32, again)
    assert not same_tensors(fp32, bf16)
    assert all(value.dtype != torch.bfloat16 for value in bf16.values())


def test_determinism_is_asked_for_only_while_training(tmp_path: Path) -> None:
    asked = []

    class Asking(TinyModel):
        def validation_loss(self, batch: Batch) -> Tensor:
            asked.append(torch.are_deterministic_algorithms_enabled())
            return super().validation_loss(batch)

    run(tmp_path, tiny_training(epochs=1, deterministic=True), Asking())
    assert asked and all(asked)
    assert not torch.are_deterministic_algorithms_enabled()


def test_an_epochs_last_batch_may_hold_one_image(tmp_path: Path) -> None:
    (_, summary), log = run(tmp_path, tiny_training(epochs=1), small_gtrans())  # 9 images: 4, 4 and 1
    assert np.isfinite(summary.validation_loss) and log[0]["step"] == 3
    assert SIZE == 64


def test_a_tracker_gets_the_losses(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run(tmp_path, tiny_training(tracker="tensorboard"))
    assert list((tmp_path / "blemish" / "c").rglob("events.out.tfevents.*"))  # named as the checkpoint


@pytest.mark.parametrize(("count", "held_out"), [(2, 1), (3, 1), (4, 1), (10, 2), (14, 2), (320, 64)])
def test_the_split_is_disjoint_seeded_and_a_fifth(count: int, held_out: int) -> None:
    learn, hold = split_indices(count, 0.2, seed=3)
    assert len(hold) == held_out
    assert sorted([*learn, *hold]) == list(range(count))
    assert all(np.array_equal(a, b) for a, b in zip((learn, hold), split_indices(count, 0.2, 3), strict=True))
    if count > 100:
        assert not np.array_equal(hold, split_indices(count, 0.2, seed=4)[1])


def test_every_epoch_sees_every_image_once_in_another_order() -> None:
    orders = [epoch_order(LEARN, seed, epoch).tolist() for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert all(sorted(order) == LEARN.tolist() for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert epoch_order(LEARN, 0, 1).tolist() == orders[1]


@pytest.mark.parametrize("count", [1, 2, 5, 6])
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_share_a_batch_equally_and_lose_nothing(count: int, processes: int) -> None:
    rows = np.arange(10, 10 + count)
    shares = [process_share(rows, process, processes) for process in range(processes)]
    assert len({len(share) for share in shares}) == 1
    assert np.concatenate(shares)[:count].tolist() == rows.tolist()
    assert set(np.concatenate(shares)) == set(rows)


def test_bfloat16_is_chosen_only_where_it_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for fast, expected in ((True, "bf16"), (False, "no")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda fast=fast: fast)
        assert machine.choose_precision("auto") == expected
    assert machine.choose_precision("fp32") == "no"
    assert machine.choose_precision("bf16") == "bf16"


def test_the_largest_seed_trains(tmp_path: Path) -> None:
    assert len(run(tmp_path, tiny_training(seed=2**32 - 1))[1]) == 3


@pytest.mark.parametrize(
    ("images", "least", "batches"),
    [(256, 2, 8), (257, 1, 9), (257, 2, 8), (258, 2, 9), (1, 2, 1), (33, 3, 1)],
)
def test_only_too_small_a_last_batch_is_joined(images: int, least: int, batches: int) -> None:
    assert count_batches(images, 32, least) == batches


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
    _, log = run(tmp_path, tiny_training(), model)
    assert model.sizes == [4, 5] * 3
    assert [line["step"] for line in log] == [2, 4, 6]


def test_one_image_with_maps_of_one_pixel_is_told_and_leaves_no_log(tmp_path: Path) -> None:
    files = {"checkpoint": tmp_path / "c", "log": tmp_path / "log.jsonl"}
    with pytest.raises(BlemishError, match="give more images or a larger frame"):
        train(
            OnePixel(), IMAGES[:2], np.arange(1), np.arange(1, 2), tiny_training(), fingerprint="f", **files
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("losses", [[1.0, 2.0, 3.0], [1.0, float("nan")]])
def test_trackers_are_finished_however_a_run_ends(
    losses: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking = pytest.importorskip("accelerate.tracking")
    finished = []
    monkeypatch.setattr(tracking.TensorBoardTracker, "finish", lambda self: finished.append(self.run_name))
    with suppress(BlemishError):
        run(tmp_path, tiny_training(tracker="tensorboard"), Forgetful(losses))
    assert finished == ["blemish/c"]
