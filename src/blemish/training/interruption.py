"""Ctrl-C during long work."""

import signal
from contextlib import suppress
from types import FrameType


class Interruption:
    """Turns Ctrl-C into a wish that a loop grants between two steps; a second one stops at once."""

    asked = False

    def __enter__(self) -> "Interruption":
        self._previous = signal.getsignal(signal.SIGINT)
        with suppress(ValueError):  # not the main thread: the caller handles interrupts
            signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *exception: object) -> None:
        if signal.getsignal(signal.SIGINT) == self._ask:
            signal.signal(signal.SIGINT, self._previous)
