"""The axis that all charts stand on, and the charts."""

import re

import numpy as np
import pytest

from blemish.reports.charts import (
    Axis,
    Bars,
    Chart,
    Dot,
    dot_chart,
    learning_curves,
    line_sample,
    mirrored_histogram,
    roc_chart,
)


def points(svg: str) -> list[str]:
    found = re.search(r'points="([^"]+)"', svg)
    assert found is not None
    return found[1].split()


class TestAxis:
    @pytest.mark.parametrize(
        "values", [[3.0], [0.0, 0.0], [-5.0, 2.0], [1e-9, 1e6], [1e-30, 2e-30], [7e30, 8e30], [1.0, 300.0]]
    )
    def test_all_values_and_some_ticks_lie_inside(self, values: list[float]) -> None:
        axis = Axis.around(np.array(values), 100, 20)
        ticks = axis.ticks()
        assert 2 <= len(ticks) <= 9 and ticks == sorted(ticks)
        for place in axis(np.array([*values, *ticks])):
            assert 20 <= place <= 100

    def test_logarithmic_over_orders_of_magnitude_only(self) -> None:
        assert Axis.around(np.array([1.0, 100.0]), 0, 1).logarithmic
        assert not Axis.around(np.array([1.0, 10.0]), 0, 1).logarithmic
        assert not Axis.around(np.array([-1.0, 1000.0]), 0, 1).logarithmic

    def test_equal_ratios_are_equal_distances_on_a_logarithmic_axis(self) -> None:
        axis = Axis(0, 4, 0, 400, logarithmic=True)
        assert axis(np.array([1, 10, 1e4])).tolist() == [0, 100, 400]
        assert axis.ticks() == [1, 10, 100, 1000, 10000]

    @pytest.mark.parametrize(
        ("low", "high", "ticks"), [(0, 1, [1, 2, 5, 10]), (0, 2, [1, 3, 10, 30, 100]), (-9, 9, 9)]
    )
    def test_few_decades_have_ticks_between(self, low: int, high: int, ticks: list[float] | int) -> None:
        found = Axis(low, high, 0, 1, logarithmic=True).ticks()
        assert len(found) <= ticks if isinstance(ticks, int) else found == pytest.approx(ticks)


class TestRoc:
    def test_it_is_thinned_but_keeps_its_ends(self) -> None:
        rng = np.random.default_rng(0)
        fpr, tpr = np.sort(rng.random(5000)), np.sort(rng.random(5000))
        fpr[[0, -1]] = tpr[[0, -1]] = 0, 1
        corners = points(roc_chart(fpr, tpr, 0.1, 0.2))
        assert len(corners) <= 500
        assert [corners[0], corners[-1]] == points(roc_chart(np.array([0, 1]), np.array([0, 1]), 0.1, 0.2))


class TestHistogram:
    @pytest.mark.parametrize("score", [0.0, 1e-9, -4.0, 1e6])
    def test_all_scores_alike(self, score: float) -> None:
        same = np.full(5, score)
        svg = mirrored_histogram(Chart("x"), Bars(same, "a", "good"), Bars(same[:0], "b", "bad"), score)
        assert svg.count('class="good"') == 1 and "nan" not in svg and "a (5)" in svg and "b (0)" in svg

    def test_bars_above_the_threshold_may_have_their_own_colour(self) -> None:
        lower = Bars(np.array([1.0, 2.0, 4.0]), "b", "good", "bad")
        svg = mirrored_histogram(Chart("x"), Bars(np.array([1.5]), "a", "calibration"), lower, 3.0)
        assert [svg.count(f'<rect class="{style}"') for style in ("calibration", "good", "bad")] == [1, 2, 1]


class TestDots:
    def test_the_dot_lies_in_its_interval(self) -> None:
        dots = [Dot("a", 0.9, (0.85, 0.95), strong=True), Dot("b", 1.0, (1.0, 1.0), ring=0.8)]
        svg = dot_chart("x", dots, 0.8, "AUROC")
        (first, second), (ring,) = (
            [float(x) for x in re.findall(rf'class="{style}" cx="([\d.]+)"', svg)]
            for style in ("dot(?: strong)?", "compared")
        )
        low, high = map(float, re.findall(r'interval strong" x1="([\d.]+)" x2="([\d.]+)"', svg)[0])
        assert ring < low < first < high < second

    def test_labels_are_short_and_harmless(self) -> None:
        svg = dot_chart("<b>", [Dot("<script>" + "x" * 60, 1.0)], 1.0, "AUROC")
        assert "<script" not in svg and "<b>" not in svg and "x" * 30 not in svg and "nan" not in svg


class TestLearningCurves:
    def test_a_thin_line_for_each_training_and_a_strong_mean(self) -> None:
        svg = learning_curves("x", {0: [[3.0, 2.0], [5.0, 4.0, 1.0]], 1: [[2.0, 1.0]]})
        assert svg.count('class="loss single"') == 2 and svg.count('class="loss mean"') == 2
        assert "logarithmic" not in svg and ">3</text>" in svg
        assert "logarithmic" in learning_curves("x", {0: [[100.0, 1.0]]})

    def test_styles_repeat(self) -> None:
        assert line_sample(0) == line_sample(6) != line_sample(1)
