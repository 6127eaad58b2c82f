"""Sends what is recorded to where the line takes it: in order, at least once, from the database itself."""

import logging
from datetime import UTC, datetime, timedelta

from blemish.errors import reason_of
from blemish.station.background import Background
from blemish.station.destinations import Mqtt, Webhook
from blemish.station.errors import StationError
from blemish.station.records import Inspection
from blemish.station.storage.outbox import Outbox
from blemish.station.storage.store import Store

POLL = 0.05  # seconds between looks for new inspections
AT_ONCE = 20  # inspections sent before the position is kept; so many may come twice after a kill
LONGEST = 60.0  # seconds between tries
COUNTED = 10_000  # of those that wait, at most
LATE = timedelta(minutes=1)  # that an inspection may wait without anybody being told

logger = logging.getLogger(__name__)


class Delivery(Background):
    """Sends one inspection after the other to a destination; after a failure again, in 1 to 60 seconds.

    Its position is kept under `name`; `outbox` has what waits.
    """

    def __init__(self, name: str, destination: Webhook | Mqtt, store: Store) -> None:
        super().__init__(name, self._work)
        self.name = name
        self.outbox = Outbox(store, name)
        self._destination = destination
        self._reason, self._pause = "", 0.0

    def stop(self) -> None:
        """Finish what is being sent; the rest is sent after the next start."""
        super().stop()
        self._destination.close()

    def trouble(self) -> str:
        """What waits, since when and why, in a sentence, or "" while nothing waits for long."""
        first = self.outbox.next(1)
        if not first or not (self._reason or datetime.now(UTC) - first[0].received > LATE):
            return ""
        count = self.outbox.count(COUNTED + 1)
        shown = f"more than {COUNTED}" if count > COUNTED else count
        since = f"{first[0].received.astimezone():%d %b %Y, %H:%M:%S}"
        return (
            f"Verdicts that wait for {self._destination.shown}: {shown}, the first since {since} "
            f"({self._reason or 'being sent'}); they are sent in order as soon as it takes them."
        )

    def _work(self) -> float:
        before = self.outbox.position
        try:
            waiting = self.outbox.next(AT_ONCE)
            self._send(waiting)
        except Exception as error:  # sending must go on, whatever it was
            if not isinstance(error, StationError):
                logger.error("delivery failed", extra={"error": repr(error)})
            self._reason = reason_of(error)
            if self.outbox.position != before:  # it takes some
                self._pause = 0.0
            self._pause = min(LONGEST, 2 * self._pause or 1)
            return self._pause
        self._reason, self._pause = "", 0.0
        return 0 if len(waiting) == AT_ONCE else POLL

    def _send(self, waiting: list[Inspection]) -> None:
        taken = self.outbox.position
        try:
            for inspection in waiting:
                if self.stopping.is_set():
                    break
                self._destination.send(inspection)
                taken = inspection.id
        finally:
            if taken != self.outbox.position:
                self.outbox.taken(taken)
