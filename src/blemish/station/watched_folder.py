"""Inspects the images that appear in a folder, each exactly once."""

import logging
import os
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from errno import ENODEV
from hashlib import sha256
from typing import Any

from blemish.errors import BlemishError, reason_of
from blemish.files import Stamp, make_folder, move_file, stamp_of
from blemish.images.finding import find_files, passed_over, read_file
from blemish.station.background import Background
from blemish.station.errors import Busy, Unavailable, Unusable
from blemish.station.pipeline import Pipeline
from blemish.station.recipe import Recipe
from blemish.station.recipe_settings import RecipeSettings
from blemish.station.records import MAX_NAME, Inspection, NewInspection, Source
from blemish.station.settings import Settings

SECONDS = 0.5  # between looks; network shares announce nothing
SHARE = 0.2  # of the time may go into looking, where there are very many files
PATIENCE = 30.0  # seconds for which a file that cannot be decoded must stay as it is to count as bad
AGAIN = 5.0  # seconds to the next try where a file could not be read, inspected or moved
FULL = 0.05  # seconds to the next try where the queue is full

logger = logging.getLogger(__name__)


@dataclass
class _File:
    name: str  # path below the folder
    stamp: Stamp
    due: float  # when to try next, monotonic
    doubtful: bool = False  # could not be decoded once, perhaps because it is still being written
    kept: Inspection | None = None  # durable; only moving is left
    problem: str = ""

    def try_again(self, problem: str) -> None:
        self.due, self.problem = time.monotonic() + AGAIN, problem


