"""Measured numbers beside published ones: means, spreads, intervals, tests, and what is missing."""

import csv
import io
import json
import math
from typing import Any

import numpy as np
import pytest

from blemish.errors import BlemishError
from blemish.evaluation.metrics import auroc
from blemish.papers.measured import Measured, Missing
from blemish.papers.output.latex import escape, to_latex
from blemish.papers.output.long_format import to_csv
from blemish.papers.output.markdown import to_markdown
from blemish.papers.output.pairs import OVER_CATEGORIES, OVER_IMAGES, wilcoxon_p
from blemish.papers.output.summarise import summarise
from blemish.papers.output.summary import Summary
from blemish.papers.table import Table

CATEGORIES = [f"part{number}" for number in range(6)]


def table(**fields: Any) -> Table:
    """Two measured rows and a quoted one on six categories; "first" is printed wrongly in one place."""
    values: dict[str, Any] = {
        "name": "test-1",
        "title": "A & B",
        "source": "Nobody 2020, table 1",
        "metrics": ("image_auroc", "pixel_auroc"),
        "unit": "percent",
        "sections": ({"data": "mvtec", "categories": CATEGORIES, "averages": {"all": CATEGORIES}},),
        "columns": ("part0", "all"),
        "rows": (
            {
                "id": "first",
                "name": "1*2|3",
                "config": {"method": "padim"},
                "published": {"part0": (90.0, 80.0), "all": (70.0, math.nan)},
            },
            {
                "id": "second",
                "name": "S_2",
                "config": {"method": "spade"},
                "published": {"part0": (91.0, 81.0), "all": (92.0, 82.0)},
            },
            {"id": "third", "name": "Old", "published": {"all": (50.0, 51.0)}},
        ),
        "corrections": ({"row": "first", "column": "all", "value": (75.0, math.nan), "why": "A slip."},),
    }
    return Table.model_validate(values | fields)


def measured(
    row: str, category: str, seed: int, shift: float = 1.0, fit: str = "", **fields: Any
) -> Measured:
    """20 good and 20 defective test images whose scores lie `shift` standard deviations apart."""
    rng = np.random.default_rng([seed, *row.encode(), *category.encode()])
    scores = np.concatenate([rng.normal(size=20), rng.normal(shift, size=20)])
    labels = [0] * 20 + [1] * 20
    values: dict[str, Any] = {
        "row": row,
        "data": "mvtec",
        "category": category,
        "seed": seed,
        "metrics": {"image_auroc": auroc(scores, np.array(labels, bool)), "pixel_auroc": 0.9 + 0.01 * seed},
        "scores": scores.tolist(),
        "labels": labels,
        "curve": [{"epoch": 1, "loss": 1.0, "validation_loss": 0.5, "seconds": 2.0}],
        "fit_seconds": 60.0,
        "score_seconds": 4.0,
        "facts": {"fit": fit or f"{row} {category} {seed}", "fingerprint": f"{row} {category} {seed}"},
    }
    return Measured(**values | fields)


def full(seeds: int = 2) -> list[Measured]:
    return [
        measured(row, category, seed, shift)
        for row, shift in (("first", 0.5), ("second", 2.0))
        for category in CATEGORIES
        for seed in range(seeds)
    ]


@pytest.fixture(scope="module")
def complete() -> Summary:
    return summarise(table(), full(), [], ["Epochs 1 instead of 2."])


