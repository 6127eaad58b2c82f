"""The inspection on a golden set: what it finds, how it repeats, and what was measured with what."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blemish import __version__
from blemish.acceptance.agreement import agreement, shares
from blemish.acceptance.labels import read_labels
from blemish.datasets.golden import GoldenSet
from blemish.datasets.sample import GOOD
from blemish.errors import DatasetError
from blemish.evaluation.evaluate import Evaluation, evaluate
from blemish.files import file_digest
from blemish.images.finding import FilePath
from blemish.inference.rules import rules_files

if TYPE_CHECKING:
    from blemish.inference.detector import Detector

RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Acceptance:
    """What `measure` found, ready for `json.dumps`. Shares are as `blemish.acceptance.agreement.shares`.

    A defective part is found where every picture of it is called defective; a good part is a false alarm
    where any is.

    Attributes:
        name: of the golden set.
        date: of the measurement, as YYYY-MM-DD in UTC.
        version: of Blemish.
        model: "file", "method", "preset", "engine", "precision" and "tolerate".
        rate: "asked" and "in_force", the false-alarm rates of the calibration, and "threshold" of the score,
            None where zones or sizes of rules decide.
        found, false_alarms: shares of the defective and of the good parts.
        kinds: by kind of defect, shares found.
        repeatability: shares of the parts seen more than once whose verdict never changed, and "spread", as
            `_spread` says, by "good" and "defective", empty without a threshold; None where no part was seen
            twice.
        agreement: as `blemish.acceptance.agreement.agreement`.
        rates: for false-alarm rates that the calibration supports, "rate", and shares "found" and
            "false_alarms".
        parts: of each part "name", "defect", "right", and its "pictures": "name", "score", "p_value" and
            "is_anomalous".
        fingerprints: SHA-256 by what it is of: each file of the model, its rules, the golden set, the labels.
        notes: sentences that the reader must know.
    """

    name: str
    date: str
    version: str
    model: dict[str, Any]
    rate: dict[str, float | None]
    found: dict[str, Any]
    false_alarms: dict[str, Any]
    kinds: dict[str, dict[str, Any]]
    repeatability: dict[str, Any] | None
    agreement: dict[str, Any]
    rates: list[dict[str, Any]]
    parts: list[dict[str, Any]]
    fingerprints: dict[str, str]
    notes: list[str]


def measure(
    detector: "Detector", model: Path, golden: GoldenSet, labels: FilePath | None = None
) -> tuple[Acceptance, Evaluation]:
    """Score a golden set and set its verdicts beside the reference and people's labels.

    Args:
        detector: the inspection.
        model: the file that it is of.
        golden: the parts.
        labels: a table of people's labels (`blemish.acceptance.labels.read_labels`).

    Raises:
        DatasetError: a picture cannot be scored, or the labels do not fit.
        ImageError: a mask cannot be read.
    """
    people = read_labels(labels, golden) if labels else {}
    evaluation = evaluate(detector, golden.samples, name=golden.name)
    for picture in evaluation.unreadable:
        raise DatasetError(
            f"{picture['error'].rstrip('.')}; a golden set must be whole: replace the picture."
        )
    parts = _parts(golden, evaluation)
    calibration, rules = detector.calibration, detector.rules
    threshold = None if rules and rules.decide_by_map else calibration.threshold
    if rules:
        calibration = rules.calibration(calibration)
    in_force, lowest = calibration.effective_rate, 1 / (len(calibration.scores) + 1)
    rates = sorted({in_force, *(rate for rate in RATES if rate >= lowest)})
    reference = {part["name"]: part["defect"] != GOOD for part in parts}
    inspection = {part["name"]: [one["is_anomalous"] for one in part["pictures"]] for part in parts}
    acceptance = Acceptance(
        name=golden.name,
        date=datetime.now(UTC).date().isoformat(),
        version=__version__,
        model={
            "file": model.name,
            **{key: detector.metadata[key] for key in ("method", "preset", "precision", "tolerate")},
            "engine": detector.engine.name,
        },
        rate={
            "asked": detector.calibration.false_alarm_rate,
            "in_force": in_force,
            "threshold": threshold,
        },
        **_verdicts(parts),
        kinds={
            kind: _verdicts([part for part in parts if part["defect"] == kind])["found"]
            for kind in sorted({part["defect"] for part in parts} - {GOOD})
        },
        repeatability=_repeatability(parts, threshold),
        agreement=agreement(reference, inspection, people),
        rates=[{"rate": rate, **_verdicts(parts, rate)} for rate in rates],
        parts=parts,
        fingerprints=_fingerprints(model, golden, labels),
        notes=[note for note in (detector.warning, evaluation.calibration_note, *evaluation.notes) if note],
    )
    return acceptance, evaluation


def _parts(golden: GoldenSet, evaluation: Evaluation) -> list[dict[str, Any]]:
    parts: dict[str, dict[str, Any]] = {}
    for sample, row in zip(golden.samples, evaluation.images, strict=True):
        part = parts.setdefault(sample.part, {"name": sample.part, "defect": row["defect"], "pictures": []})
        picture = {key: row[key] for key in ("score", "p_value", "is_anomalous")}
        part["pictures"].append({"name": golden.relative(sample.path), **picture})
    for part in parts.values():
        defective = part["defect"] != GOOD
        part["right"] = all(one["is_anomalous"] == defective for one in part["pictures"])
    return list(parts.values())


def _verdicts(parts: Sequence[dict[str, Any]], rate: float | None = None) -> dict[str, dict[str, Any]]:
    """Shares found and of false alarms, as judged or at another false-alarm rate."""

    def flag(picture: dict[str, Any]) -> bool:
        return bool(picture["is_anomalous"] if rate is None else picture["p_value"] <= rate)

    flags = [(part["defect"], [flag(picture) for picture in part["pictures"]]) for part in parts]
    return {
        "found": shares(all(flagged) for defect, flagged in flags if defect != GOOD),
        "false_alarms": shares(any(flagged) for defect, flagged in flags if defect == GOOD),
    }


def _repeatability(parts: Sequence[dict[str, Any]], threshold: float | None) -> dict[str, Any] | None:
    repeated = [part for part in parts if len(part["pictures"]) > 1]
    if not repeated:
        return None
    same = (len({one["is_anomalous"] for one in part["pictures"]}) == 1 for part in repeated)
    by_class = {
        name: [part for part in repeated if (part["defect"] == GOOD) == (name == "good")]
        for name in ("good", "defective")
    }
    spread = {name: _spread(of, threshold) for name, of in by_class.items() if of and threshold is not None}
    return {**shares(same), "spread": spread}


def _spread(parts: Sequence[dict[str, Any]], threshold: float) -> dict[str, Any]:
    """How far scores spread, in units of the median distance of these parts to the threshold.

    "within" a part: the standard deviation of its pictures, pooled over the parts; "between" parts: that of
    the parts' means, None for a single one. "nearest" is the part whose own spread is the largest share
    ("nearest_spread") of its own distance. None where a distance is zero.
    """
    scores = [np.array([one["score"] for one in part["pictures"]]) for part in parts]
    means = np.array([of.mean() for of in scores])
    own = np.array([of.std(ddof=1) for of in scores])
    pooled = np.sqrt(sum(((of - of.mean()) ** 2).sum() for of in scores) / sum(len(of) - 1 for of in scores))
    distances = np.abs(means - threshold)
    unit = float(np.median(distances))
    relative = np.divide(own, distances, out=np.full(len(own), np.inf), where=distances > 0)
    nearest = int(np.argmax(relative))
    return {
        "parts": len(parts),
        "distance": unit,
        "within": float(pooled) / unit if unit else None,
        "between": float(means.std(ddof=1)) / unit if unit and len(parts) > 1 else None,
        "nearest": parts[nearest]["name"],
        "nearest_spread": float(relative[nearest]) if distances[nearest] else None,
    }


def _fingerprints(model: Path, golden: GoldenSet, labels: FilePath | None) -> dict[str, str]:
    weights = [model.with_suffix(".bin")] if model.suffix.lower() == ".xml" else []
    files = [model, *weights, *rules_files(model)]
    prints = {str(path.relative_to(model.parent)): file_digest(path) for path in files if path.is_file()}
    golden_files = [sample.path for sample in golden.samples] + ([golden.table] if golden.table else [])
    lines = sorted((golden.relative(path), file_digest(path)) for path in golden_files)
    text = "".join(f"{digest}  {name}\n" for name, digest in lines)
    prints[f"golden set {golden.name}"] = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    if labels:
        prints[f"labels {Path(labels).name}"] = file_digest(Path(labels))
    return prints
