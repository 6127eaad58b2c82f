"""How a station is, part by part."""

import math
import time
from collections.abc import Callable
from enum import StrEnum
from threading import Event, Thread

from pydantic import BaseModel, Field

from blemish.errors import BlemishError
from blemish.station.log import event

SECONDS = 2.0  # between looks
HANGING = 10.0  # seconds after which a look that has not ended counts as trouble


class Status(StrEnum):
    """Of a part, or of the whole: "down" accepts no images, "degraded" needs a person."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


class Part(BaseModel):
    """One part of the station."""

    name: str
    status: Status
    message: str = Field(description="What is wrong and what to do, in a sentence, or empty.")


class Health(BaseModel):
    """The whole: as bad as its worst part."""

    status: Status
    parts: list[Part]


class Monitor:
    """Looks every two seconds at everything an inspection needs, so that trouble is known, and its end.

    Args:
        needed: by name, what raises BlemishError while nothing can be accepted.
        wanted: by name, what gives a sentence while a person is needed, or "".
    """

    def __init__(self, needed: dict[str, Callable[[], None]], wanted: dict[str, Callable[[], str]]) -> None:
        self._needed = needed
        self._wanted = wanted
        self._problems: dict[str, str] = {}
        self._remarks: dict[str, str] = {}
        self._looking: tuple[str, float] = ("", math.inf)  # at what, and since when
        self._stop = Event()
        self._thread = Thread(target=self._watch, name="monitor", daemon=True)

    def start(self) -> None:
        """Look once, then go on in a thread."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Look at everything now."""
        problems, remarks = {}, {}
        for name, need in self._needed.items():
            self._looking = (name, time.monotonic())
            problems[name] = _problem(need)
        for name, want in self._wanted.items():
            self._looking = (name, time.monotonic())
            remarks[name] = _remark(want)
        self._looking = ("", math.inf)
        self._problems, self._remarks = problems, remarks

    def problem(self) -> str:
        """Why nothing can be accepted, in a sentence, or ""."""
        return next(filter(None, self._current().values()), "")

    def health(self) -> Health:
        """As of the last look."""
        parts = [_part(name, message, Status.DOWN) for name, message in self._current().items()]
        parts += [_part(name, message, Status.DEGRADED) for name, message in self._remarks.items()]
        worst = max((part.status for part in parts), key=list(Status).index)
        return Health(status=worst, parts=parts)

    def _current(self) -> dict[str, str]:
        """Problems as of the last look, and the one that the present look hangs at."""
        name, since = self._looking
        seconds = time.monotonic() - since
        if name not in self._needed or seconds < HANGING:
            return self._problems
        return self._problems | {name: f"The {name} has not answered for {seconds:.0f} s; see to it."}

    def _watch(self) -> None:
        while not self._stop.wait(SECONDS):
            before = self.health()
            self.look()
            after = self.health()
            if after != before:
                messages = {part.name: part.message for part in after.parts if part.message}
                event(
                    "health changed",
                    level="info" if after.status == Status.OK else "warning",
                    status=after.status.value,
                    **messages,
                )


def _problem(check: Callable[[], None]) -> str:
    try:
        check()
    except BlemishError as error:
        return str(error)
    except Exception as error:  # a check must never end the watch
        return f"An unexpected error: {error!r}."
    return ""


def _remark(check: Callable[[], str]) -> str:
    try:
        return check()
    except Exception as error:
        return f"An unexpected error: {error!r}."


def _part(name: str, message: str, otherwise: Status) -> Part:
    return Part(name=name, status=otherwise if message else Status.OK, message=message)
