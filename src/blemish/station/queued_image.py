"""An image on its way through the pipeline."""

import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime

from blemish.images.reading import Upload
from blemish.station.models import LoadedModel
from blemish.station.records import Inspection, NewInspection, Source


@dataclass(eq=False)
class QueuedImage:
    """What is known of an image so far.

    Attributes:
        received: when, for people; `started` is the same on a clock that never jumps, in seconds.
        future: what the sender waits for.
        model: it is framed for, and is therefore scored with.
        upload: the decoded image; `decoded` is when, as `started`.
        files, record: to keep, files by digest.
    """

    data: bytes
    source: Source
    name: str
    key: str | None
    keep_failed: bool
    received: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=time.monotonic)
    future: "Future[Inspection]" = field(default_factory=Future)
    digest: str = ""
    model: LoadedModel | None = None
    upload: Upload | None = None
    decoded: float = 0.0
    files: dict[str, bytes] = field(default_factory=dict)
    record: NewInspection | None = None

    @property
    def title(self) -> str:
        """What sentences call it."""
        return self.name or "The image"

    def finish(self, **outcome: object) -> None:
        """Make the record, given the fields that follow from a score, or an error."""
        values = {
            "received": self.received,
            "source": self.source,
            "name": self.name,
            "key": self.key,
            "image": self.digest,
            "image_bytes": len(self.data),
            "model": self.model.fingerprint if self.model else None,
            "milliseconds": 1000 * (time.monotonic() - self.started),
        }
        if self.upload is not None:
            values |= {"image_type": self.upload.media_type}
            values |= {"width": self.upload.width, "height": self.upload.height}
        self.files[self.digest] = self.data
        self.record = NewInspection.model_validate(values | outcome)

    def release(self) -> None:
        """Forget what is large: whoever holds the future need not hold the image."""
        self.data, self.upload, self.files = b"", None, {}
