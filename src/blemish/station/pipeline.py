"""From an image's bytes to a durable inspection: decode in threads, score in batches, write in groups."""

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from queue import Queue
from threading import Condition, Thread
from typing import Any

import numpy as np

from blemish.errors import BlemishError, ImageError
from blemish.images.reading import Framed, frame_upload
from blemish.station.batching import next_batch
from blemish.station.errors import Busy, Conflict, Unavailable, Unusable
from blemish.station.metrics import Metrics
from blemish.station.models import LoadedModel, Models
from blemish.station.records import MAX_NAME, Inspection, NewInspection, Source
from blemish.station.settings import Settings
from blemish.station.storage.files import Files, digest_of, encode_map
from blemish.station.storage.store import Store

WRITTEN_AT_ONCE = 64
POLL = 0.002  # seconds between looks whether more images are decoded

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class _Image:
    """An image on its way."""

    data: bytes
    record: NewInspection  # what is known of it so far
    keep_failed: bool
    future: "Future[Inspection]" = field(default_factory=Future)
    started: float = field(default_factory=time.monotonic)
    decoded: float = 0.0  # when, as `started`
    model: LoadedModel | None = None  # it is framed for, and is therefore scored with
    framed: Framed | None = None
    files: dict[str, bytes] = field(default_factory=dict)  # to keep, by digest

    @property
    def title(self) -> str:
        return self.record.name or "The image"

    def tell(self, **fields: Any) -> None:
        known = self.record.model_dump() | {"milliseconds": 1000 * (time.monotonic() - self.started)}
        self.record = NewInspection.model_validate(known | fields)


