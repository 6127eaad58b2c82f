"""The false-alarm rate and the scores it is kept with: try, change, and learn from confirmed images.

All of it raises `errors.Unavailable` while the database cannot be used, and what changes something
`errors.Conflict` where the model or its calibration was changed meanwhile, or is not the one `expected`, or
where rules decide.
"""

from collections import Counter

import numpy as np

from blemish.reports.numbers import several
from blemish.station.errors import Conflict, NotFound
from blemish.station.models import LoadedModel
from blemish.station.recipe import Recipe
from blemish.station.records import COMMAND_LINE, Author, CalibrationRecord, Verdict
from blemish.station.schemas import Evidence, Preview, kept_rate

SHOWN = 12
CHANCE = 0.01  # of a warning although the images were picked at random


def by_scores(recipe: Recipe) -> LoadedModel:
    """The active model, or Conflict where zones or sizes give its verdicts."""
    active = recipe.models.active
    if active.rules is not None and active.rules_decide:
        raise Conflict(
            f"There is no threshold to set: zones or sizes and the rates of {active.rules.name} give the "
            "verdicts; change these on the page of the rules."
        )
    return active


def preview(recipe: Recipe, false_alarm_rate: float, *, last: int = 1000) -> Preview:
    """What a rate in (0, 1), else ConfigError, would have meant for the active model's `last` inspections."""
    active = by_scores(recipe)
    then = active.calibration.with_rate(false_alarm_rate)
    points = recipe.store.points(recipe.scored, last)
    scores = np.array([point.score for point in points], np.float32)
    good = np.array([point.feedback == Verdict.GOOD for point in points], bool)
    defect = np.array([point.feedback == Verdict.DEFECT for point in points], bool)
    now_alarms, then_alarms = active.calibration.is_anomalous(scores), then.is_anomalous(scores)
    changed = np.flatnonzero(now_alarms != then_alarms)
    nearest = changed[np.argsort(np.abs(scores[changed] - then.threshold), kind="stable")]
    return Preview(
        **kept_rate(then),
        inspections=len(points),
        alarms_now=int(np.count_nonzero(now_alarms)),
        alarms_then=int(np.count_nonzero(then_alarms)),
        newly_alarmed=int(np.count_nonzero(then_alarms & ~now_alarms)),
        no_longer=int(np.count_nonzero(now_alarms & ~then_alarms)),
        confirmed_good=int(np.count_nonzero(good)),
        false_alarms_then=int(np.count_nonzero(good & then_alarms)),
        confirmed_defect=int(np.count_nonzero(defect)),
        missed_then=int(np.count_nonzero(defect & ~then_alarms)),
        changed=[points[index].id for index in nearest[:SHOWN]],
    )


def set_rate(
    recipe: Recipe, rate: float, *, expected: int | None = None, by: Author = COMMAND_LINE
) -> CalibrationRecord:
    """Keep another rate, inside (0, 1) or ConfigError, from the next image on; past verdicts stay."""
    active = _active(recipe, expected)
    if rate == active.calibrated.false_alarm_rate:
        return active.calibrated
    active.calibration.with_rate(rate)  # refuses what is out of range
    if active.rules is not None and active.rules.rules.defective is not None:
        raise Conflict(f"{active.rules.name} gives the false-alarm rate; change it on the page of the rules.")
    origin = f"{active.calibrated.origin.split(';')[0]}; rate set to {100 * rate:g} %"
    return recipe.models.recalibrate(active, active.calibrated.scores, rate, origin, by)


def recalibrate(
    recipe: Recipe, *, keep: bool, expected: int | None = None, by: Author = COMMAND_LINE
) -> CalibrationRecord:
    """Calibrate the active model from its images that were confirmed as good; the rate stays.

    Scores are taken as recorded, each image file's once, and none of a file that was called a defect as well;
    with `keep` beside those that the model came with, as long as these are in force. Images confirmed earlier
    are included, once, and a verdict taken back is forgotten. The promise of a calibration holds for images
    picked without regard to their scores; see `evidence`. Conflict also where none was confirmed as good.
    """
    active = _active(recipe, expected)
    said = recipe.store.verdicts(recipe.name)
    good = dict[str, float]()
    for one in recipe.store.every(recipe.scored.model_copy(update={"feedback": "good"})):
        if one.image and one.score is not None and said.get(one.image) == Verdict.GOOD:
            good[one.image] = one.score
    if not good:
        raise Conflict(
            f"No image inspected with {active.name} was confirmed as good without contradiction; "
            "confirm some first."
        )
    own = recipe.store.calibrations(recipe.name, active.fingerprint)[-1]  # the model file's
    kept = own.scores if keep and Counter(own.scores) <= Counter(active.calibrated.scores) else []
    images = several(len(good), "confirmed good image")
    origin, rate = f"{own.origin} and {images}" if kept else images, active.calibrated.false_alarm_rate
    return recipe.models.recalibrate(active, kept + list(good.values()), rate, origin, by)


def use_again(recipe: Recipe, number: int, by: Author = COMMAND_LINE) -> CalibrationRecord:
    """Go back to the scores and the rate of an earlier calibration of the active model, or NotFound."""
    active = by_scores(recipe)
    records = {record.id: record for record in recipe.store.calibrations(recipe.name, active.fingerprint)}
    if number not in records:
        raise NotFound(f"{active.name} has no calibration {number}; the page of the threshold lists them.")
    if number == active.calibrated.id:
        return active.calibrated
    record = records[number]
    origin = f"{record.origin.split(';')[0]}; as No. {number}"
    return recipe.models.recalibrate(active, record.scores, record.false_alarm_rate, origin, by)


def evidence(recipe: Recipe) -> Evidence:
    """How many images were confirmed, and whether those confirmed as good were evidently picked by verdict.

    Calibration wants good images that are like future ones. Who judges alarms only confirms those of highest
    score, and a threshold from them would let defects pass. Were they a random choice of all that nobody
    called a defect, the number of alarms among them would be hypergeometric; the warning comes when so many
    have a chance below 0.01 (Fisher's exact test, one-sided).
    """
    from scipy.stats import hypergeom

    tally = recipe.store.tally(recipe.scored, "is_anomalous", "feedback")
    good_alarms = tally[True, Verdict.GOOD]
    good = good_alarms + tally[False, Verdict.GOOD]
    alarms = good_alarms + tally[True, None]
    total = alarms + tally[False, None] + tally[False, Verdict.GOOD]
    share = 100 * alarms / max(1, total)
    warning = (
        f"{good_alarms} of {good} images confirmed as good are alarms, but of all inspections only "
        f"{share:.2g} %: they were picked by verdict, and a threshold from them would be too high, so that "
        "defects pass. Judge a random sample first."
    )
    picked = hypergeom.sf(good_alarms - 1, total, alarms, good) < CHANCE
    defects = tally[True, Verdict.DEFECT] + tally[False, Verdict.DEFECT]
    return Evidence(confirmed_good=good, confirmed_defect=defects, warning=warning if picked else "")


def _active(recipe: Recipe, expected: int | None) -> LoadedModel:
    active = by_scores(recipe)
    if expected not in (None, active.calibrated.id):
        raise Conflict("The model or its threshold was changed meanwhile; look at what holds now.")
    return active
