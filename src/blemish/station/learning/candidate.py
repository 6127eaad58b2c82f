"""A new model for a recipe: fitted, exported, and compared with the one in use, in a process of its own."""

import logging
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from blemish.acceptance.two_models import Pair, compare
from blemish.datasets import Dataset, Sample, read_dataset
from blemish.errors import ImageError, ModelFileError
from blemish.images.reading import frame_digest, frame_upload
from blemish.inference.detector import Detector
from blemish.inference.engines import read_metadata
from blemish.inference.model_file import fingerprint_of
from blemish.inference.rules import NONE, copy_rules, rules_for
from blemish.progress import progress_bar
from blemish.station.models import LoadedModel, ruled
from blemish.station.records import CalibrationRecord
from blemish.station.schemas import Comparison
from blemish.training.config import config_of

NICENESS = 19  # the lowest priority
SHOWN = 12
CAUTION = (
    "People chose what they judged, often because the model in use alarmed, which counts against it here: "
    "take the shares to compare the two, not for the rates of the line."
)

log = logging.getLogger(__name__)


class Order(BaseModel):
    """What to fit, and what to compare it on.

    `out` has the suffix of the model in use; `calibrated` is that one's calibration at the rate to keep.
    `learn` are pictures judged good, `compare` others by inspection, and whether they are defective.
    """

    out: Path
    in_use: Path
    fingerprint: str
    calibrated: CalibrationRecord
    learn: list[Path]
    compare: dict[int, tuple[Path, bool]]
    fitted_to: Path | None
    weights: Path | None
    options: dict[str, Any]
    max_pixels: int


def run(order: Order) -> Comparison:
    """Fit and compare. BlemishError where that cannot be done."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    if fingerprint_of(order.in_use) != order.fingerprint:
        raise ModelFileError(f"{order.in_use.name} was replaced since it was loaded; load it again.")
    _fit(order)
    copy_rules(order.in_use, order.out)
    models = [_load(order, path) for path in (order.in_use, order.out)]
    pairs, known, unjudged = [], 0, 0
    with progress_bar("Comparing", len(order.compare)) as advance:
        for number, (picture, is_defective) in order.compare.items():
            try:
                said = [_judge(model, picture, order.max_pixels) for model in models]
                if None in said:
                    known += 1
                else:
                    pairs.append(Pair(number, is_defective, *zip(*said, strict=True)))
            except ImageError:
                unjudged += 1
            advance()
    learned = models[1].detector.metadata["data"]["images"]
    sentences = [f"{order.out.name} learned from {learned} pictures."]
    if known or unjudged:
        left_out = f"{known} that one of the models learned from, {unjudged} without a verdict"
        sentences.append(f"Judged pictures left out of the comparison: {left_out}.")
    sentences += [*compare(pairs, order.in_use.name, order.out.name), CAUTION]
    return Comparison(sentences=sentences, differ=[pair.picture for pair in pairs if pair.differs][:SHOWN])


def _fit(order: Order) -> None:
    """As `blemish fit`, with the configuration of the model in use, and as `blemish export` if need be."""
    from blemish.export.export import export_model
    from blemish.training.fit import fit

    config = config_of(read_metadata(order.in_use))
    config = config.model_copy(update={"false_alarm_rate": order.calibrated.false_alarm_rate})
    given = read_dataset(order.fitted_to).train if order.fitted_to else []
    data = Dataset("the pictures to learn from", given + [Sample(path, label=0) for path in order.learn])
    fitted = order.out.with_suffix(".safetensors")
    fit(data, config, fitted, weights=order.weights)
    if order.out != fitted:
        log.info("Exporting.")
        export_model(fitted, order.out)
        fitted.unlink()


def _load(order: Order, path: Path) -> LoadedModel:
    """As the station has it in use, or would."""
    detector = Detector.load(path, **order.options, rules=NONE)
    calibrated = order.calibrated
    if path != order.in_use:
        own = {"scores": detector.calibration.scores.tolist()}
        calibrated = CalibrationRecord.model_validate(calibrated.model_dump() | own)
    return LoadedModel(path, "", detector, *ruled(path, detector, calibrated, rules_for(path)))


def _judge(model: LoadedModel, picture: Path, max_pixels: int) -> tuple[float, bool] | None:
    """Score and alarm; None for a picture that the model learned from, ImageError where it has no verdict."""
    detector = model.detector
    framed, _ = frame_upload(picture.read_bytes(), picture.name, detector.frame, max_pixels)
    if frame_digest(framed.pixels) in detector.metadata["data"].get("frames", ()):
        return None
    ((score, anomaly_map),) = detector.score_framed([framed.pixels])
    return score, model.judge(score, anomaly_map, picture.name, framed.size)["is_anomalous"]
