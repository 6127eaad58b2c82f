"""A comparison as a few lines for the terminal."""

from typing import Any

from blemish.comparison.result import Comparison
from blemish.reports.numbers import duration, fraction, interval, megabytes, percent, short_number


def summary(comparison: Comparison) -> str:
    """A table with a line per method, the recommendation and the notes."""
    pixel = not comparison.synthetic and any(row["pixel"] for row in comparison.methods)
    heads = ["method", comparison.measure or "AUROC", "95 % interval", *(["AUPRO"] if pixel else [])]
    lines = [[*heads, "false alarms", "fit", "memory", "file", "images/s"]]
    for row in comparison.methods:
        cells = [row["label"], fraction(row["auroc"]), interval(row["auroc_interval"])]
        cells += [fraction((row["pixel"] or {}).get("aupro_30"))] if pixel else []
        lines.append([*cells, percent(row["false_alarms"]["observed"]), *costs(row)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = [
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in lines
    ]
    text = "\n".join([*table, "", *comparison.recommendation["sentences"], "", *comparison.notes])
    return text.replace("\N{NO-BREAK SPACE}", " ").rstrip()


def costs(row: dict[str, Any]) -> list[str]:
    """Fit, peak memory, model file and speed of a method, with units."""
    memory = row["peak_memory_mb"]
    return [
        duration(row["fit_seconds"]),
        "n/a" if memory is None else f"{memory:.0f} MB",
        megabytes(row["model_bytes"]),
        short_number(row["images_per_second"]),
    ]
