"""Sends what is recorded to a webhook and a broker: in order, at least once, from the database itself."""

import hmac
import logging
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from http.client import HTTPException
from queue import Empty, SimpleQueue
from socket import gethostname
from typing import Any
from urllib.parse import unquote
from urllib.request import HTTPRedirectHandler, Request, build_opener

from pydantic import AnyUrl, HttpUrl

from blemish.errors import BlemishError, explained, reason_of
from blemish.extras import install_command
from blemish.station.background import Background
from blemish.station.errors import StationError, Unavailable
from blemish.station.records import Inspection
from blemish.station.storage.store import Outbox, Store

POLL = 0.05  # seconds between looks for new inspections
AT_ONCE = 20  # inspections sent before the position is kept; so many may come twice after a kill
LONGEST = 60.0  # seconds between tries
COUNTED = 10_000  # of those that wait, at most
LATE = timedelta(minutes=1)  # that an inspection may wait without anybody being told
SECONDS = 10.0  # for an answer
PORTS = {"mqtt": 1883, "mqtts": 8883}

logger = logging.getLogger(__name__)


class Webhook:
    """Posts each inspection; an answer other than 2xx counts as not taken.

    The header Blemish-Timestamp has the seconds since 1970; Blemish-Signature "sha256=" and, in hexadecimal
    digits, the HMAC-SHA256 (RFC 2104) under the key of timestamp, full stop and body.
    """

    def __init__(self, url: HttpUrl, key: str) -> None:
        self.shown = f"the webhook at {url.host}:{url.port}"
        self._url, self._key = str(url), key.encode()
        self._opener = build_opener(_NoRedirection)

    def send(self, inspection: Inspection) -> None:
        """Return once it is taken; Unavailable, with the reason, where it is not."""
        body, now = inspection.model_dump_json().encode(), str(int(time.time()))
        signature = hmac.digest(self._key, f"{now}.".encode() + body, "sha256").hex()
        headers = {"Blemish-Timestamp": now, "Blemish-Signature": f"sha256={signature}"}
        request = Request(self._url, body, headers | {"Content-Type": "application/json"})
        try:
            self._opener.open(request, timeout=SECONDS).close()
        except (OSError, HTTPException) as error:  # any other status among them
            reason = getattr(error, "reason", error)
            raise Unavailable(reason_of(reason if isinstance(reason, OSError) else error)) from error

    def close(self) -> None:
        """Nothing stays open between two inspections."""


class _NoRedirection(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """It would turn into a GET."""


class Mqtt:
    """Publishes each inspection with quality of service 1, and waits until the broker confirms it."""

    def __init__(self, url: AnyUrl, topic: str) -> None:
        try:
            from paho.mqtt import client
        except ImportError as error:
            raise BlemishError(f"MQTT needs paho-mqtt: {install_command('mqtt')}.") from error
        version = client.CallbackAPIVersion.VERSION2
        self._new = partial(client.Client, version, reconnect_on_failure=False)  # whoever sends next does
        self._client = self._new()
        self._url, self._topic = url, topic
        self.shown = f"the MQTT broker at {url.host}"

    def send(self, inspection: Inspection) -> None:
        """Return once it is taken; Unavailable, with the reason, where it is not."""
        place = {"recipe": inspection.recipe, "station": gethostname(), "verdict": inspection.outcome}
        with explained(Unavailable, str, OSError, RuntimeError, ValueError):
            if not self._client.is_connected():
                self._connect()
            sent = self._client.publish(self._topic.format(**place), inspection.model_dump_json(), qos=1)
            sent.wait_for_publish(SECONDS)
            if not sent.is_published():
                self.close()  # else the client keeps it, too
                raise Unavailable("no confirmation")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _connect(self) -> None:
        self.close()
        answers: SimpleQueue[Any] = SimpleQueue()
        self._client = client = self._new()
        client.on_connect = lambda client, userdata, flags, reason, properties: answers.put(reason)
        client.connect_timeout = SECONDS
        if self._url.username:
            client.username_pw_set(unquote(self._url.username), unquote(self._url.password or ""))
        if self._url.scheme == "mqtts":
            client.tls_set()
        client.connect(str(self._url.host), self._url.port or PORTS[self._url.scheme])
        client.loop_start()
        try:
            reason = answers.get(timeout=SECONDS)
        except Empty:
            reason = "no answer"
        if not client.is_connected():
            self.close()
            raise Unavailable(str(reason))


class Delivery(Background):
    """Sends one inspection after the other to a destination; after a failure again, in 1 to 60 seconds.

    Its position is kept under `name`; `outbox` has what waits.
    """

    def __init__(self, name: str, destination: Webhook | Mqtt, store: Store) -> None:
        super().__init__(name, self._work)
        self.name = name
        self.outbox = Outbox(store, name)
        self._destination = destination
        self._reason, self._pause = "", 0.0

    def stop(self) -> None:
        """Finish what is being sent; the rest is sent after the next start."""
        super().stop()
        self._destination.close()

    def trouble(self) -> str:
        """What waits, since when and why, in a sentence, or "" while nothing waits for long."""
        first = self.outbox.next(1)
        if not first or not (self._reason or datetime.now(UTC) - first[0].received > LATE):
            return ""
        count = self.outbox.count(COUNTED + 1)
        shown = f"more than {COUNTED}" if count > COUNTED else count
        since = f"{first[0].received.astimezone():%d %b %Y, %H:%M:%S}"
        return (
            f"Verdicts that wait for {self._destination.shown}: {shown}, the first since {since} "
            f"({self._reason or 'being sent'}); they are sent in order as soon as it takes them."
        )

    def _work(self) -> float:
        before = self.outbox.position
        try:
            waiting = self.outbox.next(AT_ONCE)
            self._send(waiting)
        except Exception as error:  # sending must go on, whatever it was
            if not isinstance(error, StationError):
                logger.error("delivery failed", extra={"error": repr(error)})
            self._reason = reason_of(error)
            waited = self._pause if self.outbox.position == before else 0.0  # it takes some
            self._pause = min(LONGEST, 2 * waited or 1)
            return self._pause
        self._reason, self._pause = "", 0.0
        return 0 if len(waiting) == AT_ONCE else POLL

    def _send(self, waiting: list[Inspection]) -> None:
        taken = self.outbox.position
        try:
            for inspection in waiting:
                if self.stopping.is_set():
                    break
                self._destination.send(inspection)
                taken = inspection.id
        finally:
            if taken != self.outbox.position:
                self.outbox.taken(taken)
