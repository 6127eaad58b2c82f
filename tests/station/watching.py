"""A watch over a folder, with what stands in for the rest of the station."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from blemish.errors import BlemishError
from blemish.station import watch
from blemish.station.problems import Unusable
from blemish.station.records import Inspection, Source
from blemish.station.watch import Watch


class Inspector:
    """Stands in for pipeline and store: content that begins with "image" and ends with "end" is an image.

    Attributes:
        taken: name, content and `keep_failed` of everything submitted.
        records: inspections by key, the durable ones.
        refuse: raised at once by submit, or None.
        fail: raised by the future of images that hold this text.
        slow: seconds to inspect one image.
    """

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes, bool]] = []
        self.records: dict[str, Inspection] = {}
        self.refuse: BlemishError | None = None
        self.fail: dict[bytes, BlemishError] = {}
        self.slow = 0.0
        self.unfinished = 0
        self.most = 0
        self.lock = threading.Lock()

    def with_key(self, key: str) -> Inspection | None:
        return self.records.get(key)

    def add(self, new: list[Any]) -> list[Inspection]:
        return [self._record(**one.model_dump()) for one in new]

    def submit(
        self, data: bytes, *, source: Source, name: str, key: str, keep_failed: bool = False
    ) -> "Future[Inspection]":
        if self.refuse is not None:
            raise self.refuse
        assert source == Source.WATCH
        self.taken.append((name, data, keep_failed))
        future: Future[Inspection] = Future()
        with self.lock:
            self.unfinished += 1
            self.most = max(self.most, self.unfinished)
        work = threading.Timer(self.slow, self._inspect, (future, data, name, key, keep_failed))
        work.start() if self.slow else work.function(*work.args)
        return future

    def _inspect(self, future: Any, data: bytes, name: str, key: str, keep_failed: bool) -> None:
        with self.lock:
            self.unfinished -= 1
        for part, error in self.fail.items():
            if part in data:
                return future.set_exception(error)
        whole = data.startswith(b"image") and data.endswith(b"end")
        if not whole and not keep_failed:
            return future.set_exception(Unusable(f"{name} is truncated or damaged."))
        error_text = "" if whole else f"{name} is truncated or damaged."
        future.set_result(self._record(key=key, name=name, image=sha256(data).hexdigest(), error=error_text))

    def _record(self, **fields: Any) -> Inspection:
        values = {"id": len(self.records) + 1, "received": datetime.now(UTC), "source": Source.WATCH}
        values |= {"image_bytes": 0, "image_type": "", "width": 0, "height": 0, **fields}
        return self.records.setdefault(fields["key"], Inspection(**values))

    @property
    def names(self) -> list[str]:
        return [name for name, *_ in self.taken]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SECONDS", 0.02)
    monkeypatch.setattr(watch, "AGAIN", 0.1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "in"
    path.mkdir()
    return path


@pytest.fixture
def inspector() -> Inspector:
    return Inspector()


@pytest.fixture
def start(folder: Path, inspector: Inspector) -> Iterator[Callable[..., Watch]]:
    """Starts watches over the folder; all are stopped in the end."""
    watches: list[Watch] = []

    def begin(patience: float = 0.2, **fields: Any) -> Watch:
        values = {"watch": folder, "move_to": None, "settle": 0.05, "max_upload": 1000}
        values |= {"batch_size": 2, "queue_size": 64, **fields}
        one = Watch(SimpleNamespace(**values), inspector, inspector, patience=patience)  # type: ignore[arg-type]
        watches.append(one)
        one.start()
        return one

    yield begin
    for one in watches:
        one.stop()
