"""Inspects the images that appear in a folder, each exactly once."""

import hashlib
import os
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from errno import ENODEV
from threading import Event, Thread

from blemish.errors import BlemishError
from blemish.files import writing
from blemish.station.arrivals import Stamp, find_arrivals, read_arrival, stamp_of
from blemish.station.log import event
from blemish.station.moving import move
from blemish.station.pipeline import Pipeline
from blemish.station.problems import Busy, Unavailable, Unusable
from blemish.station.records import MAX_NAME, Inspection, NewInspection, Source
from blemish.station.settings import Settings
from blemish.station.storage.store import Store

SECONDS = 0.5  # between looks; network shares announce nothing
SHARE = 0.2  # of the time may go into looking, where there are very many files
PATIENCE = 30.0  # seconds for which a file that cannot be decoded must stay as it is to count as bad
AGAIN = 5.0  # seconds to the next try where a file could not be read, inspected or moved
FULL = 0.05  # seconds to the next try where the queue is full


@dataclass
class _Seen:
    """A file that is not finished with."""

    stamp: Stamp
    due: float  # when to try next, monotonic
    doubtful: bool = False  # could not be decoded once, perhaps because it is still being written
    kept: Inspection | None = None  # durable; only moving is left
    problem: str = ""


class Watch:
    """Looks into `settings.watch` and its subfolders every half second, in a thread, oldest files first.

    A file is taken when it has not changed for `settle` seconds. It is known by its path, time, size and
    content, so that neither a restart nor a kill gives it two records; a record that retention deleted is
    forgotten, though, and such a file, still there at the next start, counts as new: use `move_to` then.

    Args:
        settings: `watch` must be given.
        patience: seconds for which a file that cannot be decoded must stay as it is to count as bad.

    Attributes:
        message: what is wrong now, in a sentence, or "".
    """

    def __init__(
        self, settings: Settings, pipeline: Pipeline, store: Store, *, patience: float = PATIENCE
    ) -> None:
        assert settings.watch is not None
        self._folder = settings.watch.resolve()
        self._move_to = settings.move_to.resolve() if settings.move_to is not None else None
        self._settle = settings.settle
        self._max_bytes = settings.max_upload
        self._patience = patience
        self._pipeline = pipeline
        self._store = store
        self._room = max(1, min(2 * settings.batch_size, settings.queue_size // 2))  # the API has the rest
        self._mounted = self._folder.is_mount()
        self._seen: dict[str, _Seen] = {}
        self._finished: dict[str, Stamp] = {}
        self._flying: deque[tuple[str, _Seen, Future[Inspection]]] = deque()
        self._problems: dict[str, str] = {}
        self._told: dict[str, str] = {}
        self.message = ""
        self._stop = Event()
        self._thread = Thread(target=self._run, name="watch", daemon=True)

    @property
    def waiting(self) -> int:
        """Files seen and not finished with."""
        return len(self._seen)

    def start(self) -> None:
        """Begin to look.

        Raises:
            BlemishError: `move_to` cannot be made.
        """
        if self._move_to is not None:
            with writing(self._move_to):
                self._move_to.mkdir(parents=True, exist_ok=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what was handed over, and end the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            began = time.monotonic()
            self._problems = {}
            due: list[str] = []
            try:
                due = self._look()
            except OSError as error:
                self._problems[""] = (
                    f"{self._folder} cannot be watched ({error.strerror}); mount it, or check the path and "
                    "its permissions."
                )
            pause = max(SECONDS, (time.monotonic() - began) / SHARE)
            try:
                self._inspect(due)
            except Exception as error:  # the watch must go on, whatever it was
                self._problems[""] = f"Watching {self._folder} failed ({error!r}); it is tried again."
            self._tell()

    def _look(self) -> list[str]:
        """The files that are due, oldest first; forgets those that are gone."""
        if self._mounted and not self._folder.is_mount():
            raise OSError(ENODEV, "nothing is mounted there")
        now = time.monotonic()
        seen: dict[str, _Seen] = {}
        finished: dict[str, Stamp] = {}
        unlisted: dict[str, OSError] = {}
        for name, stamp in find_arrivals(self._folder, self._move_to, unlisted):
            if self._finished.get(name) == stamp:
                finished[name] = stamp
                continue
            known = self._seen.get(name)
            if known is None or known.stamp != stamp:
                known = _Seen(stamp, now + self._settle)
            seen[name] = known
        self._seen, self._finished = seen, finished
        self._problems |= {
            folder: f"{_printable(folder)} cannot be listed ({error.strerror}); check its permissions."
            for folder, error in unlisted.items()
        }
        due = [name for name, file in seen.items() if file.due <= now]
        return sorted(due, key=lambda name: (seen[name].stamp.modified, name))

    def _inspect(self, due: list[str]) -> None:
        """Hand over, a few at a time, and wait for all of them."""
        try:
            for name in due:
                if self._stop.is_set():
                    break
                self._take(name, self._seen[name])
                while len(self._flying) >= self._room:
                    self._land()
        except (Busy, Unavailable) as error:
            self._problems[""] = f"New images in {self._folder} wait: {error}"
        finally:
            while self._flying:
                self._land()

    def _take(self, name: str, seen: _Seen) -> None:
        """Hand over one file, unless there is a record of it."""
        if seen.kept is not None:
            self._finish(name, seen, seen.kept)
            return
        try:
            data = read_arrival(self._folder / name, seen.stamp, self._max_bytes)
        except FileNotFoundError:
            del self._seen[name]
            event("watched file vanished", level="warning", file=self._shown(name))
            return
        except OSError as error:
            self._try_again(
                seen, f"{self._shown(name)} cannot be read ({error.strerror}); check its permissions."
            )
            return
        if data is None:
            return
        key = _key(name, seen.stamp, data)
        earlier = self._store.with_key(key)
        if earlier is None and seen.stamp.size > self._max_bytes:
            (earlier,) = self._store.add([self._too_large(name, seen.stamp, key)])
        if earlier is not None:
            self._finish(name, seen, earlier)
        else:
            self._flying.append((name, seen, self._submit(name, data, key, seen.doubtful)))

    def _submit(self, name: str, data: bytes, key: str, keep_failed: bool) -> "Future[Inspection]":
        while True:
            try:
                return self._pipeline.submit(
                    data, source=Source.WATCH, name=_printable(name), key=key, keep_failed=keep_failed
                )
            except Busy:
                if self._stop.wait(FULL):
                    raise

    def _land(self) -> None:
        """Wait for the oldest of those handed over."""
        name, seen, future = self._flying.popleft()
        try:
            inspection = future.result()
        except Unusable:
            seen.doubtful, seen.problem = True, ""
            seen.due = time.monotonic() + self._patience
        except BlemishError as error:
            self._try_again(seen, f"{self._shown(name)} waits: {error}")
        else:
            self._finish(name, seen, inspection)

    def _finish(self, name: str, seen: _Seen, inspection: Inspection) -> None:
        """The inspection is durable: move the file, or remember it."""
        if inspection.error and seen.kept is None:
            event("watched file is bad", level="warning", file=self._shown(name), error=inspection.error)
        seen.kept = inspection
        if self._move_to is None:
            self._finished[name] = seen.stamp
            del self._seen[name]
            return
        target = self._move_to / "failed" / name if inspection.error else self._move_to / name
        file = self._folder / name
        try:
            if not self._move_to.is_dir():
                raise OSError(ENODEV, f"there is no folder {self._move_to}")
            if stamp_of(file.lstat()) == seen.stamp:
                move(file, target)
        except OSError as error:
            if os.path.lexists(file):
                self._try_again(
                    seen,
                    f"{self._shown(name)} was inspected but cannot be moved to {target.parent} "
                    f"({error.strerror}); make room, or check the permissions.",
                )
                return
        del self._seen[name]  # if it was overwritten, it is new

    def _too_large(self, name: str, stamp: Stamp, key: str) -> NewInspection:
        shown = _printable(name)
        return NewInspection.model_validate(
            {
                "received": datetime.now(UTC),
                "source": Source.WATCH,
                "name": shown,
                "key": key,
                "image": None,
                "image_bytes": stamp.size,
                "image_type": "application/octet-stream",
                "width": 0,
                "height": 0,
                "error": f"{shown} has {stamp.size} bytes, more than the {self._max_bytes} that are taken; "
                "save it smaller, or raise max_upload.",
            }
        )

    def _try_again(self, seen: _Seen, problem: str) -> None:
        seen.due, seen.problem = time.monotonic() + AGAIN, problem

    def _tell(self) -> None:
        """Log each problem when it comes up, and show the first."""
        self._problems |= {name: seen.problem for name, seen in self._seen.items() if seen.problem}
        for name, problem in self._problems.items():
            if self._told.get(name) != problem:
                event("watching", level="warning", problem=problem)
        self._told = self._problems
        first, *others = self._problems.values() or [""]
        self.message = f"{first} And {len(others)} more, which the log names." if others else first

    def _shown(self, name: str) -> str:
        return _printable(str(self._folder / name))


def _key(name: str, stamp: Stamp, data: bytes) -> str:
    """What makes a file itself; a file that is too large has no content here."""
    content = hashlib.sha256(data).hexdigest()
    text = f"{stamp.modified}\0{stamp.size}\0{content}\0".encode()
    return "watch:" + hashlib.sha256(text + os.fsencode(name)).hexdigest()


def _printable(name: str) -> str:
    """A path's end that any database and any JSON takes."""
    return os.fsencode(name).decode("utf-8", "replace")[-MAX_NAME:]
