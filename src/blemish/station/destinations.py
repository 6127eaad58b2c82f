"""Where verdicts are sent: a webhook and an MQTT broker, which take inspections as the API gives them."""

import hmac
import time
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
from blemish.station.errors import Unavailable
from blemish.station.records import Inspection

SECONDS = 10.0  # for an answer
PORTS = {"mqtt": 1883, "mqtts": 8883}


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
    """Publishes each inspection with quality of service 1, and waits until the broker confirms it.

    TLS with mqtts://. {recipe}, {station} (the machine's name) and {verdict} in the topic are filled in.
    """

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
        """Disconnect."""
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
