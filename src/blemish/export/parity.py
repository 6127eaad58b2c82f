"""Whether exported files score as the original does."""

from dataclasses import dataclass, field

import numpy as np

from blemish.calibration import Calibration
from blemish.errors import BlemishError
from blemish.evaluation.metrics import auroc, or_none, pixel_metrics
from blemish.export.probes import Probes
from blemish.inference.engines.base import Engine
from blemish.inference.model_file import Metadata
from blemish.inference.scoring import score_images
from blemish.progress import progress_bar

TOLERANCE = 1e-3  # of the range of the calibration scores, and of the largest value of the maps
RUINED = 0.5  # of the largest value of the maps: more is no rounding to integers
ROUNDING = 1e-2  # the range counts as at least this share of a score: float32 sums agree to some 5 digits
TINY = 1e-30  # for models that give every image the score 0
AT_ONCE = 6  # unlike 1, and unlike the number that the graph was traced with

Candidate = tuple[Engine, Metadata]  # from `open_engine`; the first of several is the original


@dataclass
class Scored:
    """What one candidate makes of all images.

    Attributes:
        scores: one per image.
        maps: float32 [H, W] each, of the images that count for the pixel AUROC.
        map_difference: the largest difference from the original's maps.
        largest: absolute value in any map.
    """

    scores: list[float] = field(default_factory=list)
    maps: list[np.ndarray] = field(default_factory=list)
    map_difference: float = 0.0
    largest: float = 0.0


@dataclass(frozen=True)
class Parity:
    """One candidate beside the original.

    Attributes:
        engine, precision: what ran.
        images: how many.
        score_difference: the largest one, in ranges of the original's calibration scores; NaN where a
            score is.
        map_difference: the largest one, as a share of the largest value in the original's maps, those that
            calibrated included.
        flips: verdicts that differ, in fp32 only where more than rounding can have caused it.
        flips_uncalibrated: of an int8 graph, the flips that the original's calibration would have given.
        rank_correlation: of its scores with the original's (Spearman), 1 with fewer than two images.
        image_auroc, pixel_auroc: of the labelled images, None without.
        worst: the image with the largest score difference.
        flipped: an image whose verdict differs, or "".
    """

    engine: str
    precision: str
    images: int
    score_difference: float
    map_difference: float
    flips: int
    flips_uncalibrated: int | None
    rank_correlation: float
    image_auroc: float | None
    pixel_auroc: float | None
    worst: str
    flipped: str


def score_all(candidates: list[Candidate], probes: Probes) -> list[Scored]:
    """Score every image with every candidate; maps are kept only where a pixel AUROC needs them."""
    outcomes = [Scored() for _ in candidates]
    with progress_bar("Verifying", len(probes)) as advance:
        for start in range(0, len(probes), AT_ONCE):
            rows = range(start, min(start + AT_ONCE, len(probes)))
            images = [probes.load(index) for index in rows]
            originals: list[np.ndarray] = []
            for (engine, _), outcome in zip(candidates, outcomes, strict=True):
                scored = score_images(engine, probes.frame, images, AT_ONCE)
                originals = originals or [anomaly_map for _, anomaly_map in scored]
                for index, (score, anomaly_map), original in zip(rows, scored, originals, strict=True):
                    outcome.scores.append(score)
                    apart = np.abs(anomaly_map - original).max()
                    outcome.map_difference = float(np.maximum(outcome.map_difference, apart))  # keeps NaN
                    outcome.largest = max(outcome.largest, float(np.abs(anomaly_map).max()))
                    if index in probes.masks:
                        outcome.maps.append(anomaly_map)
            advance(len(rows))
    return outcomes


def compare(candidates: list[Candidate], outcomes: list[Scored], probes: Probes) -> list[Parity]:
    """One row per candidate, the original first."""
    original, expected = outcomes[0], np.array(outcomes[0].scores)
    before = Calibration.from_dict(candidates[0][1].calibration)
    verdicts = before.is_anomalous(expected)
    largest = max(np.abs(before.scores).max(), np.abs(expected).max())
    scale = float(max(np.ptp(before.scores) or largest, ROUNDING * largest, TINY))
    sure = np.abs(expected - before.threshold) > TOLERANCE * scale
    largest_map = max(original.largest, *map(abs, candidates[0][1].map_peaks), TINY)
    labels = np.array([-1 if label is None else label for label in probes.labels])
    rows = []
    for (engine, metadata), outcome in zip(candidates, outcomes, strict=True):
        scores, after = np.array(outcome.scores), Calibration.from_dict(metadata.calibration)
        apart = np.abs(scores - expected)
        integers = metadata.precision != "fp32"
        flipped = (_anomalous(after, scores) != verdicts) & (sure | integers)
        rows.append(
            Parity(
                engine=engine.name,
                precision=metadata.precision,
                images=len(scores),
                score_difference=float(apart.max() / scale),
                map_difference=outcome.map_difference / largest_map,
                flips=int(flipped.sum()),
                flips_uncalibrated=int((_anomalous(before, scores) != verdicts).sum()) if integers else None,
                rank_correlation=_rank_correlation(expected, scores),
                image_auroc=or_none(auroc(scores[labels >= 0], labels[labels >= 0])),
                pixel_auroc=_pixel_auroc(outcome.maps, list(probes.masks.values())),
                worst=probes.names[int(np.argmax(apart))],
                flipped=probes.names[int(np.argmax(flipped))] if flipped.any() else "",
            )
        )
    return rows


def check(rows: list[Parity], name: str) -> None:
    """Refuse float32 graphs whose scores, maps or verdicts are not the original's, and ruined int8 graphs.

    Raises:
        BlemishError: naming the engine, the difference and an image.
    """
    written = f"{name} was not written"
    for row in rows:
        if row.precision != "fp32":
            if not row.map_difference <= RUINED:
                raise BlemishError(
                    f"In {row.engine} integers change the anomaly maps by {row.map_difference:.2g} of their "
                    f"largest value; {written}. Export without --int8, or --to the other engine."
                )
            continue
        if not row.score_difference <= TOLERANCE:
            raise BlemishError(
                f"In {row.engine} the score of {row.worst} differs by {row.score_difference:.2g} of the "
                f"range of the calibration scores, more than {TOLERANCE:g}; {written}."
            )
        if not row.map_difference <= TOLERANCE:
            raise BlemishError(
                f"In {row.engine} the anomaly maps differ by {row.map_difference:.2g} of their largest "
                f"value, more than {TOLERANCE:g}; {written}."
            )
        if row.flips:
            raise BlemishError(f"In {row.engine} the verdict on {row.flipped} is another; {written}.")


def _anomalous(calibration: Calibration, scores: np.ndarray) -> np.ndarray:
    """Verdicts bool [n]; a NaN, which has none, counts as anomalous."""
    return np.asarray(calibration.is_anomalous(np.nan_to_num(scores, nan=np.inf)))


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    from scipy.stats import spearmanr

    if min(np.ptp(one), np.ptp(other)) == 0:
        return float(np.ptp(one) == np.ptp(other))
    return float(spearmanr(one, other).statistic)


def _pixel_auroc(maps: list[np.ndarray], masks: list[np.ndarray | None]) -> float | None:
    if all(mask is None for mask in masks):
        return None
    planes = [np.zeros(m.shape, bool) if mask is None else mask for m, mask in zip(maps, masks, strict=True)]
    return pixel_metrics(maps, planes)["auroc"]
