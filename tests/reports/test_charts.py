"""The axis that all charts stand on, and the charts."""

import re

import numpy as np
import pytest

from blemish.reports import charts
from blemish.reports.charts import Axis, Bars, Chart, Dot, dot_chart, learning_curves, mirrored_histogram


@pytest.mark.parametrize(
    ("values", "logarithmic"),
    [
        ([3.0], False),
        ([0.0, 0.0], False),
        ([-1.0, 1000.0], False),
        ([1.0, 10.0], False),
        ([1.0, 300.0], True),
        ([1e-9, 1e6], True),
        ([1e-30, 2e-30], False),
    ],
)
def test_all_values_and_some_ticks_lie_inside_an_axis(values: list[float], logarithmic: bool) -> None:
    axis = Axis.around(np.array(values), 100, 20)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 9 and ticks == sorted(ticks)
    for place in axis(np.array([*values, *ticks])):
        assert 20 <= place <= 100
    assert axis.logarithmic == logarithmic, "over orders of magnitude only"


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 1, [1, 2, 5, 10]), (0, 2, [1, 3, 10, 30, 100]), (0, 4, [1, 10, 100, 1000, 10000])],
)
def test_equal_ratios_are_equal_distances_on_a_logarithmic_axis(
    low: int, high: int, ticks: list[int]
) -> None:
    axis = Axis(low, high, 0, 100 * high, logarithmic=True)
    assert axis(np.array([1, 10, 10.0**high])).tolist() == pytest.approx([0, 100, 100 * high])
    assert axis.ticks() == pytest.approx(ticks), "few decades have some between"
    assert len(Axis(-9, 9, 0, 1, logarithmic=True).ticks()) <= 9


def test_a_roc_curve_is_thinned_but_keeps_its_ends() -> None:
    def points(fpr: np.ndarray, tpr: np.ndarray) -> list[str]:
        found = re.search(r'points="([^"]+)"', charts.roc_chart(fpr, tpr, 0.1, 0.2))
        assert found is not None
        return found[1].split()

    fpr, tpr = np.sort(np.random.default_rng(0).random((2, 5000)), axis=1)
    fpr[[0, -1]] = tpr[[0, -1]] = 0, 1
    corners = points(fpr, tpr)
    assert len(corners) <= 500
    assert [corners[0], corners[-1]] == points(np.array([0, 1]), np.array([0, 1]))


@pytest.mark.parametrize("score", [0.0, 1e-9, -4.0, 1e6])
def test_a_histogram_of_scores_that_are_all_alike(score: float) -> None:
    same = np.full(5, score)
    svg = mirrored_histogram(Chart("x"), Bars(same, "a", "good"), Bars(same[:0], "b", "bad"), score)
    assert svg.count('class="good"') == 1 and "nan" not in svg and "a (5)" in svg and "b (0)" in svg


def test_bars_above_the_threshold_may_have_their_own_colour() -> None:
    lower = Bars(np.array([1.0, 2.0, 4.0]), "b", "good", "bad")
    svg = mirrored_histogram(Chart("x"), Bars(np.array([1.5]), "a", "calibration"), lower, 3.0)
    assert [svg.count(f'<rect class="{style}"') for style in ("calibration", "good", "bad")] == [1, 2, 1]


def test_dots_lie_in_their_intervals_and_labels_are_short_and_harmless() -> None:
    dots = [Dot("a", 0.9, (0.85, 0.95), strong=True), Dot("<script>" + "x" * 60, 1.0, (1.0, 1.0), ring=0.8)]
    svg = dot_chart("<b>", dots, 0.8, "AUROC")
    (first, second), (ring,) = (
        [float(x) for x in re.findall(rf'class="{style}" cx="([\d.]+)"', svg)]
        for style in ("dot(?: strong)?", "compared")
    )
    low, high = map(float, re.findall(r'interval strong" x1="([\d.]+)" x2="([\d.]+)"', svg)[0])
    assert ring < low < first < high < second
    assert "<script" not in svg and "<b>" not in svg and "x" * 30 not in svg and "nan" not in svg


def test_learning_curves_have_a_thin_line_for_each_training_and_a_strong_mean() -> None:
    svg = learning_curves("x", {0: [[3.0, 2.0], [5.0, 4.0, 1.0]], 1: [[2.0, 1.0]]})
    assert svg.count('class="loss single"') == 2 and svg.count('class="loss mean"') == 2
    assert "logarithmic" not in svg and ">3</text>" in svg
    assert "logarithmic" in learning_curves("x", {0: [[100.0, 1.0]]})
    assert charts.line_sample(0) == charts.line_sample(6) != charts.line_sample(1), "styles repeat"
