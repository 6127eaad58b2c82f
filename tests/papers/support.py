"""A small table, and made-up results."""

import math
from typing import Any

import numpy as np

from blemish.evaluation.metrics import auroc
from blemish.papers.plan import Missing
from blemish.papers.table import Table

CATEGORIES = [f"part{number}" for number in range(6)]
PADIM, SPADE = {"method": "padim"}, {"method": "spade"}
FIRST = {"part0": (90.0, 80.0), "all": (70.0, math.nan)}
SECOND = {"part0": (91.0, 81.0), "all": (92.0, 82.0)}


def section(categories: list[str], data: str = "mvtec") -> dict[str, Any]:
    return {"data": data, "categories": categories, "averages": {"all": categories}}


def table(**fields: Any) -> Table:
    """Two measured rows and a quoted one on six categories; "first" is printed wrongly in one place."""
    values: dict[str, Any] = {
        "name": "test-1",
        "title": "A & B",
        "source": "Nobody 2020, table 1",
        "metrics": ("image_auroc", "pixel_auroc"),
        "unit": "percent",
        "sections": (section(CATEGORIES),),
        "columns": ("part0", "all"),
        "rows": (
            {"id": "first", "name": "1*2|3", "config": PADIM, "published": FIRST},
            {"id": "second", "name": "S_2", "config": SPADE, "published": SECOND},
            {"id": "third", "name": "Old", "published": {"all": (50.0, 51.0)}},
        ),
        "corrections": ({"row": "first", "column": "all", "value": (75.0, math.nan), "why": "A slip."},),
    }
    if "rows" in fields:
        values["corrections"] = ()
    return Table.model_validate(values | fields)


def result(
    row: str, category: str, seed: int = 0, shift: float = 1.0, *, scores: Any = None, **fields: Any
) -> dict[str, Any]:
    """Of as many good as defective test images: 20, `shift` standard deviations apart, unless it is said."""
    rng = np.random.default_rng([seed, *row.encode(), *category.encode()])
    if scores is None:
        scores = np.concatenate([rng.normal(size=20), rng.normal(shift, size=20)])
    labels = np.repeat([0, 1], len(scores) // 2)
    name = f"{row} {category} {seed}"
    values: dict[str, Any] = {
        "row": row,
        "data": "mvtec",
        "category": category,
        "seed": seed,
        "image_auroc": auroc(scores, labels),
        "pixel_auroc": 0.9 + 0.01 * seed,
        "scores": scores.tolist(),
        "labels": labels.tolist(),
        "curve": [{"epoch": 1, "loss": 1.0, "validation_loss": 0.5, "seconds": 2.0}],
        "fit": name,
        "fit_seconds": 60.0,
        "score_seconds": 4.0,
        "fingerprint": name,
        **{"machine": "m", "versions": "v", "teacher": ""},
    }
    return values | fields


def missing(row: str, category: str, seed: int, reason: str) -> Missing:
    return Missing("test-1", row, "mvtec", category, seed, reason)


def full(seeds: int = 2) -> list[dict[str, Any]]:
    """All results of `table`."""
    return [
        result(row, category, seed, shift)
        for row, shift in (("first", 0.5), ("second", 2.0))
        for category in CATEGORIES
        for seed in range(seeds)
    ]
