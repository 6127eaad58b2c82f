"""How a station is, part by part."""

import logging
import math
import time
from collections.abc import Callable

from blemish.errors import BlemishError
from blemish.station.background import Background
from blemish.station.schemas import Health, Part, Status

SECONDS = 2.0  # between looks
HANGING = 10.0  # seconds after which a look that has not ended counts as trouble

logger = logging.getLogger(__name__)

Check = Callable[[], str | None]  # gives what is wrong in a sentence, or raises BlemishError with it


class Monitor(Background):
    """Looks every two seconds at everything an inspection needs, so that trouble is known, and its end.

    What is `needed` must be in order for images to be accepted; at what is `wanted` a person should look.
    """

    def __init__(self, needed: dict[str, Check], wanted: dict[str, Check]) -> None:
        super().__init__("monitor", self._work)
        self._needed = needed
        self._checks = needed | wanted
        self._messages = dict.fromkeys(self._checks, "")
        self._looking: tuple[str, float] = ("", math.inf)  # at what, and since when

    def start(self) -> None:
        self.look()
        super().start()

    def look(self) -> None:
        messages = {}
        for name, check in self._checks.items():
            self._looking = (name, time.monotonic())
            try:
                messages[name] = check() or ""
            except BlemishError as error:
                messages[name] = str(error)
            except Exception as error:  # a check must never end the watch
                messages[name] = f"An unexpected error: {error!r}."
        self._looking = ("", math.inf)
        self._messages = messages

    def problem(self) -> str:
        """Why nothing can be accepted, in a sentence, or ""."""
        return next((part.message for part in self.health().parts if part.status == Status.DOWN), "")

    def health(self) -> Health:
        """As of the last look; what the present look hangs at is in trouble."""
        messages = dict(self._messages)
        name, since = self._looking
        if (seconds := time.monotonic() - since) >= HANGING:
            messages[name] = f"The {name} has not answered for {seconds:.0f} s; see to it."
        parts = []
        for name, message in messages.items():
            trouble = Status.DOWN if name in self._needed else Status.DEGRADED
            parts.append(Part(name=name, status=trouble if message else Status.OK, message=message))
        return Health(status=max((part.status for part in parts), key=list(Status).index), parts=parts)

    def _work(self) -> float:
        before = [part.status for part in self.health().parts]
        self.look()
        after = self.health()
        if [part.status for part in after.parts] != before:
            level = logging.INFO if after.status == Status.OK else logging.WARNING
            messages = {part.name: part.message for part in after.parts if part.message}
            logger.log(level, "health changed", extra={"status": after.status.value, "parts": messages})
        return SECONDS
