"""Rules of the active model, tried on its held-out good images and put in force."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from blemish.inference.applied_rules import AppliedRules
from blemish.inference.held_out_maps import read_packed, unpacked
from blemish.inference.rules import Rules, beside, rules_from
from blemish.station.models import LoadedModel
from blemish.station.recipe import Recipe
from blemish.station.records import Inspection
from blemish.station.schemas import RulesPreview


def preview(recipe: Recipe, values: dict[str, Any]) -> RulesPreview:
    """What rules, by their file's fields, would make of the held-out good images; else ConfigError."""
    active = recipe.models.active
    rules = rules_from(values, active.path.absolute().parent)
    record = recipe.models.stored_calibration(active)
    calibration = record.calibration.with_rate(rules.defective or record.false_alarm_rate)
    cells = _held_out(active.path, active.fingerprint) if rules.about_maps else None
    frame, peaks = active.detector.frame, active.detector.metadata["map_peaks"]
    maps = None if cells is None else unpacked(cells, peaks)
    applied = AppliedRules(rules, beside(active.path).name, frame, maps, peaks)
    applied.check_rates(calibration)
    ruled = applied.calibration(calibration)
    p_values = ruled.p_value(ruled.scores)
    defective = p_values <= ruled.effective_rate
    return RulesPreview(
        images=len(p_values),
        defective=int(np.count_nonzero(defective)),
        look_again=int(np.count_nonzero(~defective & (p_values <= (rules.look_again or 0)))),
        rules=str(rules),
    )


def picture(recipe: Recipe) -> Inspection | None:
    """The latest picture of a good part, rather one that a person judged, that the rules in force are for."""
    active = recipe.models.active
    for wanted in ({"feedback": "good"}, {"anomalous": False}):
        for one in recipe.store.select(recipe.scored.model_copy(update=wanted), limit=1):
            if not (active.rules and active.rules.not_for(one.width, one.height)):
                return one
    return None


def in_force(model: LoadedModel) -> dict[str, Any]:
    """The fields of the rules in force, as JSON values."""
    rules = model.rules.rules if model.rules else Rules()
    return rules.model_dump(mode="json", by_alias=True, exclude_defaults=True)


@lru_cache(1)
def _held_out(path: Path, fingerprint: str) -> np.ndarray | None:
    return read_packed(path)
