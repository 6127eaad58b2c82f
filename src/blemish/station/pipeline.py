"""From an image's bytes to a durable inspection: decode in threads, score in batches, write in order."""

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, islice, takewhile
from threading import Condition, Thread
from typing import Any

import numpy as np

from blemish.errors import BlemishError, ImageError
from blemish.images.maps import encode_map
from blemish.images.reading import Framed, frame_upload
from blemish.station.errors import Busy, Conflict, Unavailable, Unusable
from blemish.station.metrics import Metrics
from blemish.station.models import LoadedModel
from blemish.station.recipe import Recipe
from blemish.station.records import MAX_NAME, Inspection, NewInspection, Source
from blemish.station.settings import Settings
from blemish.station.storage.files import Files, digest_of
from blemish.station.storage.store import Store

WRITTEN_AT_ONCE = 64

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class _Image:
    recipe: Recipe
    model: LoadedModel  # which was active when it was accepted
    data: bytes
    record: NewInspection  # what is known of it so far
    keep_failed: bool
    future: "Future[Inspection]" = field(default_factory=Future)
    started: float = field(default_factory=time.monotonic)
    decoded: float = 0.0  # when, as `started`
    framed: Framed | None = None
    files: dict[str, bytes] = field(default_factory=dict)  # to keep, by digest
    judged: bool = False  # only writing is left

    @property
    def title(self) -> str:
        return self.record.name or "The image"

    def tell(self, **fields: Any) -> None:
        known = self.record.model_dump() | {"milliseconds": 1000 * (time.monotonic() - self.started)}
        self.record = NewInspection.model_validate(known | fields)