@dataclass(eq=False)
class Pipeline:
    """Takes images from any thread; the futures it gives are done once the inspection is on the disk.

    Attributes:
        problem: why nothing can be accepted now, in a sentence, or "".
        trouble: why the model could not score the latest images, in a sentence, or "".
    """

    settings: Settings
    store: Store
    files: Files
    models: Models
    metrics: Metrics
    problem: Callable[[], str]
    trouble: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._unfinished: set[_Image] = set()
        self._changed = Condition()
        self._stopping = False
        self._decoding = 0
        self._other_names = False  # than the pattern for lots means
        self._decoded: Queue[_Image | None] = Queue()
        self._finished: Queue[_Image | None] = Queue()
        self._decoders = ThreadPoolExecutor(os.cpu_count() or 1, "decode")
        self._encoder = ThreadPoolExecutor(1, "encode")  # of its own: what is scored waits for no decoding
        self._threads = [Thread(target=work, daemon=True) for work in (self._score, self._write)]

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Accept nothing more, finish what was accepted, and end the threads."""
        with self._changed:
            self._stopping = True
            self._changed.wait_for(lambda: self.unfinished == 0)
        self._decoders.shutdown()
        self._encoder.shutdown()
        self._decoded.put(None)
        self._finished.put(None)
        for thread in self._threads:
            thread.join()

    @property
    def unfinished(self) -> int:
        """Images accepted and not yet acknowledged."""
        return len(self._unfinished)

    @property
    def slow(self) -> str:
        """A sentence while an image takes longer than a request may, else ""."""
        with self._changed:
            oldest = min(self._unfinished, key=lambda image: image.started, default=None)
        if oldest is None or (seconds := time.monotonic() - oldest.started) < self.settings.timeout:
            return ""
        return f"{oldest.title} has been in work for {seconds:.0f} s; the machine or the file is at fault."

    def check(self) -> None:
        """Raise Busy or Unavailable where an image could not be accepted now, before it is read."""
        if problem := self.problem():
            raise Unavailable(problem)
        if self._stopping:
            raise Unavailable("The station is being stopped; try again when it is back.")
        if self.unfinished >= self.settings.queue_size:
            raise Busy(f"{self.unfinished} images are waiting already; try again in a moment.")

    def submit(
        self,
        data: bytes,
        *,
        source: Source,
        name: str,
        lot: str | None = None,
        serial: str | None = None,
        key: str | None = None,
        keep_failed: bool = False,
    ) -> "Future[Inspection]":
        """Inspect an image.

        Args:
            data: an image file's content.
            lot, serial: of the part; without one, what the name says.
            key: the same key gives the same inspection, however often it is sent.
            keep_failed: record an image that cannot be used, with its error, instead of refusing it.

        Returns:
            The inspection, once it is durable. Fails with Unusable for what is no usable image or has no
            score, Conflict for a key that came with another image, and Unavailable where it cannot be scored
            or kept: nothing is recorded then.

        Raises:
            Busy, Unavailable: as `check`.
        """
        name, given = name[:MAX_NAME], {"lot": lot, "serial": serial}
        part = self.settings.part_of(name) | {field: text for field, text in given.items() if text}
        if self.settings.name_pattern and not part and not self._other_names:
            self._other_names = True
            logger.warning("a name does not fit name_pattern", extra={"image": name})
        told = {"source": source, "name": name, "key": key, "image_bytes": len(data)}
        record = NewInspection(received=datetime.now(UTC), **told, **part)
        image = _Image(data, record, keep_failed)
        with self._changed:
            self.check()
            self._unfinished.add(image)
            self._decoding += 1
        self._decoders.submit(self._decode, image)
        return image.future

    def _decode(self, image: _Image) -> None:
        try:
            digest = digest_of(image.data)
            image.files[digest] = image.data
            image.model = self.models.active
            image.tell(image=digest, model=image.model.fingerprint)
            earlier = self.store.with_key(image.record.key) if image.record.key else None
            if earlier is not None:
                return self._answer(image, earlier)
            frame, most = image.model.detector.frame, self.settings.max_pixels
            image.framed, kind = frame_upload(image.data, image.title, frame, most)
            image.tell(image_type=kind, width=image.framed.width, height=image.framed.height)
            image.decoded = time.monotonic()
            self._decoded.put(image)
        except ImageError as error:
            self._refuse(image, "image", str(error))
        except Exception as error:
            self._fail(image, error)
        finally:
            with self._changed:
                self._decoding -= 1

    def _score(self) -> None:
        while waiting := next_batch(self._decoded, self.settings.batch_size, self._seconds_to_wait):
            while waiting:  # after a switch, those framed for the old model come first
                model = waiting[0].model
                assert model is not None
                self._score_batch(model, [image for image in waiting if image.model is model])
                waiting = [image for image in waiting if image.model is not model]

    def _seconds_to_wait(self, first: _Image) -> float:
        """For others to join a batch: only while any are being decoded, and not for ever."""
        return min(POLL, first.decoded + self.settings.max_wait - time.monotonic()) if self._decoding else 0

    def _score_batch(self, model: LoadedModel, images: list[_Image]) -> None:
        try:
            framed = [image.framed.pixels for image in images if image.framed]
            scored = list(zip(images, model.detector.score_framed(framed), strict=True))
        except Exception as error:  # whatever an engine raises: the next batch may work
            logger.error("scoring failed", extra={"error": repr(error), "images": len(images)})
            self.metrics.failures.labels("model").inc()
            self.trouble = f"{model.name} could not score the latest images ({error})."
            for image in images:
                self._fail(image, Unavailable(self.trouble))
            return
        self.trouble = ""
        self.metrics.batches.observe(len(images))
        for image, (score, anomaly_map) in scored:
            self._encoder.submit(self._judge, image, model, score, anomaly_map)

    def _judge(self, image: _Image, model: LoadedModel, score: float, anomaly_map: np.ndarray) -> None:
        try:
            framed = image.framed
            assert framed is not None
            judged = model.judge(score, anomaly_map, image.title, framed.size)
            map_file, map_low, map_high = encode_map(framed.put_back(anomaly_map))
            image.files[map_digest := digest_of(map_file)] = map_file
            image.tell(
                map=map_digest,
                map_bytes=len(map_file),
                map_low=map_low,
                map_high=map_high,
                is_other_part=model.detector.is_other_part(framed),
                **judged,
            )
            self._finished.put(image)
        except ImageError as error:
            self._refuse(image, "model", str(error))
        except Exception as error:
            self._fail(image, error)

    def _write(self) -> None:
        while images := next_batch(self._finished, WRITTEN_AT_ONCE, lambda first: 0):
            self._keep(images)

    def _keep(self, images: list[_Image]) -> None:
        """Files first, then records: what is recorded has its files, whatever happens in between."""
        try:
            with self.files.busy:
                self.files.add({digest: file for image in images for digest, file in image.files.items()})
                kept = self.store.add([image.record for image in images])
        except Exception as error:
            self.metrics.failures.labels("store").inc()
            for image in images:
                self._fail(image, error)
            return
        for image, inspection in zip(images, kept, strict=True):
            self._answer(image, inspection)

    def _answer(self, image: _Image, inspection: Inspection) -> None:
        """The inspection is durable: say so, unless its key stands for another image."""
        if inspection.image is not None and inspection.image != image.record.image:
            self._fail(image, Conflict("This key came with another image before; give each image its own."))
            return
        if inspection.received == image.record.received:  # else it was there before
            self.metrics.inspected(inspection, time.monotonic() - image.started)
        self._done(image)
        image.future.set_result(inspection)

    def _refuse(self, image: _Image, reason: str, sentence: str) -> None:
        """An image that cannot be inspected: record that, where the sender wants it."""
        self.metrics.failures.labels(reason).inc()
        if image.keep_failed:
            image.tell(error=sentence)
            self._finished.put(image)
        else:
            self._fail(image, Unusable(sentence))

    def _fail(self, image: _Image, error: Exception) -> None:
        if not isinstance(error, BlemishError):
            logger.error("inspection failed", extra={"error": repr(error), "image": image.record.name})
            error = Unavailable("The inspection failed for a reason that the log has; try again.")
        self._done(image)
        image.future.set_exception(error)

    def _done(self, image: _Image) -> None:
        image.data, image.framed, image.files = b"", None, {}  # whoever holds the future need not hold these
        with self._changed:
            self._unfinished.remove(image)
            self._changed.notify_all()
