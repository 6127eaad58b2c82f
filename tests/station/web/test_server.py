"""`blemish serve` as a user starts and stops it, in processes of its own."""

import json
import os
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

from blemish.station.settings import load_settings
from blemish.station.web.server import listen
from tests.station.serving import command, serving
from tests.station.serving import model as model
from tests.station.station import bad_part, good_part, png
from tests.station.watched import until

pytest_plugins = ["tests.station.databases"]

TOKEN = "correct-horse-battery-staple"


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


def refused(*arguments: str | Path, code: int = 2, **environment: str) -> str:
    """The one sentence of a command that does not start."""
    result = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=120, env=os.environ | environment
    )
    assert result.returncode == code, result.stderr
    lines = [line for line in result.stderr.splitlines() if not line.startswith(("{", "The station starts"))]
    assert len(lines) == 1 and lines[0].startswith("blemish: "), result.stderr
    return lines[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_inspects_and_ends_with_0(model: Path, tmp_path: Path, number: int) -> None:
    with serving(model, "--folder", tmp_path / "kept") as it:
        assert it.url.startswith("http://127.0.0.1:") and it.port > 0
        verdicts = [post(it.url, png(part))["is_anomalous"] for part in (good_part(1), bad_part(2))]
        assert verdicts == [False, True]
        lines = it.stop(number)
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["path"], line["status"]) for line in requests] == [("/v1/inspect", 201)] * 2
    assert lines[-1]["event"] == "station stopped"
    assert records(tmp_path / "kept") == 2


@pytest.mark.parametrize("moment", ["Station", "create_app"])
def test_a_signal_while_it_starts_ends_it(model: Path, tmp_path: Path, moment: str) -> None:
    script = "import os, signal, sys; from pathlib import Path; from blemish.station.web import server\n"
    script += "from blemish.station.settings import load_settings\n"
    script += f"made = server.{moment}\n"
    script += f"server.{moment} = lambda given: (made(given), os.kill(os.getpid(), signal.SIGTERM))[0]\n"
    script += "server.serve(load_settings(model=Path(sys.argv[1]), folder=Path(sys.argv[2]), port=0))\n"
    done = subprocess.run(
        [sys.executable, "-c", script, model, tmp_path / "kept"], capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_what_is_arriving_when_it_is_told_to_stop_is_finished(model: Path, tmp_path: Path) -> None:
    with serving(model, "--folder", tmp_path) as it:
        post(it.url, png(good_part(1)))
        image = png(good_part(3))
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
    model: Path, tmp_path: Path
) -> None:
    config = tmp_path / "station.toml"
    config.write_text(f'model = "{model}"\nfolder = "{tmp_path / "kept"}"\nqueue_size = 7\n')
    with serving("--config", config, BLEMISH_TOKEN=TOKEN) as it:
        with pytest.raises(urllib.error.HTTPError, match="401"):
            post(it.url, png(good_part(1)))
        assert post(it.url, png(good_part(1)), Authorization=f"Bearer {TOKEN}")["id"] == 1
        headers = {"Authorization": f"Bearer {TOKEN}"}
        request = urllib.request.Request(f"{it.url}/metrics?token={TOKEN}", headers=headers)
        assert b"blemish_queue_size 7.0" in urllib.request.urlopen(request, timeout=60).read()
        assert TOKEN not in str(it.stop())


def test_records_are_kept_in_postgresql(model: Path, tmp_path: Path, postgresql_url: str) -> None:
    options = ("--folder", tmp_path, "--port", "0", "--min-free-gb", "0", "--store", postgresql_url)
    assert "still empty" in check(model, *options)["store"]
    with serving(model, "--folder", tmp_path, BLEMISH_STORE=postgresql_url) as it:
        assert post(it.url, png(good_part(1)))["id"] == 1
        assert "it is there." in check(model, *options)["store"]
        it.stop()
    assert not (tmp_path / "station.sqlite").exists()


def test_https(model: Path, tmp_path: Path) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost"
    options = ("-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem")
    made = subprocess.run([*command.split(), *options], cwd=tmp_path, capture_output=True)
    if made.returncode:
        pytest.skip("openssl made no certificate")
    pair = ("--tls-certificate", tmp_path / "cert.pem", "--tls-key", tmp_path / "key.pem")
    with serving(model, "--folder", tmp_path / "kept", "--host", "localhost", *pair) as it:
        assert it.url.startswith("https://localhost:")
        trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        with urllib.request.urlopen(f"{it.url}/v1/health", timeout=60, context=trusting) as answer:
            assert answer.status == 200
            assert answer.headers["strict-transport-security"] is None  # it would bind all ports of the name


def test_what_cannot_start_says_why_in_a_sentence(model: Path, tmp_path: Path) -> None:
    kept = ("--folder", tmp_path / "kept")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"Port {port} of 127.0.0.1 cannot be had" in refused(model, *kept, "--port", str(port))
    unknown = refused(model, *kept, "--host", "no-such-host.invalid", "--token", TOKEN)
    assert "'no-such-host.invalid' is not known" in unknown
    assert "--host: 0.0.0.0 can be reached" in refused(model, *kept, "--host", "0.0.0.0")
    assert "blemish serve parts.onnx" in refused(*kept)
    assert not (tmp_path / "kept").exists()
    assert "nowhere.onnx" in refused(tmp_path / "nowhere.onnx", *kept, "--port", "0")


