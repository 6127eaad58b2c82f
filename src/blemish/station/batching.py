"""Takes from a queue what can be worked on together."""

from collections.abc import Callable
from queue import Empty, Queue
from typing import TypeVar

T = TypeVar("T")


def next_batch(queue: Queue[T | None], most: int, seconds_to_wait: Callable[[T], float]) -> list[T]:
    """The next of a queue: at least one, and those that come in time after it; none at its end, a None."""
    first = queue.get()
    if first is None:
        return []
    batch = [first]
    while len(batch) < most:
        seconds = seconds_to_wait(first)
        try:
            one = queue.get(timeout=seconds) if seconds > 0 else queue.get_nowait()
        except Empty:
            if seconds > 0:
                continue
            break
        if one is None:
            queue.put(None)
            break
        batch.append(one)
    return batch
