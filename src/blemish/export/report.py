"""What people are told of an export."""

from dataclasses import dataclass
from pathlib import Path

from blemish.export.parity import Parity
from blemish.export.worth import LOSS, Worth

FLIPPED = 0.05
RANK_CORRELATION = 0.9  # where there are no labels: less, and other images would stand out than before


@dataclass(frozen=True)
class ExportReport:
    """The outcome of an export; as text it is the table of what was compared, and the remarks.

    Attributes:
        path: the file written.
        rows: one per engine and precision, the original first.
        worth: what the remarks on an int8 graph's speed and on synthetic defects are from, None for float32.
    """

    path: Path
    rows: list[Parity]
    worth: Worth | None = None

    def __str__(self) -> str:
        cells = [_cells(row, number == 0) for number, row in enumerate(self.rows)]
        used = [head for head in cells[0] if any(row[head] for row in cells)]
        lines = [{head: head for head in used}, *cells]
        widths = {head: max(len(line[head]) for line in lines) for head in used}
        table = ["  ".join(line[head].ljust(widths[head]) for head in used).rstrip() for line in lines]
        integers = any(row.flips_uncalibrated is not None for row in self.rows)
        brackets = " (in brackets: with the original's threshold)" if integers else ""
        legend = (
            "Score differences are in ranges of the calibration scores, map differences in the largest value "
            f"of the original's maps, flips are verdicts that differ{brackets}."
        )
        return "\n".join([*table, legend, *self.remarks])

    @property
    def remarks(self) -> list[str]:
        """What integers gain and miss, and warnings where they judge worse than the original."""
        before = self.rows[0].image_auroc
        found = []
        for row in self.rows:
            if row.precision == "fp32":
                continue
            which = f"Warning: in {row.engine} {row.precision}"
            if row.flips > FLIPPED * row.images:
                found.append(
                    f"{which} changes {row.flips} of {row.images} verdicts; "
                    "calibrate it on more images, or export without --int8."
                )
            if before is not None and row.image_auroc is not None:
                if before - row.image_auroc > LOSS:
                    found.append(
                        f"{which} loses image AUROC, {before:.3f} to {row.image_auroc:.3f}; "
                        "export without --int8 if that is too much."
                    )
            elif row.rank_correlation < RANK_CORRELATION:
                found.append(
                    f"{which} ranks the images otherwise (rank correlation "
                    f"{row.rank_correlation:.2f}); measure it on labelled images before you rely on it."
                )
        return found + (self.worth.remarks if self.worth else [])


def _cells(row: Parity, is_original: bool) -> dict[str, str]:
    flips = str(row.flips)
    if row.flips_uncalibrated is not None:
        flips += f" ({row.flips_uncalibrated})"
    return {
        "engine": row.engine,
        "precision": row.precision,
        "images": str(row.images),
        "score difference": "" if is_original else f"{row.score_difference:.1e}",
        "map difference": "" if is_original else f"{row.map_difference:.1e}",
        "flips": "" if is_original else flips,
        "image AUROC": "" if row.image_auroc is None else f"{row.image_auroc:.4f}",
        "pixel AUROC": "" if row.pixel_auroc is None else f"{row.pixel_auroc:.4f}",
    }
