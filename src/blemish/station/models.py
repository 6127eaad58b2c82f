"""The models of a recipe: which there are, and the one that gives the verdicts."""

import logging
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from blemish.calibration import Calibration
from blemish.errors import BlemishError, ConfigError, ModelFileError, explained
from blemish.inference.applied_rules import AppliedRules, apply_rules
from blemish.inference.detector import Detector
from blemish.inference.model_file import SUFFIXES, Metadata, fingerprint_of
from blemish.inference.rules import NONE, Rules, beside, rules_for, write_rules
from blemish.inference.verdict import decide
from blemish.station.errors import Conflict, NotFound, Unavailable
from blemish.station.recipe_settings import RecipeSettings
from blemish.station.records import COMMAND_LINE, Author, CalibrationRecord, Kind
from blemish.station.schemas import AuditQuery, ModelState
from blemish.station.settings import Settings
from blemish.station.storage.audit import entries, noted
from blemish.station.storage.store import Store

FITTED = "model"  # the folder of a fit, once it is finished, with the model's file
CHANGED = "The model or its threshold was changed meanwhile; look at what holds now."

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory, with the calibration and the rules in force."""

    path: Path
    fingerprint: str  # of its file, by `fingerprint_of`
    detector: Detector
    calibrated: CalibrationRecord  # at the rate of the rules, where they give one
    rules: AppliedRules | None

    @property
    def name(self) -> str:
        return self.path.name

    def __str__(self) -> str:
        """For the audit trail: file, fingerprint and rules."""
        told = self.rules and self.rules.rules.model_dump_json(by_alias=True, exclude_defaults=True)
        return f"{self.name} {self.fingerprint[:12]}, rules: {told or 'none'}"

    @property
    def calibration(self) -> Calibration:
        """From scores to p-values and verdicts, unless `rules_decide`."""
        return self.calibrated.calibration

    @property
    def rules_decide(self) -> bool:
        """Whether zones or sizes give the verdicts, and no threshold of scores does."""
        return self.rules is not None and self.rules.decide_by_map

    @property
    def rate(self) -> float:
        """The false-alarm rate in force, as `Calibration.effective_rate`."""
        of_scores = self.calibration
        return (self.rules.calibration(of_scores) if self.rules else of_scores).effective_rate

    def judge(
        self, score: float, anomaly_map: np.ndarray, title: str, size: tuple[int, int]
    ) -> dict[str, Any]:
        """The verdict on an image, as fields of its record; arguments and errors as of `decide`."""
        decision = decide(score, anomaly_map, self.calibration, self.rules, title, size)
        return decision._asdict() | {
            "score": score,
            "false_alarm_rate": self.rate,
            "threshold": None if self.rules_decide else self.calibration.threshold,
            "calibration": None if self.rules_decide else self.calibrated.id,
        }


class Models:
    """The models of a recipe. Switching is one assignment: images in hand finish with the model they met.

    It begins with the model that the recipe names, whichever was in use before. `active` gives the verdicts.
    BlemishError: the model cannot be loaded, or the store not used.
    """

    def __init__(self, recipe: str, given: RecipeSettings, settings: Settings, store: Store) -> None:
        self._recipe = recipe
        self._given = given
        self._settings = settings
        self._store = store
        self._lock = Lock()  # one switch at a time
        assert given.model is not None
        self._path = given.model
        self.active = self._load(given.model)

    def states(self) -> list[ModelState]:
        """Every model that can be chosen, by name."""
        active = self._state
        others = [ModelState(name=name) for name in self._paths() if name != active.name]
        return sorted([active, *others], key=lambda state: state.name)

    def note_start(self) -> None:
        """Add to the audit trail what a start changed: another model, or rules that were written by hand."""
        database, now = self._store.database, str(self.active)
        asked = AuditQuery(kind=Kind.MODEL, recipe=self._recipe)
        before = next((entry.after for entry in entries(database, asked, limit=1)), "")
        with noted(database, COMMAND_LINE, Kind.MODEL, before, now, self._recipe):
            if before not in ("", now):
                told = {"recipe": self._recipe, "before": before, "now": now}
                logger.warning("the start changed what gives the verdicts", extra=told)

    def use(self, name: str, by: Author = COMMAND_LINE) -> ModelState:
        """Load a model's file, and let it give the verdicts from the next image on.

        One that was in use here before keeps its latest calibration. NotFound: there is no such model.
        Conflict: it is damaged or cannot run here. Unavailable: the database or the folder cannot be written.
        """
        with self._lock:
            path = self._paths().get(name)
            if path is None:
                raise NotFound(f"There is no model {name[:100]!r}; GET /v1/models lists them.")
            try:
                model = self._load(path, by)
            except (ModelFileError, ConfigError, OSError) as error:
                raise Conflict(str(error)) from error
            with self._noted(by, model):
                self._put_in_force(model)
            return self._state

    def recalibrate(
        self, of: LoadedModel, scores: list[float], rate: float, origin: str, by: Author = COMMAND_LINE
    ) -> CalibrationRecord:
        """Keep another calibration of the active model, which holds from the next image on.

        `of` is that model as it was when the rest was decided: Conflict where another is in force by now.
        Rules that give a rate keep theirs; ConfigError where they leave no room with so few scores.
        """
        with self._lock:
            if self.active is not of:
                raise Conflict(CHANGED)
            if of.rules:
                fixed = of.rules.rules.defective
                of.rules.check_rates(Calibration(np.array(scores), fixed or rate))
                if fixed:  # what holds without them stays as it was
                    rate = self.stored_calibration(of).false_alarm_rate
            record = self._store.add_calibration(self._recipe, of.fingerprint, scores, rate, origin, by)
            calibrated = _at_rate_of(of.rules.rules if of.rules else None, record)
            self._put_in_force(replace(of, calibrated=calibrated))
        return calibrated

    def stored_calibration(self, of: LoadedModel) -> CalibrationRecord:
        """The latest calibration of a model here, at the rate that holds without rules."""
        return self._store.calibration(self._recipe, of.fingerprint) or of.calibrated

    def set_rules(self, of: LoadedModel, rules: Rules, by: Author = COMMAND_LINE) -> None:
        """Write rules beside the active model, where they hold from the next image on.

        `of` is that model as it was when the rest was decided: Conflict where another is in force by now.
        ConfigError: they do not fit the model. Unavailable: the file or the database cannot be used.
        """
        with self._lock:
            if self.active is not of:
                raise Conflict(CHANGED)
            file = beside(of.path)
            calibrated = self.stored_calibration(of)
            kept, applied = ruled(of.path, of.detector, calibrated, (rules, file.name))
            new = replace(of, calibrated=kept, rules=applied)
            with self._noted(by, new):
                try:
                    write_rules(rules, file)
                except BlemishError as error:
                    raise Unavailable(str(error)) from error
            self._put_in_force(new)

    def _noted(self, by: Author, new: LoadedModel) -> AbstractContextManager[None]:
        return noted(self._store.database, by, Kind.MODEL, str(self.active), str(new), self._recipe)

    def _put_in_force(self, model: LoadedModel) -> None:
        logger.info("verdicts changed", extra={"recipe": self._recipe, "in_force": str(model)})
        self.active = model

    @property
    def fits(self) -> Path:
        """Where models are fitted here, each in a numbered folder."""
        return self._settings.folder.absolute() / "fits" / self._recipe

    def _paths(self) -> dict[str, Path]:
        folder = self._given.models
        found = sorted(folder.iterdir()) if folder is not None and folder.is_dir() else []
        found += self.fits.glob(f"*/{FITTED}/*")
        paths = {path.name: path for path in found if path.suffix.lower() in SUFFIXES and path.is_file()}
        return paths | {self._path.name: self._path}

    def _load(self, path: Path, by: Author = COMMAND_LINE) -> LoadedModel:
        settings = self._settings
        fingerprint = fingerprint_of(path) if path.exists() else ""  # the detector says that it is missing
        detector = Detector.load(
            path, engine=settings.engine, threads=settings.threads, device=settings.device, rules=NONE
        )
        detector.batch_size = settings.batch_size
        black = np.zeros((*detector.frame.shape, 3), np.uint8)
        with explained(ModelFileError, lambda reason: f"{path.name} cannot score images here ({reason})."):
            if len(detector.score_framed([black, black])) != 2:
                raise ModelFileError(f"{path.name} cannot score two images at once; export it again.")
        if fingerprint_of(path) != fingerprint:
            raise ModelFileError(f"{path.name} was being replaced while it was read; try again.")
        own = detector.calibration
        rate = own.false_alarm_rate  # of the one in use then, where it was fitted here
        if not path.is_relative_to(self.fits):
            rate = self._given.false_alarm_rate or rate
        calibrated = self._store.calibration(self._recipe, fingerprint) or self._store.add_calibration(
            self._recipe, fingerprint, own.scores.tolist(), rate, "the model file", by
        )
        self._store.add_model(fingerprint, path.name, detector.metadata)
        return LoadedModel(path, fingerprint, detector, *ruled(path, detector, calibrated, rules_for(path)))

    @property
    def _state(self) -> ModelState:
        active, metadata = self.active, self.active.detector.metadata
        return ModelState(
            name=active.name,
            active=True,
            fingerprint=active.fingerprint,
            method=metadata["method"],
            precision=metadata["precision"],
            rules=str(active.rules or ""),
        )


def ruled(
    path: Path, detector: Detector, calibrated: CalibrationRecord, found: tuple[Rules, str] | None
) -> tuple[CalibrationRecord, AppliedRules | None]:
    """The calibration at the rate of the rules, and these, applied to a model's file."""
    if found is None:
        return calibrated, None
    rules, file = found
    calibrated = _at_rate_of(rules, calibrated)
    metadata = Metadata.model_validate(detector.metadata)
    return calibrated, apply_rules(rules, Path(file).name, path, metadata, calibrated.calibration)


def _at_rate_of(rules: Rules | None, calibrated: CalibrationRecord) -> CalibrationRecord:
    rate = rules.defective if rules else None
    return calibrated if rate is None else calibrated.model_copy(update={"false_alarm_rate": rate})
