"""One self-contained HTML page about a comparison: no network, no scripts, no other files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blemish.comparison.fitting import Models
from blemish.comparison.ranking import both_ways, scored_by_all
from blemish.comparison.recommendation import LEAST_TESTED
from blemish.comparison.result import Comparison, costs
from blemish.datasets.synthetic import KINDS
from blemish.images.drawing import data_uri, draw_contour
from blemish.inference.result import PAGE_SIDE
from blemish.reports.charts import Dot, dot_chart
from blemish.reports.gallery import (
    Card,
    Gallery,
    Picture,
    Row,
    Verdict,
    are_small,
    legend,
    most_hidden,
    shown_mask,
)
from blemish.reports.numbers import fraction, interval
from blemish.reports.template import render, write_text

if TYPE_CHECKING:
    from blemish.inference.detector import Detector

HARDEST, DISPUTED, TYPICAL, HOTTEST = 4, 4, 2, 2  # images per gallery
ORIGINALS = 3  # synthetic ones shown

Tables = dict[str, dict[str, Row]]  # by label of the method and path of the image


def write_comparison(
    comparison: Comparison, models: Models, detectors: Mapping[str, "Detector"], path: Path
) -> None:
    """Write the page over an older one; the images of the galleries are scored once more for their pictures.

    Args:
        models, detectors: all models, and detectors of the first seed, by method.
    """
    galleries, sizes = _galleries(models, detectors)
    html = render(
        "blemish.comparison",
        comparison=comparison,
        chart=_chart(comparison),
        costs=costs,
        spread=_spread,
        interval=interval,
        names={row["label"]: row["label"] for row in comparison.methods},
        pairs=both_ways(comparison.differences),
        least_tested=LEAST_TESTED,
        galleries=galleries,
        hidden=_hidden(detectors, sizes),
        legend=legend(next(iter(detectors.values())).heat_scale),
        crisp=are_small(sizes),
    )
    write_text(path, html)


def _chart(comparison: Comparison) -> str:
    choice = comparison.recommendation["choice"]
    dots = [
        Dot(row["label"], row["auroc"], row["auroc_interval"], strong=row["label"] == choice)
        for row in comparison.methods
        if row["auroc"] is not None
    ]
    if not dots:
        return ""
    lowest = min(row["auroc_interval"][0] for row in comparison.methods)
    description = f"{comparison.measure} of each method with its 95 % interval"
    return dot_chart(description, dots, lowest, comparison.measure, fraction)


def _spread(values: list[float | None]) -> str:
    """The standard deviation over the seeds; "" for one seed."""
    numbers = [value for value in values if value is not None]
    return f" ± {fraction(float(np.std(numbers, ddof=1)))}" if len(numbers) > 1 else ""


def _hidden(detectors: Mapping[str, "Detector"], sizes: set[tuple[int, int]]) -> dict[str, str]:
    """What the frames hide: each sentence once, with the methods that it holds for."""
    methods: dict[str, list[str]] = {}
    for label, detector in detectors.items():
        if sentence := most_hidden(sizes, detector.frame):
            methods.setdefault(sentence, []).append(label)
    return {", ".join(labels): sentence for sentence, labels in methods.items()}


def _galleries(
    models: Models, detectors: Mapping[str, "Detector"]
) -> tuple[list[Gallery], set[tuple[int, int]]]:
    """Images on which the methods fail, disagree or do well, by the models of the first seed, and the widths
    and heights of them all."""
    tables = {label: of[0].ranked.rows for label, of in models.items()}
    rows = list(scored_by_all(models).values())
    synthetic = any(of[0].ranked is not of[0].test for of in models.values())
    chosen = _choose_synthetic(rows) if synthetic else _choose(rows, tables)
    sizes: set[tuple[int, int]] = set()
    galleries = [
        Gallery(title, text, _cards(of, tables, detectors, sizes)) for title, text, of in chosen if of
    ]
    return galleries, sizes


def _choose(rows: list[Row], tables: Tables) -> list[tuple[str, str, list[Row]]]:
    from scipy.stats import rankdata

    scores = np.array([[table[row["path"]]["score"] for row in rows] for table in tables.values()])
    ranks = rankdata(scores, axis=1) / len(rows)
    mean, spread = ranks.mean(axis=0), np.ptp(ranks, axis=0)
    defective = np.array([row["label"] for row in rows], bool)
    middle = np.median(mean[defective]) if defective.any() else 0.0
    taken: set[int] = set()

    def first(order: np.ndarray, wanted: np.ndarray, count: int) -> list[Row]:
        picked = [i for i in np.argsort(order, kind="stable") if wanted[i] and i not in taken][:count]
        taken.update(picked)
        return [rows[i] for i in picked]

    several = np.full(len(rows), len(tables) > 1)
    hardest = "Defective images that score lowest, by the mean rank over the methods."
    disputed = "Images whose ranks differ most between the methods."
    typical, hottest = "Defective images of middle rank.", "Good images that score highest."
    return [
        ("Hardest defects", hardest, first(mean, defective, HARDEST)),
        ("Disagreements", disputed, first(-spread, several, DISPUTED)),
        ("Typical defects", typical, first(abs(mean - middle), defective, TYPICAL)),
        ("Hottest good images", hottest, first(-mean, ~defective, HOTTEST)),
    ]


def _choose_synthetic(rows: list[Row]) -> list[tuple[str, str, list[Row]]]:
    text = "Drawn onto your good images at medium strength. Not your defects."
    drawn = [
        (f"Synthetic: {kind}", text, [row for row in rows if row["defect"] == f"{kind}, medium"][:ORIGINALS])
        for kind in KINDS
    ]
    clean = [row for row in rows if not row["label"]][:1]
    return [*drawn, ("Without a defect", "One of the same images as it was.", clean)]


def _cards(
    rows: list[Row], tables: Tables, detectors: Mapping[str, "Detector"], sizes: set[tuple[int, int]]
) -> list[Card]:
    """One per image that can still be read; its width and height are added to `sizes`."""
    pictures: dict[str, list[Picture]] = {row["path"]: [] for row in rows}
    for label, detector in detectors.items():
        for row, result in zip(rows, detector.predict_many(list(pictures)), strict=True):
            if result.size is None:  # the file has gone since it was measured
                continue
            sizes.add(result.size)
            mask, shown = shown_mask(row["mask"], result), pictures[row["path"]]
            if not shown:
                image = result.original(PAGE_SIDE)
                image = image if mask is None else draw_contour(image, mask)
                shown.append(Picture("image", data_uri(image), mask is not None))
            verdict = Verdict.of(tables[label][row["path"]], detector.calibration.threshold)
            heat = data_uri(result.overlay(detector.heat_scale, mask, PAGE_SIDE))
            shown.append(Picture(label, heat, mask is not None, verdict))
    return [Card(Path(row["path"]).name, row["defect"], of) for row in rows if (of := pictures[row["path"]])]
