"""The models of a station: which there are, which are loaded, and the one that gives the verdicts."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from threading import Lock

import numpy as np
from pydantic import BaseModel, Field

from blemish.calibration import Calibration
from blemish.errors import BlemishError, ModelFileError
from blemish.inference.detector import Detector
from blemish.inference.engines import read_metadata
from blemish.inference.model_file import SUFFIXES
from blemish.station.fingerprint import fingerprint, stamp_of
from blemish.station.log import event
from blemish.station.problems import Conflict, NotFound
from blemish.station.records import CalibrationRecord, ModelRecord
from blemish.station.settings import Settings
from blemish.station.storage.store import Store

LOADED_AT_MOST = 3  # models in memory, for switching to and fro
CHOICE = "model.json"  # in the station's folder: which model was chosen in the page


@dataclass(frozen=True)
class Loaded:
    """A model in memory, with the calibration in force."""

    name: str
    path: Path
    fingerprint: str
    stamp: tuple[int, ...]  # of the file it was loaded from
    detector: Detector
    calibration: CalibrationRecord

    @cached_property
    def verdicts(self) -> Calibration:
        """From scores to p-values and verdicts."""
        return verdicts_of(self.calibration)


class ModelState(BaseModel):
    """What is known of a model file."""

    name: str = Field(description="File name.")
    fingerprint: str | None = Field(description="SHA-256 of the file it was loaded from; null if not loaded.")
    method: str | None
    precision: str | None
    loaded: bool
    active: bool = Field(description="Whether it gives the verdicts.")
    message: str = Field(description="What is wrong with the file, else empty.")


class Shelf:
    """The station's models. Switching is one assignment: images in hand finish with the model they met.

    Raises:
        BlemishError: the station's model cannot be loaded, or the store not used.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._lock = Lock()  # one load or switch at a time
        self._loaded: dict[str, Loaded] = {}
        self._messages: dict[str, str] = {}
        self._compared: tuple[tuple[int, ...], tuple[int, ...], str] = ((), (), "")
        self.remark = ""  # what became of the model that was chosen before the start
        self.active: Loaded = self._first()

    def states(self) -> list[ModelState]:
        """Every model that can be chosen, by name."""
        return [self._state(name) for name in sorted(self._paths())]

    def load(self, name: str) -> ModelState:
        """Load a model's file, again if it is loaded, without using it; the active one goes on meanwhile.

        Raises:
            NotFound: there is no such model.
            Conflict: its file is damaged or cannot run here.
        """
        with self._lock:
            self._keep(self._open(name))
        return self._state(name)

    def use(self, name: str) -> ModelState:
        """Let a model give the verdicts from the next image on; it is loaded first if need be.

        Raises:
            NotFound: there is no such model.
            Conflict: its file is damaged or cannot run here; the active model stays.
        """
        with self._lock:
            loaded = self._loaded.get(name) or self._open(name)
            calibration = self._store.calibration(loaded.fingerprint)  # it may be newer than what was loaded
            loaded = replace(loaded, calibration=calibration or loaded.calibration)
            self._store.add_model(_record(loaded))
            self._remember(name)
            self._keep(loaded)
            self.active = loaded
            self.remark = ""
        event("model in use", model=name, fingerprint=loaded.fingerprint)
        return self._state(name)

    def recalibrate(self, of: Loaded, scores: list[float], rate: float, origin: str) -> CalibrationRecord:
        """Keep another calibration of the active model, which holds from the next image on.

        Args:
            of: the active model, as it was when the rest was decided.
            scores, rate, origin: see `CalibrationRecord`.

        Raises:
            Conflict: another model or another calibration is in force by now.
            Unavailable: the database cannot be written.
        """
        with self._lock:
            if self.active is not of:
                raise Conflict("The model or its threshold was changed meanwhile; look at what holds now.")
            record = self._store.add_calibration(of.fingerprint, scores, rate, origin)
            self._take(record)
        return record

    def _take(self, record: CalibrationRecord) -> None:
        before, self.active = self.active, replace(self.active, calibration=record)
        if self._loaded.get(before.name) is before:
            self._loaded[before.name] = self.active

    def check(self) -> str:
        """What is wrong with the active model's file, in a sentence, or ""; cheap while it is unchanged.

        Also tells the database of the active model, where an empty one was put in the place of another.
        """
        if self._lock.acquire(blocking=False):  # else a model is being loaded, which takes its time
            try:
                self._tell_again()
            finally:
                self._lock.release()
        return self._changed(self.active) or self.remark

    def _tell_again(self) -> None:
        active, own = self.active, self.active.calibration
        if self._store.calibration(active.fingerprint) is None:
            self._store.add_model(_record(active))
            self._take(
                self._store.add_calibration(active.fingerprint, own.scores, own.false_alarm_rate, own.origin)
            )

    def _changed(self, active: Loaded) -> str:
        """What became of the file that a model was loaded from, in a sentence, or ""."""
        try:
            stamp = stamp_of(active.path)
        except OSError:
            return f"{active.name} is gone; the model in memory goes on giving verdicts. Put the file back."
        if stamp == active.stamp:
            return ""
        if self._compared[:2] != (active.stamp, stamp):
            self._compared = (active.stamp, stamp, self._compare(active))
        return self._compared[2]

    def _compare(self, active: Loaded) -> str:
        goes_on = "the model in memory goes on giving verdicts"
        try:
            if fingerprint(active.path) == active.fingerprint:
                return ""
            read_metadata(active.path)
        except (BlemishError, OSError) as error:
            return f"{active.name} was replaced by something that cannot be used, {goes_on}: {error}"
        return f"{active.name} was replaced by another model, {goes_on}; load and use it, or put it back."

    def _paths(self) -> dict[str, Path]:
        folder = self._settings.models
        found = sorted(folder.iterdir()) if folder is not None and folder.is_dir() else []
        paths = {path.name: path for path in found if path.suffix.lower() in SUFFIXES and path.is_file()}
        return paths | {self._settings.model.name: self._settings.model}

    def _open(self, name: str) -> Loaded:
        path = self._paths().get(name)
        if path is None:
            raise NotFound(f"There is no model {name[:100]!r}; GET /v1/models lists them.")
        try:
            loaded = self._load(path)
        except (BlemishError, OSError) as error:
            self._messages[name] = str(error)
            raise Conflict(str(error)) from error
        self._messages.pop(name, None)
        return loaded

    def _load(self, path: Path) -> Loaded:
        settings = self._settings
        digest, stamp = fingerprint(path), stamp_of(path)
        detector = Detector.load(
            path, engine=settings.engine, threads=settings.threads, device=settings.device
        )
        detector.batch_size = settings.batch_size
        size = detector.frame.size
        try:
            scored = detector.score_framed([np.zeros((size, size, 3), np.uint8)] * 2)
        except Exception as error:  # whatever the engine raises
            raise ModelFileError(f"{path.name} cannot score an image here ({error}).") from error
        if len(scored) != 2:
            raise ModelFileError(f"{path.name} cannot score two images at once; export it again.")
        if fingerprint(path) != digest:
            raise ModelFileError(f"{path.name} was being replaced while it was read; load it again.")
        calibration = self._store.calibration(digest)
        if calibration is None:
            own = detector.calibration
            rate = settings.false_alarm_rate or own.false_alarm_rate
            calibration = self._store.add_calibration(digest, own.scores.tolist(), rate, "the model file")
        return Loaded(path.name, path, digest, stamp, detector, calibration)

    def _first(self) -> Loaded:
        chosen = self._chosen()
        if chosen is not None:
            try:
                return self._begin(self._open(chosen))
            except BlemishError as error:
                self.remark = f"{chosen}, which was in use before the start, cannot be used: {error}"
        return self._begin(self._load(self._settings.model))

    def _begin(self, loaded: Loaded) -> Loaded:
        self._store.add_model(_record(loaded))
        self._keep(loaded)
        return loaded

    def _keep(self, loaded: Loaded) -> None:
        self._loaded.pop(loaded.name, None)
        self._loaded[loaded.name] = loaded
        if len(self._loaded) > LOADED_AT_MOST:
            oldest = next(name for name in self._loaded if name not in (loaded.name, self.active.name))
            del self._loaded[oldest]

    def _state(self, name: str) -> ModelState:
        active = self.active
        loaded = active if name == active.name else self._loaded.get(name)
        description = loaded.detector.metadata if loaded else {}
        return ModelState(
            name=name,
            fingerprint=loaded.fingerprint if loaded else None,
            method=description.get("method"),
            precision=description.get("precision"),
            loaded=loaded is not None,
            active=loaded is active,
            message=self._messages.get(name, "") or (self._changed(active) if name == active.name else ""),
        )

    def _remember(self, name: str) -> None:
        """Keep the choice for the next start, as long as that is told the same model."""
        choice = {"given": str(self._settings.model.resolve()), "chosen": name}
        target = self._settings.folder / CHOICE
        temporary = target.with_name(CHOICE + ".part")
        try:
            temporary.write_text(json.dumps(choice), encoding="utf-8")
            temporary.replace(target)
        except OSError as error:
            raise Conflict(
                f"{target} cannot be written ({error.strerror}); make room, then try again."
            ) from error

    def _chosen(self) -> str | None:
        try:
            choice = json.loads((self._settings.folder / CHOICE).read_text(encoding="utf-8"))
            if choice["given"] != str(self._settings.model.resolve()):
                return None
            return str(choice["chosen"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


def verdicts_of(record: CalibrationRecord) -> Calibration:
    """What a calibration makes of scores."""
    return Calibration(np.array(record.scores), record.false_alarm_rate)


def _record(loaded: Loaded) -> ModelRecord:
    return ModelRecord(
        fingerprint=loaded.fingerprint,
        name=loaded.name,
        description=loaded.detector.metadata,
        first_used=datetime.now(UTC),
    )
