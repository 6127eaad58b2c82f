"""The few images worth a look, each with every method's map."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blemish.comparison.runs import Runs
from blemish.datasets.synthetic import KINDS
from blemish.images.drawing import draw_contour
from blemish.reports.gallery import SIDE, data_uri, framed_mask
from blemish.reports.numbers import short_number
from blemish.reports.thumbnails import shrunk

if TYPE_CHECKING:
    from blemish.inference.detector import Detector

HARDEST, DISPUTED, TYPICAL, HOTTEST = 4, 4, 2, 2  # images per gallery
ORIGINALS = 3  # synthetic ones shown


@dataclass(frozen=True)
class View:
    """What one method makes of an image; `ratio` is the score over the threshold, or ""."""

    label: str
    picture: str
    verdict: str
    correct: bool
    ratio: str


@dataclass(frozen=True)
class Card:
    """One image: `picture` is a data URI with the true defect outlined where it is `masked`."""

    name: str
    defect: str
    picture: str
    masked: bool
    views: list[View]


@dataclass(frozen=True)
class Gallery:
    """Cards under a heading; `text` says what was chosen."""

    title: str
    text: str
    cards: list[Card]


def galleries(runs: Runs, detectors: Mapping[str, "Detector"]) -> list[Gallery]:
    """Images on which the methods fail, disagree or do well, by the models of the first seed."""
    tables = {label: of[0].ranked_rows for label, of in runs.items()}
    first = next(iter(tables.values()))
    rows = [row for path, row in first.items() if all(path in table for table in tables.values())]
    synthetic = next(iter(runs.values()))[0].synthetic is not None
    made = []
    for title, text, chosen in _synthetic(rows) if synthetic else _choose(rows, tables):
        if chosen:
            made.append(Gallery(title, text, _cards(chosen, tables, detectors)))
    return made


def _choose(
    rows: list[dict[str, Any]], tables: dict[str, dict[str, Any]]
) -> list[tuple[str, str, list[dict[str, Any]]]]:
    from scipy.stats import rankdata

    scores = np.array([[table[row["path"]]["score"] for row in rows] for table in tables.values()])
    ranks = rankdata(scores, axis=1) / len(rows)
    mean, spread = ranks.mean(axis=0), np.ptp(ranks, axis=0)
    defective = np.array([row["label"] for row in rows], bool)
    taken: set[int] = set()

    def take(order: np.ndarray, wanted: np.ndarray, count: int) -> list[dict[str, Any]]:
        picked = [index for index in order if wanted[index] and index not in taken][:count]
        taken.update(picked)
        return [rows[index] for index in picked]

    hardest = take(np.argsort(mean, kind="stable"), defective, HARDEST)
    disputed = take(np.argsort(-spread, kind="stable"), np.full(len(rows), len(tables) > 1), DISPUTED)
    middle = np.median(mean[defective]) if defective.any() else 0.0
    typical = take(np.argsort(np.abs(mean - middle), kind="stable"), defective, TYPICAL)
    hottest = take(np.argsort(-mean, kind="stable"), ~defective, HOTTEST)
    return [
        (
            "Hardest defects",
            "Defective images that score lowest, by the mean rank over the methods.",
            hardest,
        ),
        ("Disagreements", "Images whose ranks differ most between the methods.", disputed),
        ("Typical defects", "Defective images of middle rank.", typical),
        ("Hottest good images", "Good images that score highest.", hottest),
    ]


def _synthetic(rows: list[dict[str, Any]]) -> list[tuple[str, str, list[dict[str, Any]]]]:
    text = "Drawn onto your good images at medium strength. Not your defects."
    clean = [row for row in rows if not row["label"]][:1]
    drawn = [
        (f"Synthetic: {kind}", text, [row for row in rows if row["defect"] == f"{kind}, medium"][:ORIGINALS])
        for kind in KINDS
    ]
    return [*drawn, ("Without a defect", "One of the same images as it was.", clean)]


def _cards(
    rows: list[dict[str, Any]], tables: dict[str, dict[str, Any]], detectors: Mapping[str, "Detector"]
) -> list[Card]:
    views: dict[str, list[View]] = {row["path"]: [] for row in rows}
    pictures: dict[str, tuple[str, bool]] = {}
    for label, detector in detectors.items():
        results = (shrunk(result, SIDE) for result in detector.predict_many(list(views)))
        for row, result in zip(rows, results, strict=True):
            if result.image is None:  # the file has gone since it was measured
                continue
            mask = framed_mask(row["mask"], detector.frame, result)
            if row["path"] not in pictures:
                image = result.image if mask is None else draw_contour(result.image, mask)
                pictures[row["path"]] = data_uri(image), mask is not None
            verdict = tables[label][row["path"]]
            views[row["path"]].append(
                View(
                    label,
                    data_uri(result.overlay(detector.heat_scale, mask)),
                    _verdict(verdict),
                    bool(verdict["label"]) == verdict["is_anomalous"],
                    _ratio(verdict["score"], detector.calibration.threshold),
                )
            )
    return [
        Card(Path(row["path"]).name, row["defect"], *pictures[row["path"]], views[row["path"]])
        for row in rows
        if row["path"] in pictures
    ]


def _verdict(row: dict[str, Any]) -> str:
    if row["label"]:
        return "found" if row["is_anomalous"] else "missed"
    return "false alarm" if row["is_anomalous"] else "passed"


def _ratio(score: float, threshold: float) -> str:
    return short_number(score / threshold) if threshold > 0 else ""
