"""Pixel metrics against scikit-learn, AUPRO against a loop over every threshold, and their invariants."""

import itertools
import math
import tracemalloc
import warnings

import numpy as np
import pytest
from scipy import ndimage
from sklearn import metrics as sklearn_metrics

from blemish.evaluation.metrics import aupro, f1_max, pixel_metrics

EIGHT = np.ones((3, 3))
SEEDS = range(12)


def random_planes(seed, images=5, height=13, width=17):
    """Maps with many ties; the first mask is empty."""
    rng = np.random.default_rng(seed)
    masks = ndimage.uniform_filter(rng.random((images, height, width)), (0, 3, 3)) > 0.58
    masks[0] = False
    maps = rng.integers(0, rng.integers(3, 60), masks.shape) / 8 + masks * rng.random()
    return maps.astype(np.float32), masks


def brute_aupro(maps, masks, limit):
    """The definition, one threshold after the other, clipped segment by segment."""
    normal = np.concatenate([scores[mask == 0] for scores, mask in zip(maps, masks, strict=True)])
    regions = []
    for scores, mask in zip(maps, masks, strict=True):
        labels, count = ndimage.label(mask, EIGHT)
        regions += [scores[labels == number] for number in range(1, count + 1)]
    points = [(0.0, 0.0)]
    for threshold in np.unique(np.concatenate([normal, *regions]))[::-1]:
        overlap = np.mean([np.mean(region >= threshold) for region in regions])
        points.append((np.mean(normal >= threshold), overlap))
    area = 0.0
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if x0 >= limit:
            break
        if x1 > limit:
            x1, y1 = limit, y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
        area += (x1 - x0) * (y0 + y1) / 2
    return area / limit


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("limit", [0.01, 0.05, 0.3, 0.77, 1.0])
def test_aupro_equals_a_loop_over_thresholds(seed, limit):
    maps, masks = random_planes(seed)
    assert aupro(maps, masks, limit) == pytest.approx(brute_aupro(maps, masks, limit), abs=1e-12)


