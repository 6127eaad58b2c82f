"""What an export compared, for people."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blemish.export.parity import Parity

AUROC_LOSS = 0.01
FLIPPED = 0.05
RANK_CORRELATION = 0.9  # where there are no labels: less, and other images would stand out than before

HEADER = (
    "engine",
    "precision",
    "images",
    "score difference",
    "map difference",
    "flips",
    "image AUROC",
    "pixel AUROC",
)
LEGEND = (
    "Score differences are in ranges of the calibration scores, map differences in the largest value of the "
    "original's maps, flips are verdicts that differ{}."
)
UNCALIBRATED = " (in brackets: with the original's threshold)"


@dataclass(frozen=True)
class ExportReport:
    """The outcome of an export; as text it is the table of what was compared, and the remarks.

    Attributes:
        path: the file written.
        rows: one per engine and precision, the original first.
        remarks: sentences that the user should read.
    """

    path: Path
    rows: tuple[Parity, ...]
    remarks: tuple[str, ...]

    def __str__(self) -> str:
        cells = [HEADER, *(_cells(row, number == 0) for number, row in enumerate(self.rows))]
        used = [column for column in range(len(HEADER)) if any(row[column] for row in cells[1:])]
        widths = {column: max(len(row[column]) for row in cells) for column in used}
        lines = ["  ".join(row[column].ljust(widths[column]) for column in used).rstrip() for row in cells]
        integers = any(row.flips_uncalibrated is not None for row in self.rows)
        return "\n".join([*lines, LEGEND.format(UNCALIBRATED if integers else ""), *self.remarks])


def remarks(rows: list[Parity]) -> Iterator[str]:
    """Warnings about int8 graphs that judge worse than the original."""
    original = rows[0]
    for row in rows:
        if row.precision == "fp32":
            continue
        if row.flips > FLIPPED * row.images:
            yield (
                f"Warning: in {row.engine} {row.precision} changes {row.flips} of {row.images} verdicts; "
                "calibrate it on more images, or export without --int8."
            )
        if original.image_auroc is not None and row.image_auroc is not None:
            if original.image_auroc - row.image_auroc > AUROC_LOSS:
                yield (
                    f"Warning: in {row.engine} {row.precision} loses image AUROC, {original.image_auroc:.3f} "
                    f"to {row.image_auroc:.3f}; export without --int8 if that is too much."
                )
        elif row.rank_correlation < RANK_CORRELATION:
            yield (
                f"Warning: in {row.engine} {row.precision} ranks the images otherwise (rank correlation "
                f"{row.rank_correlation:.2f}); measure it on labelled images before you rely on it."
            )


def _cells(row: Parity, is_original: bool) -> tuple[str, ...]:
    flips = str(row.flips)
    if row.flips_uncalibrated is not None:
        flips += f" ({row.flips_uncalibrated})"
    return (
        row.engine,
        row.precision,
        str(row.images),
        "" if is_original else f"{row.score_difference:.1e}",
        "" if is_original else f"{row.map_difference:.1e}",
        "" if is_original else flips,
        "" if row.image_auroc is None else f"{row.image_auroc:.4f}",
        "" if row.pixel_auroc is None else f"{row.pixel_auroc:.4f}",
    )
