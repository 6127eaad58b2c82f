"""Verdicts reach a broker of MQTT, as often as it comes and goes."""

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blemish.errors import BlemishError
from blemish.extras import install_command
from blemish.station import delivery
from blemish.station.settings import Settings
from blemish.station.station import Station
from tests.station.support import bad_part, good_part, running_station, until

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")


class Broker:
    """Mosquitto on a port of its own, for one user; what it was sent is in `messages`."""

    def __init__(self, folder: Path, *lines: str) -> None:
        self._client = pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        password = ["mosquitto_passwd", "-b", "-c", folder / "passwords", "line", "of-the-line"]
        subprocess.run(password, check=True, capture_output=True)
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\n"
            f"password_file {folder / 'passwords'}\nuser root\n" + "\n".join(lines)
        )
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self._subscribed: list[Any] = []
        self._subscriber: Any = None

    def listen(self) -> None:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen([MOSQUITTO, "-c", self._config], stderr=subprocess.DEVNULL)
        until(self._listens, 30)

    def start(self) -> None:
        """Listen, and take down what is published."""
        self.listen()
        self._subscribed.clear()
        subscriber = self._client.Client(self._client.CallbackAPIVersion.VERSION2)
        subscriber.username_pw_set("line", "of-the-line")
        subscriber.on_message = lambda _, __, got: self.messages.append((got.topic, json.loads(got.payload)))
        subscriber.on_subscribe = lambda *_: self._subscribed.append(True)
        subscriber.connect("127.0.0.1", self.port)
        subscriber.subscribe("#", qos=1)
        subscriber.loop_start()
        until(lambda: self._subscribed, 30)
        self._subscriber = subscriber

    def _listens(self) -> bool:
        with socket.socket() as trying:
            return trying.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self._subscriber is not None:
            self._subscriber.loop_stop()
        self._process.kill()
        self._process.wait()


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    monkeypatch.setattr(delivery, "LONGEST", 0.1)
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.stop()


@needs_mosquitto
def test_verdicts_are_published_under_their_topic(tmp_path: Path, broker: Broker) -> None:
    url = f"mqtt://line:of-the-line@127.0.0.1:{broker.port}"
    with running_station(tmp_path, mqtt=url, mqtt_topic="plant/line 3/{recipe}/{verdict}") as it:
        told = [it.inspect(bad_part(1)), it.inspect(good_part(2))]
        until(lambda: len(broker.messages) == 2, 30)
        topics = [f"plant/line 3/grey/{verdict}" for verdict in ("anomalous", "good")]
        assert broker.messages == list(zip(topics, told, strict=True))
        broker.stop()
        waiting = [it.inspect(good_part(number))["id"] for number in range(5)]
        until(lambda: it.station.deliveries[0].trouble())
        assert (
            it.station.deliveries[0]
            .trouble()
            .startswith("Verdicts that wait for the MQTT broker at 127.0.0.1: 5,")
        )
        broker.start()
        until(lambda: len(broker.messages) >= 7, 30)
        until(lambda: it.station.deliveries[0].trouble() == "")
        assert [message["id"] for _, message in broker.messages][2:] == waiting


@needs_mosquitto
def test_a_refusal_is_named_and_the_password_is_not(tmp_path: Path, broker: Broker) -> None:
    with running_station(tmp_path, mqtt=f"mqtt://line:other-word@127.0.0.1:{broker.port}") as it:
        it.inspect(good_part(1))
        until(lambda: it.station.deliveries[0].trouble())
        assert "(Not authorized)" in it.station.deliveries[0].trouble()
        assert it.station.settings.secrets == ["other-word"] and "other-word" not in repr(it.station.settings)


@needs_mosquitto
def test_with_tls_the_certificate_is_looked_at(
    tmp_path: Path,
    certificate: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setattr(delivery, "LONGEST", 0.1)
    lines = [
        f"{key} {certificate[of]}" for key, of in (("certfile", "tls_certificate"), ("keyfile", "tls_key"))
    ]
    broker = Broker(tmp_path, *lines)
    broker.listen()
    request.addfinalizer(broker.stop)
    with running_station(tmp_path, mqtt=f"mqtts://line:of-the-line@localhost:{broker.port}") as it:
        it.inspect(good_part(1))
        until(lambda: "self-signed certificate" in it.station.deliveries[0].trouble(), 30)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate["tls_certificate"]))
        until(lambda: it.station.deliveries[0].outbox.count() == 0, 30)


def test_without_the_package_a_sentence_says_so(
    grey_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt", None)
    with pytest.raises(
        BlemishError, match=f"^MQTT needs paho-mqtt: {re.escape(install_command('mqtt'))}\\.$"
    ):
        Station(Settings(model=grey_model, folder=tmp_path / "station", mqtt="mqtt://broker"))