class TestNumbers:
    def test_means_and_spreads(self, complete: Summary) -> None:
        values = np.array(
            [
                [measured("first", category, seed, 0.5).metrics["image_auroc"] for category in CATEGORIES]
                for seed in range(2)
            ],
            float,
        )
        one, average = (complete.cell("first", column, "image_auroc").measured for column in ("part0", "all"))
        assert one and average
        assert one.mean == pytest.approx(values[:, 0].mean())
        assert one.sd == pytest.approx(values[:, 0].std(ddof=1))
        assert average.mean == pytest.approx(values.mean())
        assert average.sd == pytest.approx(values.mean(axis=1).std(ddof=1))
        assert (average.of, average.categories, average.complete) == (6, 6, True)

    def test_intervals_are_those_of_a_bootstrap_over_images(self, complete: Summary) -> None:
        rng = np.random.default_rng(5)
        drawn = []
        of = [measured("first", "part0", seed, 0.5) for seed in range(2)]
        for _ in range(2000):
            good, bad = rng.integers(0, 20, 20), rng.integers(20, 40, 20)
            drawn.append(
                np.mean(
                    [auroc(np.array(one.scores)[[*good, *bad]], np.repeat([False, True], 20)) for one in of]
                )
            )
        found = complete.cell("first", "part0", "image_auroc").measured
        assert found and found.interval == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.02)
        pixel = complete.cell("first", "part0", "pixel_auroc").measured
        assert pixel and pixel.interval is None

    def test_published_numbers_are_fractions_and_corrected(self, complete: Summary) -> None:
        cell = complete.cell("first", "all", "image_auroc")
        assert (cell.published, cell.printed, cell.corrected) == (0.75, 70.0, True)
        assert cell.measured and cell.difference == pytest.approx(cell.measured.mean - 0.75)
        dash = complete.cell("first", "all", "pixel_auroc")
        assert dash.published is None and dash.difference is None and not dash.corrected

    def test_agreement_is_told_by_the_interval(self, complete: Summary) -> None:
        for cell in complete.cells:
            if cell.difference is not None and cell.measured and cell.measured.interval:
                low, high = cell.measured.interval
                assert cell.published is not None
                assert cell.agrees == (low - 0.0005 <= cell.published <= high + 0.0005)
            else:
                assert cell.agrees is None

    def test_one_seed_has_no_spread(self) -> None:
        cell = summarise(table(), full(1), []).cell("first", "all", "image_auroc")
        assert cell.measured and cell.measured.sd is None and len(cell.measured.seeds) == 1

    def test_a_part_of_an_average_is_not_compared(self) -> None:
        partial = [one for one in full() if one.category in CATEGORIES[:2]]
        cell = summarise(table(), partial, []).cell("first", "all", "image_auroc")
        assert cell.measured and (cell.measured.of, cell.measured.complete) == (2, False)
        assert cell.difference is None and cell.agrees is None

    def test_categories_that_are_not_printed_are_shown(self, complete: Summary) -> None:
        extra = [column.label for column in complete.columns if not column.printed]
        assert extra == CATEGORIES[1:]
        assert complete.cell("first", "mvtec/part3", "image_auroc").published is None

    def test_results_of_other_test_images_are_refused(self) -> None:
        other = measured("second", "part0", 0, labels=[0] * 19 + [1] * 21)
        with pytest.raises(BlemishError, match=r"results of part0 .* are of different test images"):
            summarise(table(), [measured("first", "part0", 0), other], [])


class TestPairs:
    def test_over_categories(self, complete: Summary) -> None:
        pair = next(one for one in complete.pairs if one.metric == "image_auroc")
        values = {
            row: np.array(
                [
                    np.mean([measured(row, name, seed, shift).metrics["image_auroc"] for seed in range(2)])  # type: ignore[arg-type]
                    for name in CATEGORIES
                ]
            )
            for row, shift in (("first", 0.5), ("second", 2.0))
        }
        assert pair.difference == pytest.approx((values["first"] - values["second"]).mean())
        assert pair.test == OVER_CATEGORIES and pair.p == pytest.approx(2 / 2**6)  # all six the same way
        assert pair.interval and pair.interval[0] < pair.difference < pair.interval[1] < 0

    def test_wilcoxon(self) -> None:
        assert wilcoxon_p(np.zeros(7)) == 1
        assert wilcoxon_p(np.arange(1.0, 9)) == pytest.approx(2 / 2**8)

    def test_one_category_is_tested_over_images(self) -> None:
        some = [one for one in full() if one.category == "part0"]
        image, pixel = summarise(table(), some, []).pairs
        assert image.test == OVER_IMAGES and image.p is not None and 0 < image.p < 0.05
        assert pixel.p is None and pixel.why == "A test takes 6 categories or more."

    def test_a_row_against_itself_under_another_name(self) -> None:
        twins = [measured("first", "part0", 0), measured("second", "part0", 0)]
        same = [twins[0], measured("second", "part0", 0, scores=twins[0].scores, metrics=twins[0].metrics)]
        (image, _) = summarise(table(), same, []).pairs
        assert image.difference == 0 and image.p == 1


