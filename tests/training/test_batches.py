"""Which images a training step sees."""

import numpy as np
import pytest

from blemish.training.batches import batch_rows, count_batches, epoch_order, process_share, split_indices
from tests.support import tiny_training

ROWS = np.arange(9)


@pytest.mark.parametrize(("count", "held_out"), [(2, 1), (3, 1), (4, 1), (10, 2), (14, 2), (320, 64)])
def test_the_split_is_disjoint_seeded_and_a_fifth(count: int, held_out: int) -> None:
    learn, hold = split_indices(count, 0.2, seed=3)
    assert len(hold) == held_out
    assert sorted([*learn, *hold]) == list(range(count))
    assert all(np.array_equal(a, b) for a, b in zip((learn, hold), split_indices(count, 0.2, 3), strict=True))
    if count > 100:
        assert not np.array_equal(hold, split_indices(count, 0.2, seed=4)[1])


def test_every_epoch_sees_every_image_once_in_another_order() -> None:
    orders = [epoch_order(ROWS, seed, epoch).tolist() for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert all(sorted(order) == ROWS.tolist() for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert epoch_order(ROWS, 0, 1).tolist() == orders[1]


@pytest.mark.parametrize(("steps", "sizes"), [(3, [4, 4, 1]), (2, [4, 5])])
def test_an_epochs_last_batch_takes_all_that_is_left(steps: int, sizes: list[int]) -> None:
    config = tiny_training(batch_size=4, seed=1)
    for epoch in (0, 1):
        parts = [batch_rows(ROWS, config, epoch * steps + number, steps) for number in range(steps)]
        assert [len(part) for part in parts] == sizes
        assert np.concatenate(parts).tolist() == epoch_order(ROWS, 1, epoch).tolist()


@pytest.mark.parametrize(
    ("images", "least", "batches"),
    [(256, 2, 8), (257, 1, 9), (257, 2, 8), (258, 2, 9), (1, 2, 1), (33, 3, 1)],
)
def test_only_too_small_a_last_batch_is_joined(images: int, least: int, batches: int) -> None:
    assert count_batches(images, 32, least) == batches


@pytest.mark.parametrize("count", [1, 2, 5, 6])
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_share_a_batch_equally_and_lose_nothing(count: int, processes: int) -> None:
    rows = np.arange(10, 10 + count)
    shares = [process_share(rows, process, processes) for process in range(processes)]
    assert len({len(share) for share in shares}) == 1
    assert np.concatenate(shares)[:count].tolist() == rows.tolist()
    assert set(np.concatenate(shares)) == set(rows)
