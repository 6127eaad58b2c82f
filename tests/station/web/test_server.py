"""`blemish serve` as a user starts and stops it, in processes of its own."""

import signal
import socket
import ssl
import threading
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import httpx2
import pytest
import uvicorn
from typer.testing import CliRunner

import blemish.cli  # noqa: F401 (its commands)
from blemish.cli.app import app
from blemish.errors import ConfigError
from blemish.station.web import server
from tests.station.support import TOKEN, bad_part, encoded, good_part, recorded, station_process, until
from tests.station.web.support import guarded, settings

pytestmark = pytest.mark.slow


def is_answered(connection: HTTPConnection) -> bool:
    try:
        connection.request("GET", "/v1/health")
        return bool(connection.getresponse().read())
    except (HTTPException, OSError):
        return False


def test_it_inspects_ends_with_0_and_tells_no_secret(grey_model: Path, tmp_path: Path) -> None:
    config = tmp_path / "station.toml"
    config.write_text(f'model = "{grey_model}"\nfolder = "{tmp_path / "kept"}"\nqueue_size = 7\n')
    with station_process("--config", config, BLEMISH_TOKEN=TOKEN) as it:
        assert it.url.startswith("http://127.0.0.1:")
        with httpx2.Client(base_url=it.url, timeout=60) as client:
            assert client.post("/v1/inspect", content=encoded(good_part(1))).status_code == 401
            client.headers["Authorization"] = f"Bearer {TOKEN}"
            for part, anomalous in ((good_part(1), False), (bad_part(2), True)):
                answer = client.post("/v1/inspect", content=encoded(part))
                assert answer.status_code == 201 and answer.json()["is_anomalous"] is anomalous
            assert "blemish_queue_size 7.0" in client.get(f"/metrics?token={TOKEN}").text
        lines = it.stop(signal.SIGINT)
    requests = [(line["path"], line["status"]) for line in lines if line["event"] == "request"]
    assert requests == [("/v1/inspect", 401), ("/v1/inspect", 201), ("/v1/inspect", 201)]
    assert lines[-1]["event"] == "station stopped" and TOKEN not in str(lines)
    assert len(recorded(f"sqlite:///{tmp_path / 'kept' / 'station.sqlite'}")) == 2


@pytest.mark.parametrize("moment", ["Station", "create_app"])
def test_a_signal_while_it_starts_ends_it(
    grey_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    make, before = getattr(server, moment), signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(server, moment, lambda given: (make(given), signal.raise_signal(signal.SIGTERM)))
    monkeypatch.setattr(server.logs, "configure", lambda secrets: None)
    try:
        with pytest.raises(SystemExit) as ended:
            server.serve(settings(model=grey_model, folder=tmp_path / "kept"))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, before)
    assert ended.value.code == 0


def test_what_is_arriving_when_it_is_told_to_stop_is_finished(grey_model: Path, tmp_path: Path) -> None:
    image = encoded(good_part(3))
    with station_process(grey_model, "--folder", tmp_path) as it:
        place = it.url.removeprefix("http://")
        connection = HTTPConnection(place, timeout=60)
        connection.putrequest("POST", "/v1/inspect")
        connection.putheader("Content-Length", str(len(image)))
        connection.endheaders(image[:100])
        time.sleep(0.3)
        it.process.send_signal(signal.SIGTERM)
        until(lambda: not is_answered(HTTPConnection(place, timeout=5)))
        connection.send(image[100:])
        answer = connection.getresponse()
        assert answer.status == 201 and answer.read()
        assert it.process.wait(60) == 0
    assert len(recorded(f"sqlite:///{tmp_path / 'station.sqlite'}")) == 1


def test_a_busy_client_that_connects_while_it_is_told_to_stop_does_not_keep_it() -> None:
    running = server.Server(uvicorn.Config(guarded(), port=0, lifespan="off", http="h11", log_config=None))
    thread, held = threading.Thread(target=running.run, daemon=True), threading.Barrier(2, timeout=10)
    thread.start()
    until(lambda: running.started)
    listening = running.servers[0]
    early, late = (HTTPConnection(*listening.sockets[0].getsockname(), timeout=10) for _ in range(2))

    assert is_answered(early)
    listening.get_loop().call_soon_threadsafe(lambda: (held.wait(), held.wait()))
    held.wait()
    late.connect()
    running.should_exit = True
    time.sleep(0.2)  # so that it finds the connection and that it should stop in the same turn
    held.wait()
    until(lambda: not is_answered(late))
    thread.join(10)
    assert not thread.is_alive()


def test_the_first_starts_with_users_print_a_link(grey_model: Path, tmp_path: Path) -> None:
    for _ in range(2):
        with station_process(grey_model, "--folder", tmp_path, "--users") as it:
            until(lambda: "/password?link=" in it.log.read_text())
            link = it.log.read_text().split("within 48 hours: ")[1].split()[0]
            assert "For admin, admin of this station" in httpx2.get(link).text
            assert link.split("=")[1] not in str(it.stop())


def test_https(grey_model: Path, tmp_path: Path, certificate: dict[str, Path]) -> None:
    pair = ("--tls-certificate", certificate["tls_certificate"], "--tls-key", certificate["tls_key"])
    with station_process(grey_model, "--folder", tmp_path / "kept", "--host", "localhost", *pair) as it:
        assert it.url.startswith("https://localhost:")
        trusting = ssl.create_default_context(cafile=str(certificate["tls_certificate"]))
        answer = httpx2.get(f"{it.url}/v1/health", timeout=60, verify=trusting)
        assert answer.status_code == 200
        assert "strict-transport-security" not in answer.headers  # it would bind all ports of the name


def test_addresses_that_cannot_be_had() -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    with taken, pytest.raises(ConfigError, match=r"Port \d+ of 127\.0\.0\.1 cannot be had"):
        server.listen(settings(port=taken.getsockname()[1]))
    with pytest.raises(ConfigError, match=r"'no-such-host\.invalid' is not known"):
        server.listen(settings(host="no-such-host.invalid", token=TOKEN))


def test_small_answers_come_at_once() -> None:
    with server.listen(settings()) as listening:
        assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)  # else they wait 40 ms
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("folder", ["new/deep", "there"])
@pytest.mark.parametrize("store", [[], ["--store", "sqlite:///new.sqlite"]])
def test_whether_it_can_start_is_seen_and_nothing_is_left_behind(
    grey_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, store: list[str]
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *given: None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "note.txt").touch()
    options = ["--check", "--folder", folder, "--port", "0", *store]
    result = CliRunner().invoke(app, ["serve", str(grey_model), *options])
    assert result.exit_code == 0 and result.stdout == ""
    assert result.stderr.startswith("The station can start at http://127.0.0.1:")
    assert CliRunner().invoke(app, ["serve", "nowhere.onnx", *options]).exit_code == 1
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "there", tmp_path / "there" / "note.txt"]
