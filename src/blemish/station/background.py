"""Work that is done again and again beside the requests."""

from collections.abc import Callable
from threading import Event, Thread


class Background:
    """A thread that works until it is stopped.

    `work` does it once, looking at `stopping` if it is long, and gives the seconds until the next time.
    """

    def __init__(self, name: str, work: Callable[[], float]) -> None:
        self.stopping = Event()
        self._work = work
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish what is being done, and end the thread."""
        self.stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        pause = 0.0
        while not self.stopping.wait(pause):
            pause = self._work()
