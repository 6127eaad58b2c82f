"""A station: its parts, put together, started and stopped."""

import logging
import os
from contextlib import ExitStack
from functools import partial
from threading import Semaphore
from typing import Any

from blemish.errors import ConfigError, ModelFileError
from blemish.station.delivery import Delivery, Mqtt, Webhook
from blemish.station.errors import NotFound, StationError
from blemish.station.health import Check, Monitor
from blemish.station.learning.drift import measure_drift
from blemish.station.learning.fits import Fits
from blemish.station.metrics import Metrics
from blemish.station.models import Models
from blemish.station.pipeline import Pipeline
from blemish.station.recipe import Recipe
from blemish.station.recipe_settings import RecipeSettings
from blemish.station.records import Inspection
from blemish.station.settings import Settings
from blemish.station.storage.accounts import Accounts
from blemish.station.storage.files import GIGABYTE, Files
from blemish.station.storage.retention import Retention
from blemish.station.storage.store import Store
from blemish.station.watched_folder import WatchedFolder

DRIFT = "drift"  # the part of the health that announces it

logger = logging.getLogger(__name__)


class Station:
    """Everything `blemish serve` runs, but for the web server.

    The first recipe is the `default`, for whoever names none. `drawing` is held while a past image is decoded
    for showing, by as many at once as there are cores; `close` lets go of folder and database, of a station
    that was not started. BlemishError: one of these or a model cannot be used, or another station uses them.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        with ExitStack() as undo:
            self.files = Files(settings.folder)
            undo.callback(self.files.close)
            self.store = Store(settings.store_url)
            undo.callback(self.store.close)
            default = next(iter(settings.by_recipe))
            if adopted := self.store.adopt(default):
                told = {"recipe": default, "count": adopted}
                logger.info("inspections of before there were recipes belong to the default one", extra=told)
            self.recipes = {name: self._recipe(name, given) for name, given in settings.by_recipe.items()}
            self.default = self.recipes[default]
            self.deliveries = _deliveries(settings, self.store)
            self.close = undo.pop_all().close
        self.accounts = Accounts(self.store.database) if settings.users else None
        self.fits = Fits(settings)
        self.drawing = Semaphore(os.cpu_count() or 1)
        self.metrics = Metrics()
        limits = (settings.keep_days, settings.keep_gb)
        outboxes = [delivery.outbox for delivery in self.deliveries]
        self.retention = Retention(self.store, self.files, *limits, outboxes)
        self.pipeline = Pipeline(
            settings, self.store, self.files, self.metrics, lambda: self.monitor.problem()
        )
        self.watched = {
            name: WatchedFolder(self.recipes[name], given, settings, self.pipeline)
            for name, given in settings.by_recipe.items()
            if given.watch is not None
        }
        needed: dict[str, Check] = {
            "database": self.store.database.check,
            "disk": lambda: self.files.check(round(settings.min_free_gb * GIGABYTE)),
        }
        self.monitor = Monitor(needed, self._wanted())
        gauge = self.metrics.gauge
        gauge("queue_images", "Accepted and unfinished.", lambda: self.pipeline.unfinished)
        gauge("queue_size", "Accepted at most.", lambda: settings.queue_size)
        gauge("up", "1 while images are accepted.", lambda: float(not self.monitor.problem()))
        for delivery in self.deliveries:
            gauge(f"{delivery.name}_waiting", "Verdicts not yet sent.", delivery.outbox.count)
        gauge("disk_free_bytes", "Free space where images are kept.", self.files.free_bytes)

    def recipe(self, name: str | None) -> Recipe:
        """The one of this name, else NotFound; without a name the default one."""
        if name is None:
            return self.default
        if name not in self.recipes:
            raise NotFound(f"There is no recipe {name[:100]!r}; GET /v1/recipes lists them.")
        return self.recipes[name]

    def recipe_of(self, inspection: Inspection) -> Recipe:
        """Whose pages show it: its own, or the default one where that is no longer set up."""
        return self.recipes.get(inspection.recipe, self.default)

    def description(self, inspection: Inspection) -> dict[str, Any]:
        """Of the model that scored an image; NotFound where none did."""
        if inspection.score is None or inspection.model is None:
            raise NotFound(f"Inspection {inspection.id} has no picture to draw; its error says why.")
        active = self.recipe_of(inspection).models.active
        if inspection.model == active.fingerprint:
            return active.detector.metadata
        return self.store.model(inspection.model).description

    def start(self) -> None:
        """Begin to work; BlemishError where the folder to move images to cannot be made."""
        for recipe in self.recipes.values():
            recipe.models.note_start()
        self.monitor.start()
        self.pipeline.start()
        self.retention.start()
        for working in (*self.deliveries, *self.watched.values()):
            working.start()
        models = {name: recipe.models.active.name for name, recipe in self.recipes.items()}
        logger.info("station started", extra={"models": models, "store": self.store.database.name})

    def stop(self) -> None:
        """Finish what was accepted, and let go of everything."""
        for watched in self.watched.values():
            watched.stop()
        self.fits.close()
        self.pipeline.stop()
        for delivery in self.deliveries:
            delivery.stop()
        self.retention.stop()
        self.monitor.stop()
        self.close()
        logger.info("station stopped")

    def _recipe(self, name: str, given: RecipeSettings) -> Recipe:
        try:
            return Recipe(name, Models(name, given, self.settings, self.store), self.store, self.files)
        except (ConfigError, ModelFileError) as error:
            place = f"{self.settings.recipes}: [{name}] model: " if self.settings.recipes else ""
            raise type(error)(f"{place}{error}") from error

    def _wanted(self) -> dict[str, Check]:
        wanted: dict[str, Check] = {}
        for name, recipe in self.recipes.items():
            of = f" of {name}" if len(self.recipes) > 1 else ""
            wanted[f"model{of}"] = partial(getattr, recipe, "trouble")
            wanted[f"{DRIFT}{of}"] = partial(_drift, recipe)
            if name in self.watched:
                wanted[f"watched folder{of}"] = partial(getattr, self.watched[name], "message")
        wanted["queue"] = lambda: self.pipeline.slow
        wanted["retention"] = lambda: self.retention.over or self.retention.unsent
        return wanted | {delivery.name: delivery.trouble for delivery in self.deliveries}


def _drift(recipe: Recipe) -> str:
    try:
        return measure_drift(recipe).message
    except StationError:
        return ""  # the check of the database says why


def _deliveries(settings: Settings, store: Store) -> list[Delivery]:
    found = []
    if settings.webhook is not None:
        found.append(Delivery("webhook", Webhook(settings.webhook, settings.webhook_key), store))
    if settings.mqtt is not None:
        found.append(Delivery("mqtt", Mqtt(settings.mqtt.get_secret_value(), settings.mqtt_topic), store))
    return found
