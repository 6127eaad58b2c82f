"""A product on the station: its name, its models, and what is known of its pictures."""

from dataclasses import dataclass, field
from datetime import datetime

from blemish.station.models import Models
from blemish.station.records import IN_FORCE, AuditEntry, Filter, InForce
from blemish.station.schemas import AuditQuery
from blemish.station.storage.audit import entries
from blemish.station.storage.files import Files
from blemish.station.storage.store import Store


@dataclass(eq=False)
class Recipe:
    """What judges the pictures of one product; `trouble`: why the latest could not be scored, or ""."""

    name: str
    models: Models
    store: Store
    files: Files
    trouble: str = field(default="", init=False)

    @property
    def scored(self) -> Filter:
        """Inspections that the active model scored here."""
        return Filter(recipe=self.name, model=self.models.active.fingerprint, failed=False)

    def changes(
        self, limit: int | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> list[AuditEntry]:
        """The latest changes of what judges its pictures, newest first, or those in [since, until)."""
        asked = AuditQuery(recipe=self.name, since=since, until=until)
        return entries(self.store.database, asked, kinds=IN_FORCE, limit=limit)

    @property
    def in_force(self) -> InForce:
        """What judges its pictures now; Unavailable while the database cannot be read."""
        active = self.models.active
        return InForce(
            recipe=self.name,
            model=active.fingerprint,
            model_name=active.name,
            threshold=None if active.rules_decide else active.calibration.threshold,
            false_alarm_rate=active.rate,
            rules=str(active.rules or ""),
            since=self.changes(1)[0].at,
        )

    def key(self, text: str) -> str:
        """Of an inspection: what a sender says, which others may say of another picture elsewhere."""
        return f"{self.name}/{text}"
