"""Verdicts reach a webhook: signed, in order, at least once, whatever happens to it or to the station."""

import hmac
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from blemish.station import delivery
from blemish.station.errors import Unavailable
from blemish.station.records import Filter, Inspection
from blemish.station.settings import Settings
from blemish.station.station import Station
from blemish.station.storage.store import Store
from tests.station.storage.support import new
from tests.station.support import (
    TOKEN,
    bad_part,
    encoded,
    good_part,
    put,
    running_station,
    station_process,
    until,
)


class Receiver(ThreadingHTTPServer):
    """Takes what is posted, as long as its answer is 200, and answers once `free` is set."""

    def __init__(self, port: int = 0) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []  # to the next requests; then 200
        self.free = threading.Event()
        self.free.set()
        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/verdicts"

    @property
    def numbers(self) -> list[int]:
        """Of the inspections, as they came."""
        return [json.loads(body)["id"] for _, body in self.posts]

    def end(self) -> None:
        self.free.set()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(size := int(self.headers["Content-Length"]))
        if len(body) < size:
            return  # the sender was killed
        self.server.free.wait(60)
        answer = self.server.answers.pop(0) if self.server.answers else 200
        if answer == 200:
            self.server.posts.append((dict(self.headers), body))
        self.send_response(answer)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.end()


