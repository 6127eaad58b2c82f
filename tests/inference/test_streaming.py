"""Loading, scoring and the caller's work overlap: in order, bounded, and never stuck."""

import gc
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from blemish.errors import ImageError
from blemish.inference.streaming import Streamed, stream

PATIENCE = 20  # seconds until a test that waits in vain fails
THREADS = os.cpu_count() or 1

Images = list[np.ndarray]


def load(path: Any) -> np.ndarray:
    """A tiny image full of its number, or an error."""
    if "bad" in str(path):
        raise ImageError(f"{path} is bad.")
    return np.full((2, 2, 3), int(path) % 251, np.uint8)


def score(images: Images) -> list[tuple[float]]:
    return [(float(image.max()),) for image in images]


def streamed(
    paths: Iterable[str], load: Any = load, score: Any = score, batch_size: int = 4, **options: Any
) -> Any:
    return stream(paths, load, score, batch_size, **{"threads": THREADS} | options)


def names(count: int, bad: int = 0) -> list[str]:
    """Numbers; with `bad` every so many of them is a bad file."""
    return [f"bad{number}" if bad and number % bad == 0 else str(number) for number in range(count)]


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def our_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("blemish-")]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert our_threads() == []


@pytest.mark.parametrize(("consecutive", "threads"), [(False, 2), (True, 1)])
def test_thousands_of_images_in_order_with_their_errors(consecutive: bool, threads: int) -> None:
    paths = names(5000, bad=7)
    sizes: list[int] = []
    loading: set[str] = set()

    def watched_load(path: Any) -> np.ndarray:
        loading.add(threading.current_thread().name)
        return load(path)

    def watched_score(images: Images) -> list[tuple[float]]:
        sizes.append(len(images))
        return score(images)

    options = {"batch_size": 16, "consecutive": consecutive, "threads": threads}
    items = list(streamed(paths, watched_load, watched_score, **options))
    assert [item.path for item in items] == paths
    for number, item in enumerate(items):
        if number % 7 == 0:
            assert str(item.image) == f"bad{number} is bad." and item.scored == ()
        else:
            assert item.scored == (number % 251,)
            assert isinstance(item.image, np.ndarray) and item.image.max() == number % 251
    assert sum(sizes) == 5000 - len(range(0, 5000, 7)) and max(sizes) <= 16
    assert len(loading) <= threads


class Live:
    """Counts the images that exist."""

    def __init__(self) -> None:
        self.now = self.most = self.taken = 0
        self.lock = threading.Lock()

    def load(self, path: Any) -> np.ndarray:
        image = load(path)
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        weakref.finalize(image, self.gone)
        return image

    def gone(self) -> None:
        with self.lock:
            self.now -= 1

    def paths(self) -> Iterator[str]:
        while True:
            yield str(self.taken)
            self.taken += 1


WINDOW = 3 * 4 + THREADS  # three batches and an image for each thread


def test_a_slow_caller_holds_up_the_reader() -> None:
    live = Live()
    results = streamed(live.paths(), live.load)
    for number in range(3 * WINDOW):
        item = next(results)
        del item
        if number % WINDOW == 0:
            wait_for(lambda number=number: live.taken == number + WINDOW - 1)  # type: ignore[misc]
    assert live.most <= WINDOW
    results.close()
    wait_for(lambda: live.now == 0)


def test_a_slow_first_file_lets_a_window_pass_and_no_more() -> None:
    live, gate = Live(), threading.Event()
    scored: list[float] = []

    def slow(path: Any) -> np.ndarray:
        if path == "0":
            assert gate.wait(PATIENCE)
        return live.load(path)

    def watched(images: Images) -> list[tuple[float]]:
        scored.extend(float(image.max()) for image in images)
        return score(images)

    first: list[Streamed] = []
    results = streamed(live.paths(), slow, watched)
    caller = threading.Thread(target=lambda: first.append(next(results)))
    caller.start()
    if THREADS > 1:  # one thread alone cannot load past the slow file
        wait_for(lambda: sorted(scored) == list(range(1, WINDOW)))
    assert first == [] and live.now <= WINDOW
    gate.set()
    caller.join(PATIENCE)
    assert [item.path for item in first] == ["0"]
    assert [next(results).path for _ in range(WINDOW)] == [str(n) for n in range(1, WINDOW + 1)]
    results.close()


