"""What people said of the images that a station keeps."""

from blemish.station.records import Verdict
from blemish.station.storage.store import Store


def verdicts(store: Store) -> dict[str, Verdict | None]:
    """What people said of each image file, by its SHA-256; None where they contradict each other.

    The same file may have been inspected several times.
    """
    said: dict[str, Verdict | None] = {}
    for inspection in store.judged():
        if inspection.image is not None:
            verdict = said.setdefault(inspection.image, inspection.feedback)
            if verdict != inspection.feedback:
                said[inspection.image] = None
    return said
