"""A detector on labelled images: metrics per image, per pixel and per kind of defect."""

import math
import time
from collections import Counter
from dataclasses import dataclass, field, fields
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from blemish.datasets.checks import check_mask
from blemish.datasets.loading import load_mask
from blemish.datasets.sample import GOOD, Sample
from blemish.errors import DatasetError
from blemish.evaluation.metrics import auroc, image_metrics, or_none, pixel_metrics
from blemish.evaluation.notes import frame_notes, image_notes, mask_notes, part_notes, rule_notes
from blemish.evaluation.regions import count_regions
from blemish.images.frame import Frame
from blemish.images.reading import frame_digest, mask_to_frame
from blemish.inference.regions import label_regions
from blemish.inference.rules import VERDICTS
from blemish.progress import progress_bar

if TYPE_CHECKING:
    from blemish.inference.detector import Detector


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` measured. Fractions are in 0..1; what cannot be measured is None, and a note says why.

    Attributes:
        name: of the data set.
        image: "auroc", "ap", "f1_max", "auroc_interval" ([low, high], 95 %).
        pixel: "auroc", "ap", "f1_max", "aupro_30", "aupro_05" over the good images and the defective ones
            that have a mask; None when no image has one.
        regions: what `blemish.evaluation.regions.count_regions` says of the same images; None likewise.
        defects: per kind, "images", "auroc" (this kind against all good images), "flagged" (how many),
            "detected" (their share) and "masks_outside".
        false_alarms: "good_images", "flagged", "observed" (the share) with its 95 % "interval", "asked" and
            "in_force" (the rates of the calibration).
        detected: "defective_images", "flagged", "share".
        masks_outside: per kind, how many defective images have a mask that lies wholly outside the frame,
            so that the network never saw the defect; kinds without any are not listed.
        threshold: an image is anomalous when its score is above it, but for rules in force.
        calibration_note: a sentence when the rate asked for cannot be kept, else "".
        verdicts: with rules in force how many of the "good" and "defective" images are called "good", "look
            again" and "defective"; else None.
        notes: sentences on what could not be measured.
        warning: why these numbers must not be compared with others, else "".
        seconds: to score all images.
        model: the detector's metadata.
        unreadable: "path" and "error" of every image that could not be scored; no metric counts them.
        images: one row per scored image: path, score, p_value, is_anomalous, is_other_part, label (0 or 1),
            defect, mask (its path or None), with rules in force verdict and decided_by too.
    """

    name: str
    image: dict[str, Any]
    pixel: dict[str, Any] | None
    regions: dict[str, int] | None
    defects: dict[str, dict[str, Any]]
    false_alarms: dict[str, Any]
    detected: dict[str, Any]
    masks_outside: dict[str, int]
    threshold: float
    calibration_note: str
    verdicts: dict[str, dict[str, int]] | None
    notes: list[str]
    warning: str
    seconds: float
    model: dict[str, Any]
    unreadable: list[dict[str, str]]
    images: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for `json.dumps`."""
        values = {field.name: getattr(self, field.name) for field in fields(Evaluation)}
        seconds = values.pop("seconds")
        speed = {"seconds": seconds, "images_per_second": len(self.images) / seconds}
        return {"name": values.pop("name"), "speed": speed, **values}


def evaluate(detector: "Detector", samples: list[Sample], *, name: str = "") -> Evaluation:
    """Score labelled images and measure how well the detector tells good from defective.

    The order of the samples changes no metric. Good images count in the pixel metrics with an empty mask;
    defective images without a mask are left out of them; what alignment hides counts as least anomalous.
    Masks are read first, so that a broken one is found before the long part. Memory grows with the maps
    (float32 [H, W] each, of different sizes with tiles or `pad`) only where there are masks.

    Raises:
        DatasetError: there are no samples, one has no label, none can be scored, or with tiles or `pad`
            a mask does not have its image's size.
        ImageError: a mask cannot be read. An unreadable image is listed in the evaluation instead.
    """
    if not samples:
        raise DatasetError("There are no test images to evaluate on.")
    for sample in samples:
        if sample.label not in (0, 1):
            raise DatasetError(f"{sample.path} has no label: say whether it is good or defective.")
    marked: dict[str, float] = {}
    masks = [_framed_mask(sample, detector.frame, marked) for sample in samples]
    scored = _score(detector, samples, masks)
    if not scored.rows:
        reason = scored.unreadable[0]["error"]
        raise DatasetError(f"None of the images could be scored; the first one: {reason}")
    scores = np.array([row["score"] for row in scored.rows], np.float64)
    defective = np.array([row["label"] for row in scored.rows], bool)
    flagged = np.array([row["is_anomalous"] for row in scored.rows], bool)
    seen = zip(samples, masks, strict=True)
    outside = Counter(sample.defect for sample, mask in seen if mask is not None and not mask.any())
    alarms, found = flagged[~defective], flagged[defective]
    calibration = detector.calibration
    with_masks = any(mask is not None for mask in masks)
    label = partial(_label_regions, detector)
    verdicts = _verdicts(detector, scored.rows)
    return Evaluation(
        name=name,
        image=image_metrics(scores, defective),
        pixel=pixel_metrics(scored.maps, scored.masks) if with_masks else None,
        regions=count_regions(scored.maps, scored.masks, label) if with_masks else None,
        defects=_per_defect(scored.rows, scores, defective, flagged, outside),
        false_alarms={
            "good_images": len(alarms),
            "flagged": int(np.sum(alarms)),
            "observed": _share(alarms),
            "interval": _wilson_interval(alarms),
            "asked": calibration.false_alarm_rate,
            "in_force": calibration.effective_rate,
        },
        detected={"defective_images": len(found), "flagged": int(np.sum(found)), "share": _share(found)},
        masks_outside=dict(sorted(outside.items())),
        threshold=calibration.threshold,
        calibration_note=calibration.note,
        verdicts=verdicts,
        notes=image_notes(samples, masks, len(scored.unreadable), scored.known)
        + mask_notes(marked)
        + part_notes(scored.rows)
        + frame_notes(detector)
        + rule_notes(detector, verdicts),
        warning=detector.warning,
        seconds=scored.seconds,
        model=dict(detector.metadata),
        unreadable=scored.unreadable,
        images=scored.rows,
    )


@dataclass
class _Scored:
    """Rows of the scored images, maps and masks [H, W] for the pixel metrics, and how many images the model
    was fitted to."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    unreadable: list[dict[str, str]] = field(default_factory=list)
    maps: list[np.ndarray] = field(default_factory=list)
    masks: list[np.ndarray] = field(default_factory=list)
    known: int = 0
    seconds: float = 0.0


def _score(detector: "Detector", samples: list[Sample], masks: list[np.ndarray | None]) -> _Scored:
    scored = _Scored()
    fitted = set(detector.metadata.get("data", {}).get("frames", ()))
    with_maps = any(mask is not None for mask in masks)
    start = time.perf_counter()
    results = detector.predict_many([sample.path for sample in samples], consecutive=True)
    with progress_bar("Scoring", len(samples)) as advance:
        for sample, mask, result in zip(samples, masks, results, strict=True):
            advance()
            if result.error:
                scored.unreadable.append({"path": str(sample.path), "error": result.error})
                continue
            row = result.to_row() | {
                "label": int(bool(sample.label)),
                "defect": sample.defect if sample.label else GOOD,
                "mask": str(sample.mask) if sample.label and sample.mask else None,
            }
            del row["error"]
            scored.rows.append(row)
            scored.known += result.image is not None and frame_digest(result.image) in fitted
            anomaly_map = result.anomaly_map
            if anomaly_map is not None and with_maps and (mask is not None or not sample.label):
                scored.maps.append(np.nan_to_num(anomaly_map, nan=np.nanmin(anomaly_map)))
                scored.masks.append(np.zeros(anomaly_map.shape, bool) if mask is None else mask)
    scored.seconds = time.perf_counter() - start
    return scored


def _framed_mask(sample: Sample, frame: Frame, marked: dict[str, float]) -> np.ndarray | None:
    """The mask as the network's frame cuts it, bool [H, W]; None for good images, no mask or an empty one.

    Notes in `marked` what share of the image it marks.
    """
    if sample.mask is None or not sample.label:
        return None
    mask = load_mask(sample.mask)
    if frame.keeps_proportions:
        check_mask(sample)
    marked[str(sample.mask)] = float(mask.mean())
    return mask_to_frame(mask, frame) if mask.any() else None


def _per_defect(
    rows: list[dict[str, Any]],
    scores: np.ndarray,
    defective: np.ndarray,
    flagged: np.ndarray,
    outside: Counter[str],
) -> dict[str, dict[str, Any]]:
    kinds = np.array([row["defect"] for row in rows], dtype=object)
    table = {}
    for kind in sorted(set(kinds[defective])):
        here = defective & (kinds == kind)
        against_good = here | ~defective
        table[kind] = {
            "images": int(np.sum(here)),
            "auroc": or_none(auroc(scores[against_good], here[against_good])),
            "flagged": int(np.sum(flagged[here])),
            "detected": _share(flagged[here]),
            "masks_outside": outside[kind],
        }
    return table


def _label_regions(detector: "Detector", anomaly_map: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if detector.rules is not None and detector.rules.decide_by_map:
        return detector.rules.label(anomaly_map, detector.calibration)
    return label_regions(anomaly_map, detector.map_peaks)


def _verdicts(detector: "Detector", rows: list[dict[str, Any]]) -> dict[str, dict[str, int]] | None:
    if detector.rules is None:
        return None
    counts = {kind: dict.fromkeys(VERDICTS, 0) for kind in ("good", "defective")}
    for row in rows:
        counts["defective" if row["label"] else "good"][row["verdict"]] += 1
    return counts


def _share(flags: np.ndarray) -> float | None:
    return float(flags.mean()) if flags.size else None


def _wilson_interval(flags: np.ndarray) -> list[float] | None:
    """95 % Wilson score interval of the share of true flags, [low, high]; None where there are no flags."""
    if not flags.size:
        return None
    z, n, share = 1.959964, flags.size, float(flags.mean())
    centre = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return [max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)]