def test_two_stations_do_not_share_a_folder(model: Path, tmp_path: Path) -> None:
    with serving(model, "--folder", tmp_path) as it:
        post(it.url, png(good_part(1)))
        assert str(tmp_path) in refused(model, "--folder", tmp_path, "--port", "0")


def test_without_the_extra_it_says_how_to_get_it() -> None:
    script = "import sys; sys.modules['uvicorn'] = None; sys.argv[1:] = ['serve', 'parts.onnx']\n"
    script += "from blemish.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert result.stderr == 'blemish: The station needs more packages: pip install "blemish[serve]".\n'


def check(*arguments: str | Path, code: int = 0) -> dict[str, str]:
    result = subprocess.run(command("--check", *arguments), capture_output=True, text=True, timeout=120)
    assert result.returncode == code, result.stdout + result.stderr
    assert result.stderr == ""
    return {line[9:].split(":")[0]: line for line in result.stdout.splitlines()}


def test_check_looks_at_everything_and_changes_nothing(model: Path, tmp_path: Path) -> None:
    found = check(model, "--folder", tmp_path / "kept", "--port", "0", "--min-free-gb", "0")
    assert list(found) == ["model", "folder", "disk", "store", "watch", "address", "access"]
    assert all(line.startswith("ok ") for line in found.values())
    assert "will be made" in found["folder"] and not (tmp_path / "kept").exists()


def test_check_finds_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")
    (tmp_path / "broken.onnx").write_text("no model")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        options = ("--folder", tmp_path / "kept", "--port", port, "--min-free-gb", "1e9")
        found = check(tmp_path / "broken.onnx", *options, "--store", "sqlite:////no/such/place.db", code=2)
    wrong = {name for name, line in found.items() if line.startswith("PROBLEM ")}
    assert wrong == {"model", "folder", "disk", "store", "address"}
    found = check(tmp_path / "broken.onnx", "--port", "0", "--store", "sqlite:///:memory:", code=2)
    assert "keeps nothing" in found["store"]


def test_check_beside_a_running_station(model: Path, tmp_path: Path) -> None:
    with serving(model, "--folder", tmp_path) as it:
        post(it.url, png(good_part(1)))
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.sqlite")}
        found = check(model, "--folder", tmp_path, "--port", str(it.port), "--min-free-gb", "0")
        assert "in use by a running station" in found["folder"] and "not tried" in found["address"]
        assert "it is there" in found["store"]
        assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.sqlite")}
        assert post(it.url, png(good_part(2)))["id"] == 2
        it.stop()
    before = sorted(tmp_path.iterdir())
    check(model, "--folder", tmp_path, "--port", "0", "--min-free-gb", "0")
    assert sorted(tmp_path.iterdir()) == before


def test_small_answers_come_at_once() -> None:
    with listen(load_settings(model="parts.onnx", port=0)) as listening:
        assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)  # else they wait 40 ms
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("sent", [b"", b"GET /v1/ready HTTP/1.1\r\nHost: loc"])
def test_connections_that_ask_for_nothing_are_closed(model: Path, tmp_path: Path, sent: bytes) -> None:
    with serving(model, "--folder", tmp_path / "kept", "--timeout", "1") as it:
        place = urllib.parse.urlsplit(it.url)
        with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
            connection.sendall(sent)
            assert connection.recv(100) == b""
        image = png(good_part(1))
        assert post(it.url, image)["image_bytes"] == len(image)


def test_a_too_large_upload_is_answered_when_it_is_sent_whole(model: Path, tmp_path: Path) -> None:
    with (
        serving(model, "--folder", tmp_path / "kept", "--max-upload", "1000000") as it,
        pytest.raises(urllib.error.HTTPError) as raised,
    ):
        post(it.url, bytes(3_000_000))
    assert raised.value.code == 413


def test_check_without_the_driver_of_a_database_is_a_sentence(model: Path, tmp_path: Path) -> None:
    sentence = "PROBLEM  store: A station cannot use a database of kind mysql"
    done = subprocess.run(
        command("--check", "--folder", tmp_path, "--store", "mysql://host/name"),
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"BLEMISH_MODEL": str(model)},
    )
    assert done.returncode == 2 and sentence in done.stdout + done.stderr and "Traceback" not in done.stderr


def test_check_knows_a_database_of_a_later_version(model: Path, tmp_path: Path) -> None:
    with serving(model, "--folder", tmp_path) as it:
        post(it.url, png(good_part(1)))
        it.stop()
    with sqlite3.connect(tmp_path / "station.sqlite") as connection:
        connection.execute("update alembic_version set version_num = '0042'")
    found = check(model, "--folder", tmp_path, "--port", "0", "--min-free-gb", "0", code=2)
    assert "has revision 0042, which this version of Blemish does not know" in found["store"]
