"""Image metrics against scikit-learn."""

import json
import math
import warnings

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from blemish.evaluation.metrics import (
    auroc,
    auroc_interval,
    average_precision,
    f1_max,
    image_metrics,
    roc_curve,
)

SEEDS = range(12)


def random_scores(seed):
    """Few distinct values, so many ties within and between the classes."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(rng.integers(5, 80)) % 3 == 0)
    return rng.integers(0, rng.integers(2, 30), len(labels)) / 7, labels


@pytest.mark.parametrize("seed", SEEDS)
def test_image_metrics_equal_scikit_learn(seed):
    scores, labels = random_scores(seed)
    assert auroc(scores, labels) == pytest.approx(sklearn_metrics.roc_auc_score(labels, scores), abs=1e-12)
    expected = sklearn_metrics.average_precision_score(labels, scores)
    assert average_precision(scores, labels) == pytest.approx(expected, abs=1e-12)
    best = max(sklearn_metrics.f1_score(labels, scores >= threshold) for threshold in scores)
    assert f1_max(scores, labels) == pytest.approx(best, abs=1e-12)
    curve = sklearn_metrics.roc_curve(labels, scores, drop_intermediate=False)
    for ours, theirs in zip(roc_curve(scores, labels), curve, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    together = image_metrics(scores.tolist(), labels.astype(int).tolist())
    assert together == {
        "auroc": auroc(scores, labels),
        "ap": average_precision(scores, labels),
        "f1_max": f1_max(scores, labels),
        "auroc_interval": list(auroc_interval(scores, labels)),
    }
    assert json.loads(json.dumps(together)) == together


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1], []])
def test_one_class_is_undefined_and_silent(labels):
    scores = [0.3, 0.1, 0.1][: len(labels)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for metric in (auroc, average_precision, f1_max):
            assert math.isnan(metric(scores, labels))
        assert all(math.isnan(end) for end in auroc_interval(scores, labels))
        assert set(image_metrics(scores, labels).values()) == {None}
        fpr, tpr, _ = roc_curve(scores, labels)
    assert np.isnan(fpr).all() == (0 not in labels)
    assert np.isnan(tpr).all() == (1 not in labels)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([1.0, 2.0], [0], "one length"),
        ([[1.0, 2.0]], [[0, 1]], "one length"),
        ([1.0, math.nan], [0, 1], "NaN"),
        ([1.0, None], [0, 1], "NaN"),
        ([1.0, 2.0], [0, 2], "labels"),
        ([1.0, 2.0], [0, None], "labels"),
    ],
)
def test_bad_scores_are_refused(scores, labels, message):
    for metric in (roc_curve, auroc, average_precision, f1_max, auroc_interval, image_metrics):
        with pytest.raises(ValueError, match=message):
            metric(scores, labels)


def test_increasing_transforms_and_another_order_change_nothing():
    scores, labels = random_scores(8)
    order = np.random.default_rng(0).permutation(len(scores))
    assert image_metrics(np.exp(scores)[order], labels[order]) == image_metrics(scores, labels)


def test_perfect_constant_and_infinite_scores():
    assert image_metrics([0.1, 0.2, 5.0], [0, 0, 1])["auroc"] == 1.0
    assert auroc([3, 3, 3], [0, 1, 0]) == 0.5
    assert auroc([-math.inf, 0.0, 1.0, math.inf], [0, 0, 1, 1]) == 1.0
    assert auroc_interval([0, 0, 1, 1], [0, 0, 1, 1]) == (1.0, 1.0)


def overlapping(count, seed=0):
    labels = np.arange(count) % 2
    return np.random.default_rng(seed).normal(labels * 1.2), labels


def test_the_interval_contains_the_point_and_narrows_with_more_images():
    for seed in SEEDS:
        scores, labels = overlapping(60, seed)
        low, high = auroc_interval(scores, labels)
        assert 0 <= low < auroc(scores, labels) < high <= 1
    widths = [np.ptp(auroc_interval(np.tile(scores, n), np.tile(labels, n))) for n in (1, 4, 16)]
    np.testing.assert_allclose(widths[:-1] / np.array(widths[1:]), 2, rtol=0.2)  # one over the root of n


def test_the_interval_agrees_with_a_loop():
    scores, labels = overlapping(80)
    good, bad = scores[labels == 0], scores[labels == 1]
    rng = np.random.default_rng(9)
    areas = []
    for _ in range(1500):
        g, b = rng.choice(good, len(good)), rng.choice(bad, len(bad))
        areas.append(np.mean((b[:, None] > g) + 0.5 * (b[:, None] == g)))
    np.testing.assert_allclose(auroc_interval(scores, labels), np.quantile(areas, [0.025, 0.975]), atol=0.015)