@dataclass(eq=False)
class Pipeline:
    """Takes images from any thread; the futures it gives are done once the inspection is on the disk.

    Images of a recipe are written in the order in which they were accepted; `room` is how many of one may be
    unfinished, an equal part of the queue. `problem` says why nothing can be accepted now, or "".
    """

    settings: Settings
    store: Store
    files: Files
    metrics: Metrics
    problem: Callable[[], str]

    def __post_init__(self) -> None:
        names = self.settings.by_recipe
        self.room = max(1, self.settings.queue_size // len(names))
        self._unfinished: dict[str, dict[_Image, None]] = {name: {} for name in names}  # as accepted
        self._changed = Condition()
        self._stopping = False
        self._decoding = 0
        self._other_names = False  # than the pattern for lots means
        self._decoded: list[_Image] = []
        self._decoders = ThreadPoolExecutor(os.cpu_count() or 1, "decode")
        self._encoder = ThreadPoolExecutor(1, "encode")  # of its own: what is scored waits for no decoding
        self._threads = [Thread(target=work, daemon=True) for work in (self._score, self._write)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Accept nothing more, finish what was accepted, and end the threads."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.unfinished == 0)
        self._decoders.shutdown()
        self._encoder.shutdown()
        for thread in self._threads:
            thread.join()

    @property
    def unfinished(self) -> int:
        return sum(map(len, self._unfinished.values()))

    @property
    def slow(self) -> str:
        """A sentence while an image takes longer than a request may, else ""."""
        with self._changed:
            oldest = min(chain(*self._unfinished.values()), key=lambda image: image.started, default=None)
        if oldest is None or (seconds := time.monotonic() - oldest.started) < self.settings.timeout:
            return ""
        return f"{oldest.title} has been in work for {seconds:.0f} s; the machine or the file is at fault."

    def check(self, recipe: Recipe) -> None:
        """Raise Busy or Unavailable where an image could not be accepted now, before it is read."""
        if problem := self.problem():
            raise Unavailable(problem)
        if self._stopping:
            raise Unavailable("The station is being stopped; try again when it is back.")
        if (waiting := len(self._unfinished[recipe.name])) >= self.room:
            raise Busy(f"{waiting} images are waiting already; try again in a moment.")

    def submit(
        self,
        recipe: Recipe,
        data: bytes,
        *,
        source: Source,
        name: str,
        lot: str | None = None,
        serial: str | None = None,
        key: str | None = None,
        keep_failed: bool = False,
    ) -> "Future[Inspection]":
        """Inspect an image file's content; Busy or Unavailable as `check`.

        The recipe's model that is active now judges it. Without `lot` or `serial` its name tells them. The
        same `key`, by `Recipe.key`, gives the same inspection. `keep_failed` keeps what cannot be used, with
        its error. The inspection is there once it is durable; else Unusable for what is no usable image or
        has no score, Conflict for a key of another image, Unavailable where it cannot be scored or kept.
        """
        model, name = recipe.models.active, name[:MAX_NAME]
        known: dict[str, Any] = {"recipe": recipe.name, "source": source, "name": name, "key": key}
        known |= {"model": model.fingerprint, "image_bytes": len(data)}
        known |= self._part(name, lot=lot, serial=serial)
        with self._changed:
            self.check(recipe)
            record = NewInspection(**known, received=datetime.now(UTC))
            image = _Image(recipe, model, data, record, keep_failed)
            self._unfinished[recipe.name][image] = None
            self._decoding += 1
            self._decoders.submit(self._decode, image)
        return image.future

    def _part(self, name: str, **given: str | None) -> dict[str, str]:
        """Lot and serial number: those given, else what the name says; one warning where it says nothing."""
        part = self.settings.part_of(name) | {field: text for field, text in given.items() if text}
        if self.settings.name_pattern and not part and not self._other_names:
            self._other_names = True
            logger.warning("a name does not fit name_pattern", extra={"image": name})
        return part

    def _decode(self, image: _Image) -> None:
        try:
            digest = digest_of(image.data)
            image.files[digest] = image.data
            image.tell(image=digest)
            if image.record.key and (earlier := self.store.with_key(image.record.key)):
                return self._answer(image, earlier)
            frame, most = image.model.detector.frame, self.settings.max_pixels
            image.framed, kind = frame_upload(image.data, image.title, frame, most)
            image.tell(image_type=kind, width=image.framed.width, height=image.framed.height)
            image.decoded = time.monotonic()
            with self._changed:
                self._decoded.append(image)
        except ImageError as error:
            self._refuse(image, "image", str(error))
        except Exception as error:
            self._fail(image, error)
        finally:
            with self._changed:
                self._decoding -= 1
                self._changed.notify_all()

    def _score(self) -> None:
        while waiting := self._next_to_score():
            while waiting:  # after a switch, those framed for the old model come first
                model = waiting[0].model
                self._score_batch(model, [image for image in waiting if image.model is model])
                waiting = [image for image in waiting if image.model is not model]

    def _next_to_score(self) -> list[_Image]:
        """Decoded images, with those that are decoded in time to join them; none at the end."""
        most = self.settings.batch_size
        with self._changed:
            self._changed.wait_for(lambda: self._decoded or (self._stopping and not self.unfinished))
            if self._decoded:
                seconds = self._decoded[0].decoded + self.settings.max_wait - time.monotonic()
                self._changed.wait_for(lambda: len(self._decoded) >= most or not self._decoding, seconds)
            images, self._decoded = self._decoded[:most], self._decoded[most:]
        return images

    def _score_batch(self, model: LoadedModel, images: list[_Image]) -> None:
        try:
            framed = [image.framed.pixels for image in images if image.framed]
            scored = list(zip(images, model.detector.score_framed(framed), strict=True))
        except Exception as error:  # whatever an engine raises: the next batch may work
            logger.error("scoring failed", extra={"error": repr(error), "images": len(images)})
            self.metrics.failures.labels("model").inc()
            images[0].recipe.trouble = trouble = f"{model.name} could not score the latest images ({error})."
            for image in images:
                self._fail(image, Unavailable(trouble))
            return
        images[0].recipe.trouble = ""
        self.metrics.batches.observe(len(images))
        for image, (score, anomaly_map) in scored:
            self._encoder.submit(self._judge, image, model, score, anomaly_map)

    def _judge(self, image: _Image, model: LoadedModel, score: float, anomaly_map: np.ndarray) -> None:
        try:
            framed = image.framed
            assert framed is not None
            judged = model.judge(score, anomaly_map, image.title, framed.size)
            map_file, low, high = encode_map(framed.put_back(anomaly_map))
            image.files[map_digest := digest_of(map_file)] = map_file
            judged |= {"map": map_digest, "map_bytes": len(map_file), "map_low": low, "map_high": high}
            image.tell(**judged, is_other_part=model.detector.is_other_part(framed))
            self._set_judged(image)
        except ImageError as error:
            self._refuse(image, "model", str(error))
        except Exception as error:
            self._fail(image, error)

    def _set_judged(self, image: _Image) -> None:
        with self._changed:
            image.judged = True
            self._changed.notify_all()

    def _next_to_write(self) -> list[_Image]:
        """Judged images that no unfinished one of their recipe came before; none at the end."""

        def found() -> list[_Image]:
            ready = (takewhile(lambda image: image.judged, images) for images in self._unfinished.values())
            return list(islice(chain(*ready), WRITTEN_AT_ONCE))

        with self._changed:
            self._changed.wait_for(lambda: found() or (self._stopping and not self.unfinished))
            return found()

    def _write(self) -> None:
        """Files first, then records: what is recorded has its files, whatever happens in between."""
        while images := self._next_to_write():
            try:
                with self.files.busy:
                    self.files.add({digest: file for image in images for digest, file in image.files.items()})
                    kept = self.store.add([image.record for image in images])
            except Exception as error:
                self.metrics.failures.labels("store").inc()
                for image in images:
                    self._fail(image, error)
            else:
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
            self._set_judged(image)
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
            del self._unfinished[image.recipe.name][image]
            self._changed.notify_all()
