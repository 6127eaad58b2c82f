"""Loading, scoring and the caller's work overlap: in order, bounded, and never stuck."""

import gc
import os
import threading
import time
import weakref
from collections.abc import Iterator
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


def names(count: int, bad: int = 0) -> list[str]:
    """Numbers; with `bad` every so many of them is a bad file."""
    return [f"bad{number}" if bad and number % bad == 0 else str(number) for number in range(count)]


def wait_for(condition: Any) -> None:
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


@pytest.mark.parametrize("consecutive", [False, True])
def test_thousands_of_images_in_order_with_their_errors(consecutive: bool) -> None:
    paths = names(5000, bad=7)
    sizes: list[int] = []

    def watched(images: Images) -> list[tuple[float]]:
        sizes.append(len(images))
        return score(images)

    items = list(stream(paths, load, watched, 16, consecutive=consecutive))
    assert [item.path for item in items] == paths
    for number, item in enumerate(items):
        if number % 7 == 0:
            assert str(item.image) == f"bad{number} is bad." and item.scored == ()
        else:
            assert item.scored == (number % 251,)
            assert isinstance(item.image, np.ndarray) and item.image.max() == number % 251
    assert sum(sizes) == 5000 - len(range(0, 5000, 7)) and max(sizes) <= 16


def test_nothing_happens_before_the_first_result_is_asked_for() -> None:
    stream(iter([pytest.fail]), load, score, 4)  # type: ignore[list-item]
    assert our_threads() == []
    assert list(stream([], load, score, 4)) == []


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


def test_a_slow_caller_holds_up_the_reader() -> None:
    live, batch = Live(), 4
    window = 3 * batch + THREADS
    results = stream(live.paths(), live.load, score, batch)
    for number in range(3 * window):
        item = next(results)
        del item
        if number % window == 0:
            wait_for(lambda number=number: live.taken == number + window - 1)  # type: ignore[misc]
    assert live.most <= window
    results.close()
    wait_for(lambda: live.now == 0)


def test_a_slow_first_file_lets_a_window_pass_and_no_more() -> None:
    live, batch, gate = Live(), 4, threading.Event()
    window = 3 * batch + THREADS
    scored: list[float] = []

    def slow(path: Any) -> np.ndarray:
        if path == "0":
            assert gate.wait(PATIENCE)
        return live.load(path)

    def watched(images: Images) -> list[tuple[float]]:
        scored.extend(float(image.max()) for image in images)
        return score(images)

    first: list[Streamed] = []
    results = stream(live.paths(), slow, watched, batch)
    caller = threading.Thread(target=lambda: first.append(next(results)))
    caller.start()
    if THREADS > 1:  # one thread alone cannot load past the slow file
        wait_for(lambda: sorted(scored) == list(range(1, window)))
    assert first == [] and live.now <= window
    gate.set()
    caller.join(PATIENCE)
    assert [item.path for item in first] == ["0"]
    assert [next(results).path for _ in range(window)] == [str(n) for n in range(1, window + 1)]
    results.close()


def test_what_is_loaded_is_scored_without_waiting_for_a_batch() -> None:
    more, asked = threading.Semaphore(0), threading.Event()

    def live() -> Iterator[str]:
        for number in range(5):
            asked.set()
            assert more.acquire(timeout=PATIENCE)
            yield str(number)

    results = stream(live(), load, score, 16)
    for number in range(5):
        more.release()
        assert next(results).path == str(number), "it comes while the list is still open"
    assert list(results) == []


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

    assert len(list(stream(names(60), watched, slow, 4))) == 60
    full = sizes[1 : -2 - THREADS]
    assert len(full) > 5 and set(full) == {4}


def test_no_more_threads_load_than_asked_for() -> None:
    loading: set[str] = set()

    def watched(path: Any) -> np.ndarray:
        loading.add(threading.current_thread().name)
        time.sleep(0.001)
        return load(path)

    assert len(list(stream(names(20), watched, score, 4, threads=1))) == 20
    assert len(loading) == 1


def test_consecutive_batches_are_the_next_paths_whatever_arrives_first() -> None:
    seen: list[list[int]] = []

    def watched(images: Images) -> list[tuple[float]]:
        seen.append([int(image.max()) for image in images])
        return score(images)

    list(stream(names(10, bad=5), load, watched, 4, consecutive=True))
    assert seen == [[1, 2, 3], [4, 6, 7], [8, 9]]
    items = list(stream(["1", *["bad"] * 500, "2"], load, score, 4, consecutive=True))
    assert [item.scored for item in items] == [(1,), *[()] * 500, (2,)]


@pytest.mark.parametrize("taken", [0, 1, 50])
def test_closing_early_ends_all_threads(taken: int) -> None:
    live = Live()
    results = stream(live.paths(), live.load, score, 4)
    for _ in range(taken):
        next(results)
    results.close()
    assert our_threads() == []
    assert list(results) == []


def test_a_failure_in_the_callers_loop_ends_all_threads() -> None:
    live = Live()
    with pytest.raises(KeyboardInterrupt):
        for item in stream(live.paths(), live.load, score, 4):
            if item.path == "9":
                raise KeyboardInterrupt
    gc.collect()  # it closes the generator
    assert our_threads() == []


def test_a_failing_model_is_an_error_after_what_came_before() -> None:
    def failing(images: Images) -> list[tuple[float]]:
        if any(image.max() == 30 for image in images):
            raise RuntimeError("out of memory")
        return score(images)

    came: list[Any] = []
    with pytest.raises(RuntimeError, match="out of memory"):
        came.extend(item.path for item in stream(map(str, range(10**9)), load, failing, 4))
    came = []
    with pytest.raises(RuntimeError, match="out of memory"):
        for item in stream(map(str, range(10**9)), load, failing, 1):
            came.append(item.path)
    assert came == names(len(came)) and len(came) > 30 - THREADS


def test_a_failing_list_of_paths_is_an_error_after_all_its_paths() -> None:
    def failing() -> Iterator[str]:
        yield from names(30, bad=10)
        raise ImageError("the list is damaged")

    came: list[Any] = []
    with pytest.raises(ImageError, match="the list is damaged"):
        for item in stream(failing(), load, score, 4):
            came.append(item.path)
    assert came == names(30, bad=10)


def test_a_fault_in_loading_is_no_bad_image() -> None:
    def faulty(path: Any) -> np.ndarray:
        return load(path) if path != "20" else np.zeros(1)[7]

    with pytest.raises(IndexError):
        list(stream(names(100), faulty, score, 4))


def test_a_reader_that_waits_for_a_path_holds_up_no_end() -> None:
    waits, gate = threading.Event(), threading.Event()

    def stuck() -> Iterator[str]:
        yield "0"
        waits.set()
        gate.wait(PATIENCE)

    results = stream(stuck(), load, score, 4)
    assert next(results).path == "0"
    assert waits.wait(PATIENCE)
    start = time.monotonic()
    results.close()
    assert time.monotonic() - start < 5
    assert our_threads() == ["blemish-reader"]
    gate.set()
    wait_for(lambda: our_threads() == [])
