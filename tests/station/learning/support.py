"""A station's parts without a model: inspections are written with the scores that a test wants."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from blemish.calibration import Calibration
from blemish.station.problems import Conflict
from blemish.station.records import CalibrationRecord, Inspection, NewInspection, Source, Verdict
from blemish.station.storage.files import Files
from blemish.station.storage.store import Store

MODEL = "a" * 64
BEGIN = datetime(2026, 3, 31, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Active:
    """Stands in for a loaded model."""

    name: str
    fingerprint: str
    calibration: CalibrationRecord

    @property
    def verdicts(self) -> Calibration:
        return Calibration(np.array(self.calibration.scores), self.calibration.false_alarm_rate)


class Shelf:
    """Stands in for the models: one, which may be recalibrated."""

    def __init__(self, active: Active, store: Store) -> None:
        self.active = active
        self._store = store

    def recalibrate(self, of: Active, scores: list[float], rate: float, origin: str) -> CalibrationRecord:
        if of is not self.active:
            raise Conflict("changed meanwhile")
        record = self._store.add_calibration(of.fingerprint, scores, rate, origin)
        self.active = replace(of, calibration=record)
        return record


class Scored:
    """A station with a store and files in a folder, and a model that came with these scores."""

    def __init__(self, folder: Path, scores: Any, rate: float) -> None:
        self.store = Store(f"sqlite:///{folder / 'station.sqlite'}")
        self.files = Files(folder / "files")
        scores = np.asarray(scores, np.float32).tolist()
        calibration = self.store.add_calibration(MODEL, scores, rate, "the model file")
        self.shelf = Shelf(Active("grey.onnx", MODEL, calibration), self.store)
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
        new = [self._new(score, image, fields) for score in scores]
        numbers = [inspection.id for inspection in self.store.add(new)]
        if said is not None:
            for number in numbers:
                self.judge(number, said)
        return numbers

    def judge(self, number: int, said: Verdict | None, note: str = "") -> Inspection:
        return self.store.set_feedback(number, feedback=said, note=note)

    def _new(self, score: float | None, image: bytes | None, fields: dict[str, Any]) -> NewInspection:
        self.count += 1
        digest = sha256(b"%d" % self.count).hexdigest() if image is None else self.files.add([image])[0]
        values: dict[str, Any] = {
            "received": BEGIN + timedelta(seconds=self.count),
            "source": Source.API,
            "name": f"{self.count}.png",
            "key": None,
            "image": digest,
            "image_bytes": 10,
            "image_type": "image/png",
            "width": 64,
            "height": 64,
            "model": MODEL,
        }
        if score is None:
            values |= {"error": "It is damaged.", "image_type": "application/octet-stream"}
        else:
            verdicts = self.shelf.active.verdicts
            score = float(np.float32(score))
            values |= {
                "score": score,
                "p_value": verdicts.p_value(score),
                "is_anomalous": verdicts.is_anomalous(score),
                "threshold": verdicts.threshold,
                "false_alarm_rate": verdicts.effective_rate,
                "calibration": self.shelf.active.calibration.id,
                "milliseconds": 1.0,
            }
        return NewInspection.model_validate(values | fields)