def test_aupro_without_ties_and_with_a_limit_on_a_point():
    masks = np.zeros((2, 10, 10), bool)
    masks[1, 2:4, 2:7], masks[1, 8, 8] = True, True
    maps = np.random.default_rng(0).permutation(masks.size).reshape(masks.shape).astype(np.float32)
    normal = masks.size - masks.sum()
    for limit in (0.3, 27 / normal, 1 / normal, 1.0):
        assert aupro(maps, masks, limit) == pytest.approx(brute_aupro(maps, masks, limit), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_pixel_metrics_pool_all_pixels(seed):
    maps, masks = random_planes(seed)
    got, scores, labels = pixel_metrics(maps, masks), maps.ravel(), masks.ravel()
    assert got == {
        "auroc": pytest.approx(sklearn_metrics.roc_auc_score(labels, scores), abs=1e-12),
        "ap": pytest.approx(sklearn_metrics.average_precision_score(labels, scores), abs=1e-12),
        "f1_max": pytest.approx(f1_max(scores, labels), abs=1e-12),
        "aupro_30": pytest.approx(brute_aupro(maps, masks, 0.3), abs=1e-12),
        "aupro_05": pytest.approx(brute_aupro(maps, masks, 0.05), abs=1e-12),
    }
    assert all(type(value) is float and 0 <= value <= 1 for value in got.values())


def test_lists_of_any_sizes_and_mask_types():
    maps, masks = random_planes(2)
    maps, masks = [*maps, maps[1][:5, :9]], [*masks, masks[1][:5, :9]]
    expected = pixel_metrics(maps, masks)
    assert pixel_metrics(maps, [mask.astype(np.uint8) * 255 for mask in masks]) == expected
    assert expected["aupro_30"] == pytest.approx(brute_aupro(maps, masks, 0.3), abs=1e-12)


def test_every_region_weighs_the_same():
    maps, masks = np.zeros((1, 20, 20), np.float32), np.zeros((1, 20, 20), bool)
    masks[0, 1:11, 1:11] = masks[0, 15, 15] = True
    maps[0, 1:11, 1:11] = 1  # the large region is found, the single pixel is not
    # From (0, 1/2) the curve climbs straight to (1, 1).
    assert aupro(maps, masks, 0.3) == pytest.approx((0.5 + 0.65) / 2)


def test_perfect_map_is_one_and_constant_map_is_chance():
    masks = random_planes(5)[1]
    assert set(pixel_metrics(masks.astype(np.float32), masks).values()) == {1.0}
    got = pixel_metrics(np.full(masks.shape, 0.7, np.float32), masks)
    assert got["auroc"] == 0.5
    assert got["ap"] == pytest.approx(masks.mean())
    assert got["aupro_30"] == pytest.approx(0.15)
    assert got["aupro_05"] == pytest.approx(0.025)


@pytest.mark.parametrize("transform", [np.exp, np.cbrt, lambda x: 1000 * x - 5, np.arctan])
def test_increasing_transforms_and_another_order_change_nothing(transform):
    maps, masks = random_planes(8)
    before = maps.copy(), masks.copy()
    order, changed = np.random.default_rng(0).permutation(len(maps)), transform(maps)
    assert len(np.unique(changed)) == len(np.unique(maps))
    assert pixel_metrics(changed[order], masks[order]) == pytest.approx(pixel_metrics(maps, masks), abs=1e-12)
    for now, then in zip((maps, masks), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_empty_masks_add_no_zeros():
    maps, masks = random_planes(10)
    quiet = np.full((3, *maps.shape[1:]), maps.min() - 1, np.float32)
    more = np.concatenate([maps, quiet]), np.concatenate([masks, np.zeros(quiet.shape, bool)])
    # The good images score below everything, so they only stretch the false positive axis.
    share = (~masks).sum() / (~more[1]).sum()
    assert aupro(*more, 0.3 * share) == pytest.approx(aupro(maps, masks, 0.3), abs=1e-12)
    assert aupro(*more, 0.3) > aupro(maps, masks, 0.3)


@pytest.mark.parametrize("fill", [0, 1])
def test_only_good_or_only_defective_pixels_are_undefined_and_silent(fill):
    maps = random_planes(0)[0]
    masks = np.full(maps.shape, fill, np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(pixel_metrics(maps, masks).values()) == {None}
        assert math.isnan(aupro(maps, masks))
        assert set(pixel_metrics([], []).values()) == {None}


def test_bad_planes_are_refused():
    maps, masks = random_planes(0)
    holed = maps.copy()
    holed[3, 4, 5] = math.nan
    for given, message in (
        ((maps, masks[:4]), "5 maps do not go with 4 masks"),
        ((maps, masks[:, 1:]), r"map 0 .* both must be \[H, W\]"),
        ((maps[0], masks[0]), "map 0"),
        ((holed, masks), "map 3 holds NaN"),
    ):
        for metric in (pixel_metrics, aupro):
            with pytest.raises(ValueError, match=message):
                metric(*given)
    for limit in (0.0, 1.1, math.nan):
        with pytest.raises(ValueError, match="limit"):
            aupro(maps, masks, limit)


def test_the_size_of_the_portions_changes_nothing(monkeypatch):
    maps, masks = random_planes(3, images=9)
    whole = pixel_metrics(maps, masks)
    for portion in (1, 200, 500, 10_000):
        monkeypatch.setattr("blemish.evaluation.metrics.PORTION", portion)
        assert pixel_metrics(maps, masks) == whole


def test_pixel_metrics_need_less_than_the_maps_once_again():
    maps = np.random.default_rng(0).random((600, 128, 128), np.float32)
    masks = np.zeros(maps.shape, bool)
    masks[:300, 30:50, 40:50] = True
    tracemalloc.start()
    pixel_metrics(maps, masks)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.8 * maps.nbytes
