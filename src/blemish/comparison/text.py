"""A comparison as a few lines for the terminal."""

import math

from blemish.comparison.recommendation import interval, size
from blemish.comparison.result import Comparison
from blemish.reports.numbers import fraction, percent, short_number


def summary(comparison: Comparison) -> str:
    """A table with a line per method, the recommendation and the notes."""
    heads = ["method", comparison.measure or "AUROC", "95 % interval"]
    pixel = not comparison.synthetic and any(row["pixel"] for row in comparison.methods)
    heads += ["AUPRO"] if pixel else []
    heads += ["false alarms", "fit", "memory", "file", "images/s"]
    lines = [heads]
    for row in comparison.methods:
        cells = [
            row["label"],
            fraction(row["auroc"]),
            interval(row["auroc_interval"]),
        ]
        if pixel:
            cells.append(fraction(row["pixel"]["aupro_30"] if row["pixel"] else None))
        cells += [percent(row["false_alarms"]["observed"]), *costs(row)]
        lines.append(cells)
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    table = [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    text = "\n".join([*table, "", *comparison.recommendation["sentences"], "", *comparison.notes])
    return text.replace("\N{NO-BREAK SPACE}", " ").rstrip()


def costs(row: dict[str, object]) -> list[str]:
    """Fit, peak memory, model file and speed of a method, with units."""
    memory = row["peak_memory_mb"]
    return [
        duration(row["fit_seconds"]),  # type: ignore[arg-type]
        "n/a" if memory is None else f"{memory:.0f} MB",
        size(row["model_bytes"]),  # type: ignore[arg-type]
        short_number(row["images_per_second"]),  # type: ignore[arg-type]
    ]


def duration(seconds: float) -> str:
    """Seconds as "45 s", "3 min 20 s" or "2 h 5 min"."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 9.5 else f"{seconds:.0f} s"
    minutes = math.floor(seconds / 60)
    if minutes < 60:
        return f"{minutes} min {int(seconds % 60)} s"
    return f"{minutes // 60} h {minutes % 60} min"
