"""A product on the station: its name, its models, and what is known of its pictures."""

from dataclasses import dataclass, field

from blemish.station.models import Models
from blemish.station.records import Filter
from blemish.station.storage.files import Files
from blemish.station.storage.store import Store


@dataclass(eq=False)
class Recipe:
    """What judges the pictures of one product, apart from those of others.

    Attributes:
        trouble: why its model could not score the latest images, in a sentence, or "".
    """

    name: str
    models: Models
    store: Store
    files: Files
    trouble: str = field(default="", init=False)

    @property
    def scored(self) -> Filter:
        """Inspections that the active model scored here."""
        return Filter(recipe=self.name, model=self.models.active.fingerprint, failed=False)

    def key(self, text: str) -> str:
        """Of an inspection: what a sender says, which others may say of another picture elsewhere."""
        return f"{self.name}/{text}"
