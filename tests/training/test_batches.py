"""Which images a training step sees."""

import numpy as np
import pytest

from blemish.training.batches import (
    batch_rows,
    count_batches,
    process_share,
    split_groups,
    split_indices,
)
from tests.support import tiny_training


@pytest.mark.parametrize(("count", "held_out"), [(2, 1), (4, 1), (10, 2), (14, 2), (320, 64)])
def test_the_split_is_disjoint_seeded_and_a_fifth(count: int, held_out: int) -> None:
    learn, hold = split_indices(count, 0.2, seed=3)
    assert len(hold) == held_out and sorted([*learn, *hold]) == list(range(count))
    assert np.array_equal(hold, split_indices(count, 0.2, seed=3)[1])
    assert split_indices(14, 0.2, seed=3)[1].tolist() == [9, 10], "model files rely on it"
    assert count < 100 or not np.array_equal(hold, split_indices(count, 0.2, seed=4)[1])


def test_near_equal_images_fall_on_one_side_and_one_of_them_is_held_out() -> None:
    groups = np.array([0, 1, 0, 3, 1, 5, 0, 7, 3, 9])
    for seed in range(10):
        learn, hold = split_groups(groups, 0.4, seed)
        assert len(hold) == 2 and not set(groups[learn]) & set(groups[hold])
        assert set(hold) | set(groups[learn]) == set(groups) and (groups[hold] == hold).all()
    alone = np.arange(14)
    for one, other in zip(split_groups(alone, 0.2, 3), split_indices(14, 0.2, 3), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(("steps", "sizes"), [(3, [4, 4, 1]), (2, [4, 5])])
def test_every_epoch_sees_every_image_once_in_another_order(steps: int, sizes: list[int]) -> None:
    rows, orders = np.arange(9), set()
    for seed, epoch in ((0, 0), (0, 1), (1, 0)):
        config = tiny_training(batch_size=4, seed=seed)
        parts = [batch_rows(rows, config, epoch * steps + number, steps) for number in range(steps)]
        assert [len(part) for part in parts] == sizes, "the last batch takes all that is left"
        assert sorted(np.concatenate(parts)) == rows.tolist()
        orders.add(tuple(np.concatenate(parts)))
    assert len(orders) == 3


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