class WatchedFolder(Background):
    """Looks into `given.watch` and its subfolders every half second, in a thread, oldest files first.

    A file is taken when it has not changed for `settle` seconds. It is known by its path, time, size and
    content, so that neither a restart nor a kill gives it two records; one whose record retention deleted
    counts as new at the next start. `message` says what is wrong now, or "".
    """

    def __init__(self, recipe: Recipe, given: RecipeSettings, settings: Settings, pipeline: Pipeline) -> None:
        super().__init__("watch", self._work)
        assert given.watch is not None
        self._recipe = recipe
        self._folder = given.watch.resolve()
        self._move_to = given.move_to.resolve() if given.move_to is not None else None
        self._settings = settings
        self._max_bytes = settings.max_upload
        self._pipeline = pipeline
        self._room = max(1, min(2 * settings.batch_size, pipeline.room // 2))  # the API has the rest
        self._mounted = self._folder.is_mount()
        self._seen: dict[str, _File] = {}
        self._finished: dict[str, Stamp] = {}
        self._flying: deque[tuple[_File, Future[Inspection]]] = deque()
        self._told: dict[str, str] = {}
        self.message = ""

    def start(self) -> None:
        """Begin to look; BlemishError where `move_to` cannot be made."""
        if self._move_to is not None:
            make_folder(self._move_to)
        super().start()

    def _work(self) -> float:
        began = time.monotonic()
        problems: dict[str, str] = {}
        due = self._look(problems)
        pause = max(SECONDS, (time.monotonic() - began) / SHARE)
        try:
            self._inspect(due)
        except (Busy, Unavailable) as error:
            problems[""] = f"New images in {self._folder} wait: {error}"
        except Exception as error:  # the watch must go on, whatever it was
            problems[""] = f"Watching {self._folder} failed ({error!r}); it is tried again."
        self._tell(problems | {name: file.problem for name, file in self._seen.items() if file.problem})
        return pause

    def _look(self, problems: dict[str, str]) -> list[_File]:
        """The files that are due, oldest first; forgets those that are gone."""
        now = time.monotonic()
        seen: dict[str, _File] = {}
        finished: dict[str, Stamp] = {}
        unlisted: list[OSError] = []
        others: list[str] = []
        if self._mounted and not self._folder.is_mount():
            unlisted.append(OSError(ENODEV, "nothing is mounted there", str(self._folder)))
        else:
            for name, stamp in find_files(self._folder, self._move_to, unlisted, others):
                if self._finished.get(name) == stamp:
                    finished[name] = stamp
                    continue
                known = self._seen.get(name)
                same = known is not None and known.stamp == stamp
                seen[name] = known if known and same else _File(name, stamp, now + self._settings.settle)
            self._seen, self._finished = seen, finished
        for error in unlisted:
            what = f"{_printable(error.filename)} cannot be watched ({error.strerror})"
            problems[error.filename] = f"{what}; mount it, or check the path and its permissions."
        if others:
            problems["others"] = passed_over([_printable(name) for name in others])
        due = [file for file in seen.values() if file.due <= now]
        return sorted(due, key=lambda file: (file.stamp.modified, file.name))

    def _inspect(self, due: list[_File]) -> None:
        """Hand over, a few at a time, and wait for all of them."""
        try:
            for file in due:
                if self.stopping.is_set():
                    break
                self._take(file)
                while len(self._flying) >= self._room:
                    self._land()
        finally:
            while self._flying:
                self._land()

    def _take(self, file: _File) -> None:
        """Hand over one file, unless there is a record of it."""
        if file.kept is not None:
            self._finish(file, file.kept)
            return
        try:
            data = read_file(self._folder / file.name, file.stamp, self._max_bytes)
        except FileNotFoundError:
            del self._seen[file.name]
            logger.warning("watched file vanished", extra={"file": self._shown(file)})
            return
        except OSError as error:
            file.try_again(f"{self._shown(file)} cannot be read ({error.strerror}); check its permissions.")
            return
        if data is None:
            return
        key = self._recipe.key(_key(file, data))
        earlier = self._recipe.store.with_key(key)
        if earlier is None and file.stamp.size > self._max_bytes:
            (earlier,) = self._recipe.store.add([self._too_large(file, key)])
        if earlier is not None:
            self._finish(file, earlier)
        else:
            self._flying.append((file, self._submit(file, data, key)))

    def _submit(self, file: _File, data: bytes, key: str) -> "Future[Inspection]":
        given: dict[str, Any] = {"name": _printable(file.name), "key": key, "keep_failed": file.doubtful}
        while True:
            try:
                return self._pipeline.submit(self._recipe, data, source=Source.WATCH, **given)
            except Busy:
                if self.stopping.wait(FULL):
                    raise

    def _land(self) -> None:
        """Wait for the oldest of those handed over."""
        file, future = self._flying.popleft()
        try:
            inspection = future.result()
        except Unusable:
            file.doubtful, file.problem = True, ""
            file.due = time.monotonic() + PATIENCE
        except BlemishError as error:
            file.try_again(f"{self._shown(file)} waits: {error}")
        else:
            self._finish(file, inspection)

    def _finish(self, file: _File, inspection: Inspection) -> None:
        """The inspection is durable: move the file, or remember it."""
        if inspection.error and file.kept is None:
            told = {"file": self._shown(file), "error": inspection.error}
            logger.warning("watched file is bad", extra=told)
        file.kept = inspection
        if self._move_to is None:
            self._finished[file.name] = file.stamp
            del self._seen[file.name]
            return
        path = self._folder / file.name
        folder = "error" if inspection.error else inspection.outcome.replace(" ", "-")
        target = self._move_to / folder / file.name
        result = inspection.model_dump_json(indent=1).encode() if self._settings.result_json else None
        try:
            if not self._move_to.is_dir():
                raise OSError(ENODEV, f"there is no folder {self._move_to}")
            if stamp_of(path.lstat()) == file.stamp:
                move_file(path, target, result)
        except (OSError, BlemishError) as error:
            if os.path.lexists(path):
                what = f"{self._shown(file)} was inspected but cannot be moved to {target.parent}"
                file.try_again(f"{what} ({reason_of(error)}); make room, or check the permissions.")
                return
        del self._seen[file.name]  # if it was overwritten, it is new

    def _too_large(self, file: _File, key: str) -> NewInspection:
        name, size = _printable(file.name), file.stamp.size
        return NewInspection(
            recipe=self._recipe.name,
            received=datetime.now(UTC),
            source=Source.WATCH,
            name=name,
            key=key,
            image_bytes=size,
            error=f"{name} has {size} bytes, more than the {self._max_bytes} that are taken; "
            "save it smaller, or raise max_upload.",
            **self._settings.part_of(name),
        )

    def _tell(self, problems: dict[str, str]) -> None:
        """Log each problem when it comes up, and show the first."""
        for name, problem in problems.items():
            if self._told.get(name) != problem:
                logger.warning("watching", extra={"problem": problem})
        self._told = problems
        first, *others = problems.values() or [""]
        self.message = f"{first} And {len(others)} more, which the log names." if others else first

    def _shown(self, file: _File) -> str:
        return _printable(str(self._folder / file.name))


def _key(file: _File, data: bytes) -> str:
    """What makes a file itself; a file that is too large has no content here."""
    text = f"{file.stamp.modified}\0{file.stamp.size}\0{sha256(data).hexdigest()}\0".encode()
    return "watch:" + sha256(text + os.fsencode(file.name)).hexdigest()


def _printable(name: str) -> str:
    """A path's end that any database and any JSON takes."""
    return os.fsencode(name).decode("utf-8", "replace")[-MAX_NAME:]