class TestCost:
    def test_a_shared_training_counts_once(self) -> None:
        shared = [
            measured(row, "part0", seed, fit=f"fit {seed}") for row in ("first", "second") for seed in (0, 1)
        ]
        summary = summarise(table(), shared, [])
        assert [one.rows for one in summary.trainings] == [("first", "second")] * 2
        assert sum(one.seconds for one in summary.trainings) == 120
        (first, _) = summary.costs
        assert (first.fit_seconds, first.trainings, first.shared_with) == (120, 2, ("second",))
        assert first.images / first.score_seconds == 10 and first.seconds_per_epoch == 2


class TestMissing:
    def test_same_reasons_are_one_group(self) -> None:
        gone = [
            Missing("first", "mvtec", name, seed, "Not there.") for name in CATEGORIES[1:] for seed in (0, 1)
        ]
        summary = summarise(table(), [measured("first", "part0", seed) for seed in (0, 1)], gone)
        (gap,) = summary.gaps
        assert (gap.rows, gap.categories, gap.seeds, gap.count) == (
            ("first",),
            tuple(CATEGORIES[1:]),
            (0, 1),
            10,
        )
        assert summary.missing == 10
        assert (
            "5 categories (part1, part2, part3, part4, part5), 1\\*2\\|3, seeds 0, 1: Not there."
            in to_markdown(summary)
        )

    def test_nothing_at_all(self) -> None:
        summary = summarise(table(), [], [Missing("first", "mvtec", "part0", 0)])
        assert "Nothing is measured yet" in to_markdown(summary) and "Not measured yet" in to_markdown(
            summary
        )
        assert [row.state for row in summary.rows] == ["not yet", "not yet", "quoted"]


class TestTexts:
    def test_markdown(self, complete: Summary) -> None:
        text = to_markdown(complete)
        assert "Epochs 1 instead of 2." in text and "A slip." in text and "75.0†" in text
        rows = [line for line in text.splitlines() if line.startswith("| 1\\*2\\|3 ")]
        assert rows and all(
            line.replace("\\|", "").count("|") == rows[0].replace("\\|", "").count("|") for line in rows
        )
        assert "Old (quoted)" in text and "50.0" in text

    def test_csv_has_what_the_table_is_made_of(self, complete: Summary) -> None:
        lines = list(csv.DictReader(io.StringIO(to_csv(complete))))
        wanted = {"kind": "cell", "row": "second", "column": "all", "metric": "image_auroc"}
        cell = next(line for line in lines if wanted.items() <= line.items())
        by_seed: dict[str, list[float]] = {}
        for line in lines:
            if (line["kind"], line["row"], line["metric"]) == ("result", "second", "image_auroc"):
                by_seed.setdefault(line["seed"], []).append(float(line["value"]))
        means = [np.mean(values) for values in by_seed.values()]
        assert float(cell["measured"]) == pytest.approx(np.mean(means), abs=1e-12)
        assert float(cell["sd"]) == pytest.approx(np.std(means, ddof=1), abs=1e-12)
        assert cell["printed"] == "92.0" and float(cell["published"]) == 0.92

    def test_latex(self, complete: Summary) -> None:
        text = to_latex(complete)
        assert escape("\N{GREEK SMALL LETTER ALPHA}_1 & 50 %") == r"$\alpha$\_1 \& 50 \%"
        assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
        body = text.replace(r"\{", "").replace(r"\}", "")
        assert body.count("{") == body.count("}") and r"A \& B" in text and text.isascii()

    def test_everything_is_plain(self, complete: Summary) -> None:
        assert json.loads(json.dumps(complete.to_dict()))["name"] == "test-1"