def test_batches_are_full_where_scoring_is_the_slower_part() -> None:
    sizes: list[int] = []
    loaded: list[Any] = []

    def slow(images: Images) -> list[tuple[float]]:
        sizes.append(len(images))
        wait_for(lambda: len(loaded) >= min(60, sum(sizes) + 4 + THREADS))
        return score(images)

    def watched(path: Any) -> np.ndarray:
        loaded.append(path)
        return load(path)

    assert len(list(streamed(names(60), watched, slow))) == 60
    full = sizes[1 : -2 - THREADS]
    assert len(full) > 5 and set(full) == {4}


def test_consecutive_batches_are_the_next_paths_whatever_arrives_first() -> None:
    seen: list[list[int]] = []

    def watched(images: Images) -> list[tuple[float]]:
        seen.append([int(image.max()) for image in images])
        return score(images)

    list(streamed(names(10, bad=5), score=watched, consecutive=True))
    assert seen == [[1, 2, 3], [4, 6, 7], [8, 9]]
    items = list(streamed(["1", *["bad"] * 500, "2"], consecutive=True))
    assert [item.scored for item in items] == [(1,), *[()] * 500, (2,)]


def test_closing_early_and_a_failure_in_the_callers_loop_end_all_threads() -> None:
    assert list(streamed([])) == []
    for taken in (0, 1, 50):
        results = streamed(Live().paths())
        assert our_threads() == [], "nothing happens before the first result is asked for"
        for _ in range(taken):
            next(results)
        results.close()
        assert our_threads() == [] and list(results) == []
    with pytest.raises(KeyboardInterrupt):
        for item in streamed(Live().paths()):
            if item.path == "9":
                raise KeyboardInterrupt
    gc.collect()  # it closes the generator
    assert our_threads() == []


@pytest.mark.parametrize("batch_size", [4, 1])
@pytest.mark.parametrize("where", ["paths", "load", "score"])
def test_a_fault_is_raised_after_what_came_before(where: str, batch_size: int) -> None:
    def paths() -> Iterator[str]:
        yield from names(30)
        if where == "paths":
            raise ImageError("the list is damaged")
        yield from map(str, range(30, 10**9))

    def faulty(path: Any) -> np.ndarray:
        return np.zeros(1)[7] if (where, path) == ("load", "30") else load(path)

    def failing(images: Images) -> list[tuple[float]]:
        if where == "score" and any(image.max() == 30 for image in images):
            raise RuntimeError("out of memory")
        return score(images)

    came: list[Any] = []
    kinds = {"paths": ImageError, "load": IndexError, "score": RuntimeError}
    with pytest.raises(kinds[where], match=r"damaged|index 7|out of memory"):
        for item in streamed(paths(), faulty, failing, batch_size):
            came.append(item.path)
    assert came == names(len(came))
    assert len(came) == 30 if where == "paths" else len(came) > 30 - THREADS * batch_size


def test_a_reader_that_waits_for_a_path_holds_up_no_end() -> None:
    waits, gate = threading.Event(), threading.Event()

    def stuck() -> Iterator[str]:
        yield "0"
        waits.set()
        gate.wait(PATIENCE)

    results = streamed(stuck())
    assert next(results).path == "0"
    assert waits.wait(PATIENCE)
    start = time.monotonic()
    results.close()
    assert time.monotonic() - start < 5
    assert our_threads() == ["blemish-reader"]
    gate.set()
    wait_for(lambda: our_threads() == [])
