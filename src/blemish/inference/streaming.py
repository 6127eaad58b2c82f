"""Loading, scoring and whatever the caller does with the results, all at the same time."""

import atexit
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from queue import Empty, SimpleQueue
from threading import Semaphore, Thread
from typing import Any, NamedTuple

from blemish.errors import ImageError

Load = Callable[[Any], Any]
Score = Callable[[list[Any]], Sequence[tuple[Any, ...]]]

SECONDS_TO_END = 0.5  # for a reader that may be waiting for a path which never comes


class Streamed(NamedTuple):
    """One image on its way out."""

    path: Any  # as given; or an image in memory
    image: Any  # what `load` gave, or the ImageError that says why there is none
    scored: tuple[Any, ...] = ()  # what `score` gave for this image; empty where there is no image


class _End(NamedTuple):
    """Takes the place of the next image where there is none."""

    error: BaseException | None = None


def stream(
    paths: Iterable[Any],
    load: Load,
    score: Score,
    batch_size: int,
    *,
    threads: int,
    consecutive: bool = False,
) -> Generator[Streamed, None, None]:
    """Load and score files while the caller works on earlier ones.

    A thread takes paths, a pool of threads loads them, and one more thread scores what is loaded, in batches
    of whatever is there: a slow file holds up nothing but the results behind it, and no image waits for a
    batch to fill. At most three batches and one image per loading thread exist at any time, however many
    paths there are and however slow the caller is. When the caller stops early or something fails, the
    threads end; only one that is waiting for `paths` to give something stays until it does. They end too when
    the program does while the generator is unfinished.

    Args:
        paths: image files, or images in memory, taken in another thread as there is room for them.
        load: gives an image, or raises an ImageError.
        score: gives one tuple for each of at most `batch_size` images.
        batch_size: images scored at once at most.
        threads: that load.
        consecutive: a batch is always the next `batch_size` paths, without their bad images, so that the same
            paths give the same scores to the last digit; a slow file then holds up the scoring too.

    Yields:
        One item per path, in order.

    Raises:
        Exception: what `paths`, `score` or `load` raised, other than an ImageError of `load`.
    """
    belt = _Belt(load, score, batch_size, consecutive, threads)
    belt.start(paths)
    atexit.register(belt.end)  # a daemon thread that is killed inside an engine takes the process with it
    try:
        yield from belt.in_order()
    finally:
        atexit.unregister(belt.end)
        belt.end()


class _Belt:
    """What runs in the threads, and the queues between them: paths, `loaded`, `scored`, results."""

    def __init__(self, load: Load, score: Score, batch_size: int, consecutive: bool, threads: int) -> None:
        self.load, self.score = load, score
        self.batch_size, self.consecutive = batch_size, consecutive
        self.pool = ThreadPoolExecutor(threads, "blemish-loader")
        self.room = Semaphore(3 * batch_size + threads - 1)  # for images after the one that comes in at once
        self.loaded: SimpleQueue[tuple[int, Streamed] | _End] = SimpleQueue()
        self.scored: SimpleQueue[tuple[int, Streamed] | _End] = SimpleQueue()
        self.early: dict[int, Streamed] = {}  # loaded before its turn, where turns are kept
        self.turn = 0
        self.stopped = False

    def start(self, paths: Iterable[Any]) -> None:
        self.reader = Thread(target=self.read, args=(paths,), name="blemish-reader", daemon=True)
        self.scorer = Thread(target=self.score_all, name="blemish-scorer", daemon=True)
        self.reader.start()
        self.scorer.start()

    def read(self, paths: Iterable[Any]) -> None:
        """Take paths as there is room; the end follows when the last one is loaded."""
        end = _End()
        try:
            for number, path in enumerate(paths):
                self.pool.submit(self._load, number, path)
                self.room.acquire()
                if self.stopped:
                    break
        except BaseException as error:
            end = _End(error)
        self.pool.shutdown()
        self.loaded.put(end)

    def _load(self, number: int, path: Any) -> None:
        try:
            self.loaded.put((number, Streamed(path, self.load(path))))
        except ImageError as error:
            self.loaded.put((number, Streamed(path, error)))
        except BaseException as error:
            self.loaded.put(_End(error))

    def score_all(self) -> None:
        """Score batch after batch until the end."""
        try:
            while self._score_batch():
                pass
        except BaseException as error:
            self.scored.put(_End(error))

    def _score_batch(self) -> bool:
        batch, end = self._next_batch()
        images = [image for _, (_, image, _) in batch if not isinstance(image, ImageError)]
        if self.stopped:
            return False
        scores = iter(self.score(images) if images else [])
        for number, (path, image, _) in batch:
            scored = () if isinstance(image, ImageError) else next(scores)
            self.scored.put((number, Streamed(path, image, scored)))
        if end:
            self.scored.put(end)
        return end is None

    def _next_batch(self) -> tuple[list[tuple[int, Streamed]], _End | None]:
        """What is loaded, at least one image unless the end is near."""
        batch: list[tuple[int, Streamed]] = []
        while len(batch) < self.batch_size:
            try:
                item = self._in_turn() if self.consecutive else self.loaded.get(block=not batch)
            except Empty:
                break
            if isinstance(item, _End):
                return batch, item
            batch.append(item)
        return batch, None

    def _in_turn(self) -> tuple[int, Streamed] | _End:
        """The next path's, once it is loaded; the end comes behind everything that is."""
        while self.turn not in self.early:
            item = self.loaded.get()
            if isinstance(item, _End):
                return item
            self.early[item[0]] = item[1]
        self.turn += 1
        return self.turn - 1, self.early.pop(self.turn - 1)

    def in_order(self) -> Iterator[Streamed]:
        """What is scored, in the order of the paths."""
        waiting: dict[int, Streamed] = {}
        for number in count():
            while number not in waiting:
                item = self.scored.get()
                if isinstance(item, _End):
                    if item.error:
                        raise item.error
                    return
                waiting[item[0]] = item[1]
                del item  # or it would outlive its turn here
            yield waiting.pop(number)
            self.room.release()

    def end(self) -> None:
        """Wake every thread to find that there is nothing left to do, and wait for it."""
        self.stopped = True
        self.pool.shutdown(cancel_futures=True)
        self.loaded.put(_End())
        self.room.release()
        self.scorer.join()
        self.reader.join(SECONDS_TO_END)
