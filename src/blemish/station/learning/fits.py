"""New models of a recipe, fitted from what people judged while the one in use goes on."""

import logging
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from threading import Lock, Thread

from blemish.errors import BlemishError, explained
from blemish.experiments.process import WorkProcess
from blemish.extras import install_command
from blemish.files import write_whole
from blemish.station.errors import Conflict, Unavailable
from blemish.station.learning.candidate import Order, run
from blemish.station.models import FITTED
from blemish.station.recipe import Recipe
from blemish.station.records import Filter, Inspection, Verdict
from blemish.station.schemas import Fit
from blemish.station.settings import Settings

RECORD = "fit.json"
UNFINISHED = "unfinished"  # what becomes the folder of the model
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}  # its others begin before the process can lower its priority
PATIENCE = 10  # seconds for a process to end with the station
INTERRUPTED = "The station ended before it was finished; start another."
STOPPED = "It was stopped."

logger = logging.getLogger(__name__)


def split(recipe: Recipe) -> tuple[list[Inspection], list[Inspection]]:
    """Judged pictures to learn from and to compare on, each file once, by its latest inspection.

    Of the good ones the half with an odd SHA-256 is learned from, the same in every fit. A picture that was
    called both, has no score, or whose file is gone, is in neither.
    """
    said, judged = recipe.store.verdicts(recipe.name), dict[str, Inspection]()
    for one in recipe.store.every(Filter(recipe=recipe.name, failed=False, feedback="any")):
        if one.image and said.get(one.image) and recipe.files.path(one.image).is_file():
            judged.setdefault(one.image, one)
    learn = {image for image in judged if said[image] == Verdict.GOOD and int(image, 16) % 2}
    return [judged[image] for image in learn], [one for image, one in judged.items() if image not in learn]


class Fits:
    """The fits of a station, one at a time, each with a folder of its own and in a process of its own.

    The record in the folder says "running" until the end; of one that does not run it means that the station
    ended first.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._running: tuple[Recipe, Fit, WorkProcess] | None = None
        self._waiting = Thread()  # for the process
        self._said, self._closed = "", False

    def start(self, recipe: Recipe) -> Fit:
        """Begin to fit with the configuration of the model in use, to `split` and the folder `fitted_to`.

        Conflict: a fit runs already, or PyTorch is missing. Unavailable: database or folder cannot be used.
        """
        if find_spec("torch") is None:
            raise Conflict(f"Fitting needs PyTorch: {install_command('train')}.")
        unwritten = explained(Unavailable, lambda reason: f"The fit cannot be kept ({reason}).", OSError)
        with self._lock, unwritten:
            if self._running is not None:
                raise Conflict(f"{self._running[1].model} is being fitted; wait for it, or stop it.")
            active, folders = recipe.models.active, recipe.models.fits.glob("[0-9]*")
            number = 1 + max((int(folder.name) for folder in folders), default=0)
            model = f"{recipe.name}-fit-{number}{active.path.suffix}"
            fit = Fit(number=number, model=model, in_use=active.name, started=datetime.now(UTC))
            unfinished = _folder(recipe, fit) / UNFINISHED
            order = self._order(recipe, unfinished / model)
            unfinished.mkdir(parents=True)
            _write(recipe, fit)
            self._said = "Starting"
            process = WorkProcess(run, order, level=logging.DEBUG, tell=self._tell, environment=ONE_THREAD)
            self._running = recipe, fit, process
            self._waiting = Thread(target=self._wait, args=self._running, daemon=True)
            self._waiting.start()
        logger.info("fit started", extra={"model": model, "judged": len(order.learn)})
        return fit

    def stop(self, recipe: Recipe) -> None:
        """Ask the fit of a recipe to end, if one runs."""
        with self._lock:
            if self._running is not None and self._running[0] is recipe:
                self._said = "Stopping"
                self._running[2].stop()

    def close(self) -> None:
        """End what runs, which is told as interrupted from then on."""
        with self._lock:
            running, self._closed = self._running, True
        if running is not None:
            running[2].stop()
            self._waiting.join(PATIENCE)
            running[2].process.kill()

    def all(self, recipe: Recipe) -> list[Fit]:
        """The recipe's fits, newest first."""
        running = self._running  # before the records: what has ended says so in its own
        records = recipe.models.fits.glob(f"*/{RECORD}")
        fits = [Fit.model_validate_json(record.read_bytes()) for record in records]
        for place, fit in enumerate(fits):
            if running is not None and running[1] == fit:
                fits[place] = fit.model_copy(update={"message": self._said})
            elif fit.state == "running":
                fits[place] = fit.model_copy(update={"state": "failed", "message": INTERRUPTED})
        return sorted(fits, key=lambda fit: fit.number, reverse=True)

    def _order(self, recipe: Recipe, out: Path) -> Order:
        active, settings = recipe.models.active, self._settings
        given = settings.by_recipe[recipe.name]
        learn, others = split(recipe)
        path = recipe.files.path
        return Order(
            out=out,
            in_use=active.path.absolute(),
            fingerprint=active.fingerprint,
            calibrated=recipe.models.stored_calibration(active),
            learn=[path(str(one.image)) for one in learn],
            compare={one.id: (path(str(one.image)), one.feedback == Verdict.DEFECT) for one in others},
            fitted_to=given.fitted_to,
            weights=given.weights,
            options={"engine": settings.engine, "threads": settings.threads, "device": settings.device},
            max_pixels=settings.max_pixels,
        )

    def _tell(self, _: int, sentence: str) -> None:
        self._said = sentence

    def _wait(self, recipe: Recipe, fit: Fit, process: WorkProcess) -> None:
        try:
            outcome = process.wait()
        except KeyboardInterrupt:
            outcome = BlemishError(STOPPED)
        with self._lock:
            if self._closed:
                return
            unfinished = _folder(recipe, fit) / UNFINISHED
            try:
                if isinstance(outcome, BlemishError):
                    rmtree(unfinished, ignore_errors=True)
                    ended = {"state": "failed", "message": str(outcome)}
                else:
                    unfinished.rename(unfinished.with_name(FITTED))
                    ended = {"state": "finished", "comparison": outcome}
                _write(recipe, fit.model_copy(update=ended))
            finally:
                self._running = None
        logger.info("fit ended", extra={"model": fit.model, "why": ended.get("message", "")})


def _folder(recipe: Recipe, fit: Fit) -> Path:
    return recipe.models.fits / str(fit.number)


def _write(recipe: Recipe, fit: Fit) -> None:
    write_whole(_folder(recipe, fit) / RECORD, fit.model_dump_json().encode())
