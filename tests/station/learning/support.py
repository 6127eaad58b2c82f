"""A station's parts without a model: inspections are written with the scores that a test wants."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from blemish.calibration import Calibration
from blemish.station.errors import Conflict
from blemish.station.records import CalibrationRecord, Inspection, NewInspection, Source, Verdict
from blemish.station.schemas import Feedback
from blemish.station.storage.files import Files, digest_of
from blemish.station.storage.store import Store

MODEL = "a" * 64
BEGIN = datetime(2026, 3, 31, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Model:
    """Stands in for a loaded model."""

    name: str
    fingerprint: str
    calibrated: CalibrationRecord

    @property
    def calibration(self) -> Calibration:
        return self.calibrated.calibration


class Models:
    """Stands in for the models: one, which may be recalibrated."""

    def __init__(self, active: Model, store: Store) -> None:
        self.active = active
        self._store = store

    def recalibrate(self, of: Model, scores: list[float], rate: float, origin: str) -> CalibrationRecord:
        if of is not self.active:
            raise Conflict("changed meanwhile")
        record = self._store.add_calibration(of.fingerprint, scores, rate, origin)
        self.active = replace(of, calibrated=record)
        return record


class ScoredStation:
    """A station with a store and files in a folder, and a model that came with these scores."""

    def __init__(self, folder: Path, scores: Any, rate: float) -> None:
        folder.mkdir(exist_ok=True)
        self.store = Store(f"sqlite:///{folder / 'station.sqlite'}")
        self.files = Files(folder / "files")
        scores = np.asarray(scores, np.float32).tolist()
        record = self.store.add_calibration(MODEL, scores, rate, "the model file")
        self.models = Models(Model("grey.onnx", MODEL, record), self.store)
        self.count = 0

    def close(self) -> None:
        self.store.close()
        self.files.close()

    def inspect(
        self, *scores: float | None, said: Verdict | None = None, image: bytes | None = None, **fields: Any
    ) -> list[int]:
        """Numbers of new inspections, judged by the calibration in force, and by a person if `said`.

        Args:
            scores: one of each; None is an image that could not be scored.
            image: content of the file of all; None gives each its own, which is not kept.
            fields: of `NewInspection`.
        """
        numbers = [one.id for one in self.store.add([self._new(score, image, fields) for score in scores])]
        if said is not None:
            for number in numbers:
                self.judge(number, said)
        return numbers

    def judge(self, number: int, said: Verdict | None, note: str = "") -> Inspection:
        return self.store.set_feedback(number, Feedback(feedback=said, note=note))

    def _new(self, score: float | None, image: bytes | None, fields: dict[str, Any]) -> NewInspection:
        self.count += 1
        if image is not None:
            self.files.add({digest_of(image): image})
        values: dict[str, Any] = {
            "received": BEGIN + timedelta(seconds=self.count),
            "source": Source.API,
            "name": f"{self.count}.png",
            "image": digest_of(image or b"%d" % self.count),
            "image_bytes": 10,
            "model": MODEL,
        }
        if score is None:
            return NewInspection.model_validate(values | {"error": "It is damaged."} | fields)
        calibration = self.models.active.calibration
        score = float(np.float32(score))
        p_value, is_anomalous = calibration.judge(score)
        values |= {
            "image_type": "image/png",
            "score": score,
            "p_value": p_value,
            "is_anomalous": is_anomalous,
            "threshold": calibration.threshold,
            "false_alarm_rate": calibration.effective_rate,
            "calibration": self.models.active.calibrated.id,
        }
        return NewInspection.model_validate(values | fields)
