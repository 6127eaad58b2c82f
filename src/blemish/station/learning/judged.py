"""What people said of the images that a station keeps."""

from collections.abc import Iterator

from blemish.station.records import Filter, Inspection, Verdict
from blemish.station.storage.store import Store

AT_ONCE = 500  # records in one question


def judged(store: Store, filter: Filter | None = None) -> Iterator[Inspection]:
    """Every inspection that somebody judged, newest first, asked for bit by bit.

    Args:
        filter: narrows further; None is all of them.

    Raises:
        Unavailable: the database cannot be read.
    """
    wanted = (filter or Filter()).model_copy(update={"feedback": "any"})
    before = None
    while found := store.select(wanted, limit=AT_ONCE, before=before):
        yield from found
        before = found[-1].id


def verdicts(store: Store) -> dict[str, Verdict | None]:
    """What people said of each image file, by its SHA-256; None where they contradict each other.

    The same file may have been inspected several times.

    Raises:
        Unavailable: the database cannot be read.
    """
    said: dict[str, Verdict | None] = {}
    for inspection in judged(store):
        if inspection.image is not None:
            verdict = said.setdefault(inspection.image, inspection.feedback)
            if verdict != inspection.feedback:
                said[inspection.image] = None
    return said
