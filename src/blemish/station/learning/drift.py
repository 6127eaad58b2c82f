"""Whether what comes in still looks like what the calibration was made from."""

import math

import numpy as np

from blemish.station.recipe import Recipe
from blemish.station.records import Verdict
from blemish.station.schemas import Drift

LAST = 200  # inspections looked at
MIN_INSPECTIONS = 30
MIN_CALIBRATION = 20
CHANCE = 0.001  # of a warning although nothing has changed, at one look
SHIFT = 0.1  # calibration ranges; less does not matter
TIMES = 2  # times the rate of alarms; less does not matter


def measure_drift(recipe: Recipe) -> Drift:
    """Compare the active model's last scored inspections, but for confirmed defects, with its calibration.

    Without drift one look warns wrongly with a chance of at most 0.001, as far as images are independent;
    images that resemble their predecessors, or a look at every image, make it more. The test is that of
    N. V. Smirnov, "On the estimation of the discrepancy between empirical curves of distribution for two
    independent samples", 1939; equal values make the true chance smaller.
    """
    active = recipe.models.active
    calibration = active.calibration
    points = recipe.store.points(recipe.scored, LAST)
    points = [point for point in points if point.feedback != Verdict.DEFECT]
    scores = np.array([point.score for point in points], np.float32)
    known = calibration.scores
    found = Drift(count=len(scores), rate=active.rate)
    needed = (("scored", len(scores), MIN_INSPECTIONS), ("calibration", len(known), MIN_CALIBRATION))
    for kind, count, enough in needed:
        if count < enough:
            unsure = f"Too few {kind} images to tell: {count}, where {enough} are enough."
            return found.model_copy(update={"unsure": unsure})
    from scipy.stats import ks_2samp, kstwobign

    ks = float(ks_2samp(scores, known, method="asymp").statistic)
    p = float(kstwobign.sf(ks * math.sqrt(len(scores) * len(known) / (len(scores) + len(known)))))
    low, high = np.quantile(known, (0.05, 0.95))
    spread = max(float(high - low), 1e-6 * float(np.abs(known).max()), 1e-30)
    shift = float(np.median(scores) - np.median(known)) / spread
    recorded = [point.is_anomalous for point in points]
    alarms = float(np.mean(recorded if active.rules_decide else calibration.is_anomalous(scores)))
    matters = abs(shift) >= SHIFT or alarms > TIMES * found.rate
    again = "fit" if active.rules_decide else "calibrate"
    message = _message(len(scores), shift, alarms, found.rate, again) if p < CHANCE and matters else ""
    measured = {"ks": ks, "p": p, "shift": shift, "alarms": alarms, "message": message}
    return found.model_copy(update=measured)


def _message(count: int, shift: float, alarms: float, rate: float, again: str) -> str:
    if abs(shift) < SHIFT:
        how = "spread more widely than those of the calibration"
    else:
        where = "higher" if shift > 0 else "lower"
        how = f"are {where} than those of the calibration (median by {abs(shift):.2g} of its range)"
    many = shift >= SHIFT or alarms > TIMES * rate
    advice = "or whether there really are more defects" if many else f"then {again} again"
    return (
        f"The last {count} scores {how}, with {100 * alarms:.2g} % alarms: "
        f"look at light, focus and material, {advice}."
    )
