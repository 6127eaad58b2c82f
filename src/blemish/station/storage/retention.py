"""Old inspections that nobody has judged make room for new ones."""

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from blemish.station.background import Background
from blemish.station.records import LARGEST_NUMBER, Inspection
from blemish.station.storage.files import GIGABYTE, PREFIXES, Files
from blemish.station.storage.store import Outbox, Store

BATCH = 200  # inspections deleted at once; adding waits meanwhile
SECONDS = 60.0  # between runs
SWEEPING = 86_400.0  # seconds between sweeps

logger = logging.getLogger(__name__)


class Retention(Background):
    """Deletes by age and by size each minute, and sweeps at once and each day. What a person judged stays.

    None keeps all; a gigabyte has 10^9 bytes. `over` is a sentence while the judged images alone have more
    than `keep_gb`, `unsent` when any was deleted since the start that waited in an outbox; else "".
    """

    def __init__(
        self,
        store: Store,
        files: Files,
        keep_days: float | None,
        keep_gb: float | None,
        outboxes: Sequence[Outbox] = (),
    ) -> None:
        super().__init__("retention", self._work)
        self.over = self.unsent = ""
        self._outboxes = outboxes
        self._store = store
        self._files = files
        self._keep_days = keep_days
        self._keep_gb = keep_gb
        self._sweep_due = time.monotonic()

    def run_once(self, now: datetime) -> int:
        """Delete what is too old or too much; how many inspections were deleted."""
        deleted = 0
        if self._keep_days is not None:
            oldest = now - timedelta(days=self._keep_days)
            while not self.stopping.is_set() and (batch := self._store.expired(oldest, BATCH)):
                deleted += self._delete(batch)
        if self._keep_gb is not None:
            deleted += self._delete_beyond(self._keep_gb * GIGABYTE)
        if deleted:
            logger.info("old inspections deleted", extra={"count": deleted})
        return deleted

    def sweep(self) -> int:
        """Remove files of no record, such as a killed station leaves; how many were removed.

        Where they outnumber the others nothing is: the database is then hardly the one of this folder.
        """
        strays: dict[str, set[str]] = {}
        known = 0
        for prefix in PREFIXES:
            stored = self._files.stored(prefix)
            strays[prefix] = stored - self._store.digests(prefix) if stored else set()
            known += len(stored) - len(strays[prefix])
        found = sum(map(len, strays.values()))
        if found > known:
            logger.warning("strays left alone", extra={"files": found, "recorded": known})
            return 0
        removed = 0
        for prefix, digests in strays.items():
            if not digests or self.stopping.is_set():
                continue
            with self._files.busy:
                unneeded = digests - self._store.digests(prefix)  # one may have been added meanwhile
                self._files.remove(unneeded)
            removed += len(unneeded)
        if removed:
            logger.info("strays removed", extra={"count": removed})
        return removed

    def _delete_beyond(self, most: float) -> int:
        deleted = 0
        while (excess := self._store.stored_bytes() - most) > 0 and not self.stopping.is_set():
            batch = self._store.expired(None, BATCH)
            if not batch:
                self.over = (
                    f"The judged images alone have {(most + excess) / GIGABYTE:.1f} GB, more than the "
                    f"{most / GIGABYTE:.1f} GB to keep; raise --keep-gb, or take some judgements back."
                )
                return deleted
            sizes = accumulate(one.image_bytes + one.map_bytes for one in batch)
            enough = 1 + sum(size < excess for size in sizes)
            deleted += self._delete(batch[:enough])
        self.over = ""
        return deleted

    def _delete(self, batch: list[Inspection]) -> int:
        with self._files.busy:
            self._files.remove(self._store.delete([inspection.id for inspection in batch]))
        sent = min((outbox.position for outbox in self._outboxes), default=LARGEST_NUMBER)
        if count := sum(inspection.id > sent for inspection in batch):
            self.unsent = "Inspections were deleted unsent; keep them longer, or mend where they are sent."
            logger.warning("unsent inspections deleted", extra={"count": count})
        return len(batch)

    def _work(self) -> float:
        try:
            if time.monotonic() >= self._sweep_due:
                self.sweep()
                self._sweep_due = time.monotonic() + SWEEPING
            self.run_once(datetime.now(UTC))
        except Exception as error:  # the next run may work
            logger.error("retention failed", extra={"error": repr(error)})
        return SECONDS
