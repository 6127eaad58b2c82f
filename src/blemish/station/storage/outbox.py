"""How far a destination has come in the inspections that it is sent."""

from sqlalchemy import func, select, update

from blemish.station.records import Filter, Inspection
from blemish.station.storage.store import Store, insert_into
from blemish.station.storage.tables import destinations, inspections


class Outbox:
    """The inspections after the position of one destination, by number; a new one begins after the newest.

    Every method raises Unavailable while the database cannot be used.
    """

    def __init__(self, store: Store, destination: str) -> None:
        self._store = store
        self._mine = destinations.c.name == destination
        newest = select(func.coalesce(func.max(inspections.c.id), 0)).scalar_subquery()
        with store.database.transaction(writing=True) as connection:
            new = insert_into(connection, destinations).values(name=destination, position=newest)
            connection.execute(new.on_conflict_do_nothing())
            self.position = connection.execute(select(destinations.c.position).where(self._mine)).scalar_one()

    def next(self, limit: int) -> list[Inspection]:
        """The first of those that wait."""
        return self._store.select(Filter(), limit=limit, after=self.position)[::-1]

    def taken(self, number: int) -> None:
        """Keep that the destination took the inspections up to this number."""
        with self._store.database.transaction(writing=True) as connection:
            connection.execute(update(destinations).where(self._mine).values(position=number))
        self.position = number

    def count(self, most: int | None = None) -> int:
        """How many wait; counting ends at `most`."""
        waiting = select(inspections.c.id).where(inspections.c.id > self.position).limit(most).subquery()
        question = select(func.count()).select_from(waiting)
        with self._store.database.transaction() as connection:
            return connection.execute(question).scalar_one()
