"""A station: its parts, put together, started and stopped."""

import logging
import os
from contextlib import ExitStack
from threading import Semaphore
from typing import Any

from blemish.station.delivery import Delivery
from blemish.station.destinations import Mqtt, Webhook
from blemish.station.errors import NotFound
from blemish.station.health import Check, Monitor
from blemish.station.metrics import Metrics
from blemish.station.models import Models
from blemish.station.pipeline import Pipeline
from blemish.station.records import Inspection
from blemish.station.settings import Settings
from blemish.station.storage.files import GIGABYTE, Files
from blemish.station.storage.retention import Retention
from blemish.station.storage.store import Store
from blemish.station.watched_folder import WatchedFolder

logger = logging.getLogger(__name__)


class Station:
    """Everything `blemish serve` runs, but for the web server.

    Attributes:
        drawing: held while a past image is decoded for showing; as many at once as there are cores.
        close: lets go of the folder and the database, of a station that was not started.

    Raises:
        BlemishError: the folder, the database or the model cannot be used, or another station uses them.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        with ExitStack() as undo:
            self.files = Files(settings.folder)
            undo.callback(self.files.close)
            self.store = Store(settings.store_url)
            undo.callback(self.store.close)
            self.models = Models(settings, self.store)
            self.deliveries = _deliveries(settings, self.store)
            self.close = undo.pop_all().close
        self.drawing = Semaphore(os.cpu_count() or 1)
        self.metrics = Metrics()
        limits = (settings.keep_days, settings.keep_gb)
        outboxes = [delivery.outbox for delivery in self.deliveries]
        self.retention = Retention(self.store, self.files, *limits, outboxes)
        needed: dict[str, Check] = {
            "database": self.store.database.check,
            "disk": lambda: self.files.check(round(settings.min_free_gb * GIGABYTE)),
        }
        wanted: dict[str, Check] = {
            "model": lambda: self.pipeline.trouble or self.models.remark,
            "queue": lambda: self.pipeline.slow,
            "retention": lambda: self.retention.over or self.retention.unsent,
        }
        if settings.watch is not None:
            wanted["watched folder"] = lambda: self.watched.message if self.watched else ""
        wanted |= {delivery.name: delivery.trouble for delivery in self.deliveries}
        self.monitor = Monitor(needed, wanted)
        parts = (self.store, self.files, self.models, self.metrics)
        self.pipeline = Pipeline(settings, *parts, self.monitor.problem)
        self.watched = WatchedFolder(settings, self.pipeline, self.store) if settings.watch else None
        gauge = self.metrics.gauge
        gauge("queue_images", "Accepted and unfinished.", lambda: self.pipeline.unfinished)
        gauge("queue_size", "Accepted at most.", lambda: settings.queue_size)
        gauge("up", "1 while images are accepted.", lambda: float(not self.monitor.problem()))
        for delivery in self.deliveries:
            gauge(f"{delivery.name}_waiting", "Verdicts not yet sent.", delivery.outbox.count)
        gauge("disk_free_bytes", "Free space where images are kept.", self.files.free_bytes)

    def description(self, inspection: Inspection) -> dict[str, Any]:
        """Of the model that scored an image; NotFound where none did."""
        if inspection.score is None or inspection.model is None:
            raise NotFound(f"Inspection {inspection.id} has no picture to draw; its error says why.")
        active = self.models.active
        if inspection.model == active.fingerprint:
            return active.detector.metadata
        return self.store.model(inspection.model).description

    def start(self) -> None:
        """Begin to work; BlemishError where the folder to move images to cannot be made."""
        self.monitor.start()
        self.pipeline.start()
        self.retention.start()
        for delivery in self.deliveries:
            delivery.start()
        if self.watched is not None:
            self.watched.start()
        active = self.models.active
        told = {"model": active.name, "fingerprint": active.fingerprint, "store": self.store.database.name}
        logger.info("station started", extra=told)

    def stop(self) -> None:
        """Finish what was accepted, and let go of everything."""
        if self.watched is not None:
            self.watched.stop()
        self.pipeline.stop()
        for delivery in self.deliveries:
            delivery.stop()
        self.retention.stop()
        self.monitor.stop()
        self.close()
        logger.info("station stopped")


def _deliveries(settings: Settings, store: Store) -> list[Delivery]:
    found = []
    if settings.webhook is not None:
        found.append(Delivery("webhook", Webhook(settings.webhook, settings.webhook_key), store))
    if settings.mqtt is not None:
        found.append(Delivery("mqtt", Mqtt(settings.mqtt.get_secret_value(), settings.mqtt_topic), store))
    return found
