"""Which pictures are worth a person's look next."""

import random

from blemish.inference.rules import LOOK_AGAIN
from blemish.station.recipe import Recipe
from blemish.station.records import Point

EACH = 6  # pictures of each kind, at most
LATEST = 1000  # that they are taken from
CHANCE, NEAR, NEW, OTHER = "by chance", "near the threshold", "looks new", "not this part?"


def to_judge(recipe: Recipe) -> dict[str, list[int]]:
    """Inspections to judge, up to six of each kind, an inspection once; all of it changes as people judge.

    They are of the last 1000 scored inspections of the active model that nobody has judged:

    - "by chance": a uniform random choice in random order, drawn first, so that it is honest;
    - "not this part?": the latest that look unlike every good one as a whole;
    - "near the threshold": "look again" first, then the scores nearest to the threshold of scores;
    - "looks new": the scores furthest outside of those that the model was calibrated with, above or below.
    """
    unjudged = recipe.scored.model_copy(update={"feedback": "none"})
    points = {point.id: point for point in recipe.store.points(unjudged, LATEST)}
    calibration = recipe.models.active.calibration
    low, high = float(calibration.scores.min()), float(calibration.scores.max())

    def outside(point: Point) -> float:
        return max(low - point.score, point.score - high)

    def distance(point: Point) -> tuple[bool, float]:
        return point.verdict != LOOK_AGAIN, abs(point.score - calibration.threshold)

    def taken(numbers: list[int]) -> list[int]:
        return [number for number in numbers if points.pop(number, None)]

    chosen = {CHANCE: taken(random.sample(sorted(points), min(EACH, len(points))))}
    others = unjudged.model_copy(update={"other_part": True})
    latest = recipe.store.select(others, limit=2 * EACH)
    chosen[OTHER] = taken([one.id for one in latest if one.id in points][:EACH])
    chosen[NEAR] = taken([point.id for point in sorted(points.values(), key=distance)[:EACH]])
    new = sorted((point for point in points.values() if outside(point) > 0), key=outside)[-EACH:]
    return chosen | {NEW: taken([point.id for point in reversed(new)])}
