"""An image on its way through the pipeline, and the record that it becomes."""

import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from blemish.images.reading import Upload
from blemish.station.records import Inspection, NewInspection, Source
from blemish.station.shelf import Loaded


@dataclass(eq=False)
class Job:
    """What is known of an image so far.

    Attributes:
        data, source, name, key, keep_failed: as submitted.
        received: when, for people; `started` is the same on a clock that never jumps, in seconds.
        future: what the sender waits for.
        loaded: the model it is framed for, and is therefore scored with.
        upload: the decoded image; `decoded` is when, as `started`.
        map_file: the anomaly map as a file; empty for an image without a score.
    """

    data: bytes
    source: Source
    name: str
    key: str | None
    keep_failed: bool
    received: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=time.monotonic)
    future: "Future[Inspection]" = field(default_factory=Future)
    loaded: Loaded | None = None
    upload: Upload | None = None
    decoded: float = 0.0
    map_file: bytes = b""
    _outcome: dict[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> list[bytes]:
        """What to keep: the image, and the map of a scored one."""
        return [self.data, self.map_file] if self.map_file else [self.data]

    def failed(self, error: str) -> None:
        """Note that the image cannot be scored, and why."""
        self._outcome = {"error": error, "milliseconds": self._milliseconds()}

    def scored(self, score: float, map_low: float, map_high: float) -> None:
        """Note the score and the range of the map; the verdict follows from the model's calibration."""
        assert self.loaded is not None
        verdicts = self.loaded.verdicts
        self._outcome = {
            "score": score,
            "map_low": map_low,
            "map_high": map_high,
            "p_value": verdicts.p_value(score),
            "is_anomalous": verdicts.is_anomalous(score),
            "threshold": verdicts.threshold,
            "false_alarm_rate": verdicts.effective_rate,
            "calibration": self.loaded.calibration.id,
            "milliseconds": self._milliseconds(),
        }

    def record(self, digests: list[str]) -> NewInspection:
        """What to keep, once `files` are kept under these digests."""
        image, *maps = digests
        return NewInspection(
            received=self.received,
            source=self.source,
            name=self.name,
            key=self.key,
            image=image,
            image_bytes=len(self.data),
            image_type=self.upload.media_type if self.upload else "application/octet-stream",
            width=self.upload.width if self.upload else 0,
            height=self.upload.height if self.upload else 0,
            map=maps[0] if maps else None,
            map_bytes=len(self.map_file),
            model=self.loaded.fingerprint if self.loaded else None,
            **self._outcome,
        )

    def _milliseconds(self) -> float:
        return 1000 * (time.monotonic() - self.started)
