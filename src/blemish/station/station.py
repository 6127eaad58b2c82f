"""A station: its parts, put together, started and stopped."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Semaphore

from blemish.station.health import Health, Monitor
from blemish.station.log import event
from blemish.station.pipeline import Pipeline
from blemish.station.settings import Settings
from blemish.station.shelf import Shelf
from blemish.station.storage.files import GIGABYTE, Files
from blemish.station.storage.retention import Retention
from blemish.station.storage.store import Store
from blemish.station.telemetry import Telemetry
from blemish.station.watch import Watch


class Station:
    """Everything `blemish serve` runs, but for the web server.

    Attributes:
        settings, store, files, shelf, telemetry, pipeline, retention: see their modules.
        watch: of the watched folder, or None.
        drawing: held while a past image is decoded for showing; as many at once as there are cores.

    Raises:
        BlemishError: the folder, the database or the model cannot be used, or another station uses them.
    """

    def __init__(self, settings: Settings) -> None:
        with ExitStack() as undo:
            self.settings = settings
            self.files = Files(settings.folder)
            undo.callback(self.files.close)
            self.store = Store(store_url(settings))
            undo.callback(self.store.close)
            self.shelf = Shelf(settings, self.store)
            undo.pop_all()
        self.drawing = Semaphore(os.cpu_count() or 1)
        self.telemetry = Telemetry()
        self.retention = Retention(self.store, self.files, settings.keep_days, settings.keep_gb)
        wanted: dict[str, Callable[[], str]] = {
            "model": lambda: self.pipeline.trouble or self.shelf.check(),
            "queue": lambda: self.pipeline.slow,
            "retention": lambda: self.retention.over,
        }
        if settings.watch is not None:
            wanted["watched folder"] = lambda: self.watch.message if self.watch else ""
        self._monitor = Monitor(
            {
                "database": self.store.check,
                "disk": lambda: self.files.check(round(settings.min_free_gb * GIGABYTE)),
            },
            wanted,
        )
        self.pipeline = Pipeline(
            settings, self.store, self.files, self.shelf, self.telemetry, self._monitor.problem
        )
        self.watch = None if settings.watch is None else Watch(settings, self.pipeline, self.store)
        self.telemetry.gauge("queue_images", "Accepted and unfinished.", lambda: self.pipeline.unfinished)
        self.telemetry.gauge("queue_size", "Accepted at most.", lambda: settings.queue_size)
        self.telemetry.gauge("up", "1 while images are accepted.", lambda: float(not self._monitor.problem()))
        self.telemetry.gauge("disk_free_bytes", "Free space where images are kept.", self.files.free_bytes)

    def start(self) -> None:
        """Begin to work."""
        self._monitor.start()
        self.pipeline.start()
        self.retention.start()
        if self.watch is not None:
            self.watch.start()
        active = self.shelf.active
        event("station started", model=active.name, fingerprint=active.fingerprint, store=self.store.name)

    def stop(self) -> None:
        """Finish what was accepted, and let go of everything."""
        if self.watch is not None:
            self.watch.stop()
        self.pipeline.stop()
        self.retention.stop()
        self._monitor.stop()
        self.store.close()
        self.files.close()
        event("station stopped")

    def health(self) -> Health:
        """How every part is."""
        return self._monitor.health()

    def look(self) -> None:
        """Look at every part now instead of within two seconds."""
        self._monitor.look()


def store_url(settings: Settings) -> str:
    """The database's URL: the one given, or a SQLite file in the station's folder."""
    if settings.store is not None:
        return settings.store.get_secret_value()
    return f"sqlite:///{Path(settings.folder).resolve() / 'station.sqlite'}"
