"""From an image's bytes to a durable inspection: decode in threads, score in batches, write in groups."""

import hashlib
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, Queue
from threading import Condition, Thread

import numpy as np

from blemish.errors import BlemishError, ImageError
from blemish.images.reading import frame_upload
from blemish.station.job import Job
from blemish.station.log import event
from blemish.station.problems import Busy, Conflict, Unavailable, Unusable
from blemish.station.records import MAX_NAME, Inspection, Source
from blemish.station.settings import Settings
from blemish.station.shelf import Loaded, Shelf
from blemish.station.storage.files import Files
from blemish.station.storage.maps import encode_map
from blemish.station.storage.store import Store
from blemish.station.telemetry import Telemetry

WRITTEN_AT_ONCE = 64


class Pipeline:
    """Takes images from any thread; the futures it gives are done once the inspection is on the disk.

    Args:
        problem: why nothing can be accepted now, in a sentence, or "".

    Attributes:
        trouble: why the model could not score the latest images, in a sentence, or "".
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        files: Files,
        shelf: Shelf,
        telemetry: Telemetry,
        problem: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._store = store
        self._files = files
        self._shelf = shelf
        self._telemetry = telemetry
        self._problem = problem
        self._unfinished: set[Job] = set()
        self.trouble = ""
        self._changed = Condition()
        self._stopping = False
        self._decoding = 0
        self._decoded: Queue[Job | None] = Queue()
        self._finished: Queue[Job | None] = Queue()
        self._decoders = ThreadPoolExecutor(os.cpu_count() or 1, "decode")
        self._encoder = ThreadPoolExecutor(1, "encode")  # of its own: what is scored waits for no decoding
        self._threads = [
            Thread(target=work, name=name, daemon=True)
            for name, work in (("score", self._score), ("write", self._write))
        ]

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
            oldest = min(self._unfinished, key=lambda job: job.started, default=None)
        seconds = 0.0 if oldest is None else time.monotonic() - oldest.started
        if oldest is None or seconds < self._settings.timeout:
            return ""
        name = oldest.name or "An image"
        return f"{name} has been in work for {seconds:.0f} s; the machine is overloaded or the file is odd."

    def check(self) -> None:
        """Refuse what could not be accepted, before it is read.

        Raises:
            Busy: as many images are unfinished as there may be.
            Unavailable: nothing can be accepted now.
        """
        if problem := self._problem():
            raise Unavailable(problem)
        if self._stopping:
            raise Unavailable("The station is being stopped; try again when it is back.")
        if self.unfinished >= self._settings.queue_size:
            raise Busy(f"{self.unfinished} images are waiting already; try again in a moment.")

    def submit(
        self,
        data: bytes,
        *,
        source: Source,
        name: str,
        key: str | None = None,
        keep_failed: bool = False,
    ) -> "Future[Inspection]":
        """Inspect an image.

        Args:
            data: an image file's content.
            source: how it came.
            name: what the sender calls it.
            key: the same key gives the same inspection, however often it is sent.
            keep_failed: record an image that cannot be used, with its error, instead of refusing it.

        Returns:
            The inspection, once it is durable. Fails with Unusable for what is no usable image, Conflict for
            a key that came with another image, and Unavailable where it cannot be scored or kept: nothing is
            recorded then.

        Raises:
            Busy, Unavailable: as `check`.
        """
        job = Job(data, source, name[:MAX_NAME], key, keep_failed)
        with self._changed:
            self.check()
            self._unfinished.add(job)
            self._decoding += 1
        self._decoders.submit(self._decode, job)
        return job.future

    def _decode(self, job: Job) -> None:
        try:
            earlier = self._store.with_key(job.key) if job.key else None
            if earlier is not None:
                self._answer(job, earlier)
                return
            job.loaded = self._shelf.active
            name = job.name or "The image"
            job.upload = frame_upload(job.data, name, job.loaded.detector.frame, self._settings.max_pixels)
            job.decoded = time.monotonic()
            self._decoded.put(job)
        except ImageError as error:
            self._telemetry.failed("image")
            if job.keep_failed:
                job.failed(str(error))
                self._finished.put(job)
            else:
                self._fail(job, Unusable(str(error)))
        except Exception as error:
            self._fail(job, error)
        finally:
            with self._changed:
                self._decoding -= 1

    def _score(self) -> None:
        while (batch := self._batch()) is not None:
            waiting = batch
            while waiting:  # after a switch, those framed for the old model come first
                loaded = waiting[0].loaded
                assert loaded is not None
                self._score_batch(loaded, [job for job in waiting if job.loaded is loaded])
                waiting = [job for job in waiting if job.loaded is not loaded]

    def _batch(self) -> list[Job] | None:
        """The next images to score, or None at the end.

        Waits for others only while they are being decoded, and for `max_wait` after the first at most.
        """
        first = self._decoded.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < self._settings.batch_size:
            left = first.decoded + self._settings.max_wait - time.monotonic()
            wait = min(left, 0.002) if self._decoding and left > 0 else 0
            try:
                job = self._decoded.get(timeout=wait) if wait else self._decoded.get_nowait()
            except Empty:
                if not wait:
                    break
                continue
            if job is None:
                self._decoded.put(None)
                break
            batch.append(job)
        return batch

    def _score_batch(self, loaded: Loaded, jobs: list[Job]) -> None:
        try:
            images = [job.upload.framed for job in jobs if job.upload is not None]
            scored = list(zip(jobs, loaded.detector.score_framed(images), strict=True))
        except Exception as error:  # whatever an engine raises: the next batch may work
            event("scoring failed", level="error", error=repr(error), images=len(jobs))
            self._telemetry.failed("model")
            self.trouble = f"{loaded.name} could not score the latest images ({error})."
            for job in jobs:
                self._fail(job, Unavailable(self.trouble))
            return
        self.trouble = ""
        self._telemetry.batch(len(jobs))
        for job, (score, anomaly_map) in scored:
            self._encoder.submit(self._judge, job, score, anomaly_map)

    def _judge(self, job: Job, score: float, anomaly_map: np.ndarray) -> None:
        try:
            if not (math.isfinite(score) and np.isfinite(anomaly_map).all()):
                raise Unavailable(
                    f"{job.name or 'The image'} has no score: the model gave no finite numbers."
                )
            job.map_file, low, high = encode_map(anomaly_map)
            job.scored(score, low, high)
            self._finished.put(job)
        except Exception as error:
            self._fail(job, error)

    def _write(self) -> None:
        while (job := self._finished.get()) is not None:
            jobs: list[Job] = [job]
            while len(jobs) < WRITTEN_AT_ONCE:
                try:
                    more = self._finished.get_nowait()
                except Empty:
                    break
                if more is None:
                    self._finished.put(None)
                    break
                jobs.append(more)
            self._keep(jobs)

    def _keep(self, jobs: list[Job]) -> None:
        try:
            with self._files.busy:
                contents = [part for job in jobs for part in job.files]
                digests = iter(self._files.add(contents))
                records = [job.record([next(digests) for _ in job.files]) for job in jobs]
                kept = self._store.add(records)
        except Exception as error:
            self._telemetry.failed("store")
            for job in jobs:
                self._fail(job, error)
            return
        for job, inspection in zip(jobs, kept, strict=True):
            self._answer(job, inspection)

    def _answer(self, job: Job, inspection: Inspection) -> None:
        """The inspection is durable: say so, unless its key stands for another image."""
        digest = hashlib.sha256(job.data).hexdigest()
        if inspection.image is not None and inspection.image != digest:
            self._fail(job, Conflict("This key came with another image before; give each image its own."))
            return
        if inspection.received == job.received:  # else it was there before
            self._telemetry.inspected(inspection, time.monotonic() - job.started)
        self._done(job)
        job.future.set_result(inspection)

    def _fail(self, job: Job, error: Exception) -> None:
        if not isinstance(error, BlemishError):
            event("inspection failed", level="error", error=repr(error), image=job.name)
            error = Unavailable("The inspection failed for a reason that the log has; try again.")
        self._done(job)
        job.future.set_exception(error)

    def _done(self, job: Job) -> None:
        job.data = b""  # whoever holds the future need not hold the image
        job.upload = None
        with self._changed:
            self._unfinished.remove(job)
            self._changed.notify_all()