@pytest.fixture
def sending(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Settings of a station that sends to the receiver, and tries again soon."""
    monkeypatch.setattr(delivery, "LONGEST", 0.1)
    (tmp_path / "key").write_text(f"{TOKEN}\n")
    return {"webhook": receiver.url, "webhook_key_file": tmp_path / "key"}


def test_a_verdict_is_posted_as_the_api_has_it_and_signed(
    tmp_path: Path, receiver: Receiver, sending: dict[str, Any]
) -> None:
    with running_station(tmp_path, **sending) as it:
        told = it.inspect(bad_part(1), name="a.png", lot="L7", serial="3")
        until(lambda: receiver.posts)
        (headers, body), *more = receiver.posts
        assert json.loads(body) == told == it.client.get("/v1/inspections/1").json() and not more
        signed = f"{headers['Blemish-Timestamp']}.".encode() + body
        assert headers["Blemish-Signature"] == f"sha256={hmac.digest(TOKEN.encode(), signed, 'sha256').hex()}"
        assert abs(int(headers["Blemish-Timestamp"]) - time.time()) < 60
        until(lambda: it.figure("webhook_waiting") == 0)


def test_what_is_not_taken_waits_in_order_and_is_shown(
    tmp_path: Path, receiver: Receiver, sending: dict[str, Any]
) -> None:
    receiver.answers = [500, 302, 404] * 1000
    with running_station(tmp_path, **sending) as it:
        for number in range(30):
            it.inspect(good_part(number))
        until(lambda: it.station.deliveries[0].trouble())
        it.station.monitor.look()
        health = it.client.get("/v1/health").json()
        (part,) = [part for part in health["parts"] if part["name"] == "webhook"]
        sentence = (
            r"Verdicts that wait for the webhook at \S+: 30, the first since .+ \(HTTP Error \d+: .+\); "
        )
        assert health["status"] == "degraded" and re.match(sentence + "they are sent", part["message"])
        assert it.figure("webhook_waiting") == 30 and not receiver.posts
        receiver.answers = []
        until(lambda: len(receiver.posts) == 30)
        assert receiver.numbers == list(range(1, 31))
        until(lambda: it.figure("webhook_waiting") == 0)
        assert it.station.deliveries[0].trouble() == ""


def test_a_receiver_that_hangs_holds_up_no_inspection(
    tmp_path: Path, receiver: Receiver, sending: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "SECONDS", 1.0)
    receiver.free.clear()
    with running_station(tmp_path, **sending) as it:
        began = time.monotonic()
        for number in range(20):
            it.inspect(good_part(number))
        assert it.station.store.count(Filter()) == 20 and not receiver.posts
        until(lambda: "timed out" in it.station.deliveries[0].trouble())
        assert time.monotonic() - began < 10
        receiver.free.set()


class Moody:
    """Takes every other verdict, as long as `takes`."""

    shown, takes, asked = "it", True, 0

    def send(self, inspection: Inspection) -> None:
        self.asked += 1
        if not (self.takes and self.asked % 2):
            raise Unavailable("not now")


def test_tries_are_far_apart_only_while_nothing_is_taken(tmp_path: Path) -> None:
    store, moody = Store(f"sqlite:///{tmp_path}/db"), Moody()
    sending = delivery.Delivery("moody", moody, store)  # type: ignore[arg-type]
    store.add([new(number) for number in range(6)])
    assert [sending._work() for _ in range(3)] == [1, 1, 1]
    moody.takes = False
    assert [sending._work() for _ in range(7)] == [2, 4, 8, 16, 32, 60, 60]
    assert sending.outbox.count() == 3
    store.close()


def test_a_restart_goes_on_where_it_was(tmp_path: Path, receiver: Receiver, sending: dict[str, Any]) -> None:
    with running_station(tmp_path) as it:
        it.inspect(good_part(1), name="before anybody was told")
    with running_station(tmp_path, **sending) as it:
        it.inspect(good_part(2))
        until(lambda: receiver.numbers == [2])
    port = receiver.server_port
    receiver.end()
    with running_station(tmp_path, **sending) as it:
        for number in range(3):
            it.inspect(good_part(number))
        until(lambda: "Connection refused" in it.station.deliveries[0].trouble())
    with running_station(tmp_path) as it:  # for a while without
        it.inspect(good_part(9))
    again = Receiver(port)
    with running_station(tmp_path, **sending):
        until(lambda: len(again.posts) >= 4)
    again.end()
    assert again.numbers == [3, 4, 5, 6]


def test_retention_says_what_it_deletes_unsent(
    tmp_path: Path, receiver: Receiver, sending: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers = [500] * 10_000
    with running_station(tmp_path, **sending, keep_days=1) as it:
        it.inspect(good_part(0))
        it.station.store.add([new(number) for number in range(3)])  # received long ago
        it.station.retention.run_once(new().received.now().astimezone())
        it.station.monitor.look()
        parts = {part.name: part.message for part in it.station.monitor.health().parts}
        assert parts["retention"].startswith("Inspections were deleted unsent")
        assert [vars(one)["count"] for one in caplog.records if one.msg == "unsent inspections deleted"] == [
            3
        ]
        assert it.figure("webhook_waiting") == 1


@pytest.mark.slow
def test_killed_often_each_verdict_arrives(grey_model: Path, tmp_path: Path, receiver: Receiver) -> None:
    (tmp_path / "key").write_text(TOKEN)
    folder = tmp_path / "in"
    folder.mkdir()
    arguments = [grey_model, "--folder", tmp_path / "station", "--watch", folder, "--settle", "0.05"]
    arguments += ["--webhook", receiver.url, "--webhook-key-file", tmp_path / "key"]
    for turn in range(4):
        with station_process(*arguments):
            for number in range(25):
                put(folder / f"{turn}-{number}.png", encoded(good_part(100 * turn + number)))
                time.sleep(0.01)
            receiver.answers = [503] if turn % 2 else []
            until(lambda turn=turn: len(set(receiver.numbers)) > 25 * turn + 5, 60)  # then it is killed
    with station_process(*arguments) as last:
        until(lambda: len(set(receiver.numbers)) >= 100, 60)
        last.stop()
    station = Station(Settings(model=grey_model, folder=tmp_path / "station"))
    recorded = {one.id for one in station.store.select(Filter(), limit=1000)}
    station.close()
    firsts = list(dict.fromkeys(receiver.numbers))
    assert set(firsts) == recorded and firsts == sorted(firsts)
    assert len(receiver.posts) <= 100 + 4 * delivery.AT_ONCE
