"""`blemish serve` as a user starts and stops it, in processes of its own."""

import json
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPConnection
from pathlib import Path

import pytest

from blemish.errors import ConfigError
from blemish.station.web.server import listen
from tests.station.support import TOKEN, bad_part, command, encoded, good_part, station_process, until
from tests.station.web.support import settings

pytestmark = pytest.mark.slow


def post(url: str, image: bytes, **headers: str) -> dict:
    request = urllib.request.Request(f"{url}/v1/inspect", image, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 201
        return json.loads(answer.read())


def records(folder: Path) -> int:
    with sqlite3.connect(folder / "station.sqlite") as connection:
        return connection.execute("select count(*) from inspections").fetchone()[0]


def accepts(port: int) -> bool:
    """Whether a connection can be made."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_inspects_and_ends_with_0(grey_model: Path, tmp_path: Path, number: int) -> None:
    with station_process(grey_model, "--folder", tmp_path / "kept") as it:
        assert it.url.startswith("http://127.0.0.1:") and it.port > 0
        verdicts = [post(it.url, encoded(part))["is_anomalous"] for part in (good_part(1), bad_part(2))]
        assert verdicts == [False, True]
        lines = it.stop(number)
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["path"], line["status"]) for line in requests] == [("/v1/inspect", 201)] * 2
    assert lines[-1]["event"] == "station stopped"
    assert records(tmp_path / "kept") == 2


@pytest.mark.parametrize("moment", ["Station", "create_app"])
def test_a_signal_while_it_starts_ends_it(grey_model: Path, tmp_path: Path, moment: str) -> None:
    script = "import os, signal, sys; from pathlib import Path; from blemish.station.web import server\n"
    script += "from blemish.station.settings import load_settings\n"
    script += f"made = server.{moment}\n"
    script += f"server.{moment} = lambda given: (made(given), os.kill(os.getpid(), signal.SIGTERM))[0]\n"
    script += "server.serve(load_settings(model=Path(sys.argv[1]), folder=Path(sys.argv[2]), port=0))\n"
    done = subprocess.run(
        [sys.executable, "-c", script, grey_model, tmp_path / "kept"], capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_what_is_arriving_when_it_is_told_to_stop_is_finished(grey_model: Path, tmp_path: Path) -> None:
    with station_process(grey_model, "--folder", tmp_path) as it:
        post(it.url, encoded(good_part(1)))
        image = encoded(good_part(3))
        connection = HTTPConnection("127.0.0.1", it.port, timeout=60)
        connection.putrequest("POST", "/v1/inspect")
        connection.putheader("Content-Length", str(len(image)))
        connection.endheaders(image[:100])
        time.sleep(0.3)
        it.process.send_signal(signal.SIGTERM)
        until(lambda: not accepts(it.port))
        connection.send(image[100:])
        answer = connection.getresponse()
        assert answer.status == 201
        answer.read()
        assert it.process.wait(60) == 0
    assert records(tmp_path) == 2


def test_settings_come_from_file_and_environment_and_secrets_stay_out_of_the_log(
    grey_model: Path, tmp_path: Path
) -> None:
    config = tmp_path / "station.toml"
    config.write_text(f'model = "{grey_model}"\nfolder = "{tmp_path / "kept"}"\nqueue_size = 7\n')
    with station_process("--config", config, BLEMISH_TOKEN=TOKEN) as it:
        with pytest.raises(urllib.error.HTTPError, match="401"):
            post(it.url, encoded(good_part(1)))
        assert post(it.url, encoded(good_part(1)), Authorization=f"Bearer {TOKEN}")["id"] == 1
        headers = {"Authorization": f"Bearer {TOKEN}"}
        request = urllib.request.Request(f"{it.url}/metrics?token={TOKEN}", headers=headers)
        assert b"blemish_queue_size 7.0" in urllib.request.urlopen(request, timeout=60).read()
        assert TOKEN not in str(it.stop())


def test_records_are_kept_in_postgresql(grey_model: Path, tmp_path: Path, postgresql_url: str) -> None:
    with station_process(grey_model, "--folder", tmp_path, BLEMISH_STORE=postgresql_url) as it:
        assert post(it.url, encoded(good_part(1)))["id"] == 1
        it.stop()
    assert not (tmp_path / "station.sqlite").exists()


def test_https(grey_model: Path, tmp_path: Path) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost"
    options = ("-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem")
    made = subprocess.run([*command.split(), *options], cwd=tmp_path, capture_output=True)
    if made.returncode:
        pytest.skip("openssl made no certificate")
    pair = ("--tls-certificate", tmp_path / "cert.pem", "--tls-key", tmp_path / "key.pem")
    with station_process(grey_model, "--folder", tmp_path / "kept", "--host", "localhost", *pair) as it:
        assert it.url.startswith("https://localhost:")
        trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        with urllib.request.urlopen(f"{it.url}/v1/health", timeout=60, context=trusting) as answer:
            assert answer.status == 200
            assert answer.headers["strict-transport-security"] is None  # it would bind all ports of the name


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "Port [0-9]+ of 127.0.0.1 cannot be had"),
        ({"host": "no-such-host.invalid", "token": TOKEN}, "'no-such-host.invalid' is not known"),
    ],
)
def test_addresses_that_cannot_be_had(options: dict[str, str], expected: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        chosen = settings(port=taken.getsockname()[1], **options)
        with pytest.raises(ConfigError, match=expected):
            listen(chosen)


def test_small_answers_come_at_once() -> None:
    with listen(settings()) as listening:
        assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)  # else they wait 40 ms
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_whether_it_can_start_is_seen_and_nothing_is_started(grey_model: Path, tmp_path: Path) -> None:
    for model, code, expected in (
        (grey_model, 0, "The station can start at http://127.0.0.1:"),
        (tmp_path / "nowhere.onnx", 2, "blemish: "),
    ):
        arguments = command(model, "--check", "--folder", tmp_path / "kept", "--port", "0")
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
        assert done.returncode == code and done.stderr.startswith(expected)
        assert done.stderr.count("\n") == 1 and done.stdout == ""
