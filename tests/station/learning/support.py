"""Inspections of a station that is not started, with the scores that a test wants."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from blemish.station.recipe import Recipe
from blemish.station.records import Inspection, NewInspection, Source, Verdict
from blemish.station.schemas import Feedback
from blemish.station.storage.files import digest_of

BEGIN = datetime(2026, 3, 31, 8, tzinfo=UTC)
NUMBERS = itertools.count()


def inspect(
    recipe: Recipe,
    *scores: float | None,
    said: Verdict | None = None,
    image: bytes | None = None,
    **fields: Any,
) -> list[int]:
    """Numbers of new inspections, one for each score; None is an image that could not be scored.

    They are judged by the calibration in force, and by a person if `said`. `image` is the content of the file
    of all; without it each has its own, which is not kept. The fields are those of `NewInspection`.
    """
    if image is not None:
        recipe.files.add({digest_of(image): image})
    numbers = [one.id for one in recipe.store.add([_new(recipe, score, image, fields) for score in scores])]
    for number in numbers if said else ():
        judge(recipe, number, said)
    return numbers


def judge(recipe: Recipe, number: int, said: Verdict | None, note: str = "") -> Inspection:
    return recipe.store.set_feedback(number, Feedback(feedback=said, note=note))


def _new(recipe: Recipe, score: float | None, image: bytes | None, fields: dict[str, Any]) -> NewInspection:
    number, active = next(NUMBERS), recipe.models.active
    values: dict[str, Any] = {
        "recipe": recipe.name,
        "source": Source.API,
        "name": f"{number}.png",
        "image_bytes": 10,
    }
    values |= {"image": digest_of(image or b"%d" % number), "model": active.fingerprint}
    values |= {"received": BEGIN + timedelta(milliseconds=number), "error": "It is damaged."}
    if score is not None:
        score = float(np.float32(score))
        p_value, is_anomalous = active.calibration.judge(score)
        values |= {"score": score, "p_value": p_value, "is_anomalous": is_anomalous, "error": ""}
        values |= {"threshold": active.calibration.threshold, "calibration": active.calibrated.id}
        values |= {"image_type": "image/png"}
    return NewInspection.model_validate(values | fields)
