"""What a comparison found, and as a few lines for the terminal."""

import html
from dataclasses import asdict, dataclass
from typing import Any

from blemish.reports.numbers import duration, fraction, interval, megabytes, percent, short_number


@dataclass(frozen=True, repr=False)
class Comparison:
    """Several methods on the same images. Fractions are in 0..1; what cannot be measured is None.

    Attributes:
        name: of the data set.
        images: "train", "good" and "defective" (to measure on), and "kept_out", how many of the good ones
            were taken from the training images.
        measure: what the methods are ranked by: "image AUROC", or "synthetic AUROC" where there are no
            defective images; "" where neither could be measured.
        methods: one dictionary per method, in the order asked for:
            "label", "method", "preset" (in force, "" for none), "seeds", "models" (paths, one per seed),
            "auroc" (mean over seeds), "auroc_interval" ([low, high], 95 %) and "auroc_seeds", of `measure`;
            "ap", "f1_max" (means over seeds, real defects only);
            "pixel" ("auroc", "aupro_30", "aupro_05", means over seeds, of the same images as `measure`; or
            None) and "aupro_seeds" (of 30 %); "kinds" (AUROC of each kind of defect, mean over seeds);
            "false_alarms" and "detected" (as in `blemish.evaluation.evaluate.Evaluation`, of the first seed;
            with "p", the chance of at least so many false alarms where test images are like those of the
            calibration, how many these were, "calibrated_on", and "unlike", "more" or "fewer", where the
            interval excludes the rate in force, else "");
            "stability" (rank correlation of good images' scores between seeds);
            "fit_seconds" (mean over seeds), "peak_memory_mb" while fitting and "model_bytes" (largest over
            seeds), "images_per_second" (scoring decoded frames, first seed: the median) of the "turns".
        differences: in `measure`, one dictionary per pair of methods: "first", "second", "difference" (first
            minus second), "interval" (95 %, by a paired bootstrap), "p", "p_corrected" (Holm, over the pairs;
            both None with too few images to test) and "significant" (p_corrected below 0.05).
        recommendation: "heading", "best", "choice", "candidates" (the best, and those close to it and not
            significantly worse), "smallest" and "sentences"; no choice where nothing surely beats guessing.
        machine: "device" and "threads" that scored.
        notes: sentences on what could not be measured or must be borne in mind.
    """

    name: str
    images: dict[str, int]
    measure: str
    methods: list[dict[str, Any]]
    differences: list[dict[str, Any]]
    recommendation: dict[str, Any]
    machine: dict[str, Any]
    notes: list[str]

    def __repr__(self) -> str:
        of = ", ".join(f"{row['label']} {fraction(row['auroc'])}" for row in self.methods)
        return f"<Comparison on {self.name}: {self.measure or 'not measured'}, {of}>"

    def __str__(self) -> str:
        """A table with a line per method, the recommendation and the notes."""
        pixel = not self.synthetic and any(row["pixel"] for row in self.methods)
        heads = ["method", self.measure or "AUROC", "95 % interval", *(["AUPRO"] if pixel else [])]
        lines = [[*heads, "false alarms", "fit", "memory", "file", "images/s"]]
        for row in self.methods:
            cells = [row["label"], fraction(row["auroc"]), interval(row["auroc_interval"])]
            cells += [fraction((row["pixel"] or {}).get("aupro_30"))] if pixel else []
            alarms = row["false_alarms"]
            lines.append([*cells, percent(alarms["observed"]) + " *" * bool(alarms["unlike"]), *costs(row)])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
            for line in lines
        ]
        text = "\n".join([*table, "", *self.recommendation["sentences"], "", *self.notes])
        return text.replace("\N{NO-BREAK SPACE}", " ").rstrip()

    def _repr_html_(self) -> str:
        """The same lines, for a notebook."""
        return f"<pre>{html.escape(str(self))}</pre>"

    @property
    def synthetic(self) -> bool:
        """Whether the defects measured on are synthetic."""
        return not self.images["defective"]

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for `json.dumps`."""
        return asdict(self)


def costs(row: dict[str, Any]) -> list[str]:
    """Fit, peak memory, model file and speed of a method, with units."""
    memory = row["peak_memory_mb"]
    return [
        duration(row["fit_seconds"]),
        "n/a" if memory is None else f"{memory:.0f} MB",
        megabytes(row["model_bytes"]),
        short_number(row["images_per_second"]),
    ]
