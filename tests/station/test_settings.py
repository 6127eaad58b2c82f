"""A station's settings: where they come from, which are refused, and that secrets stay secret."""

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from blemish.errors import ConfigError
from blemish.station.settings import Settings, load_settings, remarks
from tests.station.support import TOKEN

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder, without variables of ours."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("BLEMISH_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "station.toml"
    path.write_text('model = "file.onnx"\nport = 1111\nqueue_size = 11\nkeep_days = 1.5\n')
    return path


def loaded(config: Path | None = None, **options: Any) -> Settings:
    return load_settings(config, **{"model": "parts.onnx"} | options)


def refused(config: Path | None = None, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(config, **options)
    return str(caught.value)


def test_options_before_environment_before_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLEMISH_PORT", "2222")
    monkeypatch.setenv("BLEMISH_QUEUE_SIZE", "22")
    monkeypatch.setenv("BLEMISH_MVTEC", "somewhere")  # nothing to us
    settings = load_settings(file, port="3333", keep_days=None)
    assert (settings.port, settings.queue_size, settings.keep_days) == (3333, 22, 1.5)
    assert settings.model == Path("file.onnx")
    assert settings.batch_size == Settings.model_fields["batch_size"].default


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"port": 99999}, "--port: "),
        ({"max_upload": 1}, "--max-upload: "),
        ({"keep_days": 1e12}, "--keep-days: "),  # beyond any calendar
        ({"false_alarm_rate": 1e-9}, "--false-alarm-rate: "),
        ({"models": "none"}, "--models: "),
        ({"watch": "none"}, "--watch: "),
        ({"token": "short"}, "--token: gives a token of fewer than 16 characters"),
        ({"token": "drôle-de-jeton-très-long"}, "--token: gives a token with characters that no HTTP header"),
        ({"token": "with a space in the middle"}, "--token: gives a token with characters that no HTTP"),
        ({"token_file": "token", "token": TOKEN}, "--token-file: does not go with token"),
        ({"token_file": "nowhere"}, "--token-file: nowhere cannot be read (No such file or directory)"),
        ({"move_to": "."}, "--move-to: needs watch"),
        ({"watch": ".", "move_to": "./x/.."}, "--move-to: x/.. is the watched folder or around it"),
        ({"watch": "failed", "move_to": "."}, "--move-to: . is the watched folder or around it"),
        ({"result_json": True}, "--result-json: needs move_to"),
        ({"name_pattern": "(?P<lot>"}, "--name-pattern: is no regular expression (missing ), unterminated"),
        ({"name_pattern": "(\\d+)"}, "--name-pattern: has groups lot and serial, one or both, and no others"),
        ({"name_pattern": "(?P<lot>a)(?P<no>b)"}, "--name-pattern: has groups lot and serial"),
        ({"webhook": "http://mes"}, "--webhook: needs webhook_key_file, with a key that signs (python"),
        ({"webhook": "mes:80/x"}, "--webhook: URL scheme should be 'http' or 'https'"),
        (
            {"webhook": "http://a:secret@mes", "webhook_key_file": "key"},
            "--webhook: takes no user and password",
        ),
        ({"webhook": "http://mes", "webhook_key_file": "no"}, "--webhook-key-file: no cannot be read"),
        ({"mqtt": "http://a:secret@mes"}, "--mqtt: URL scheme should be 'mqtt' or 'mqtts'"),
        ({"mqtt_topic": "line/#"}, "--mqtt-topic: string should match pattern"),
        ({"mqtt_topic": "line/{lott}"}, "--mqtt-topic: has 'lott' in braces; give recipe, station, verdict"),
        ({"mqtt_topic": "line/{recipe[a]}"}, "--mqtt-topic: has string ind"),
        ({"store": "parts.db"}, "--store: is a database URL such as"),
        ({"store": "//user:secret"}, "--store: is a database URL such as"),
        ({"store": "postgresql://user:secret@host:port/name"}, "--store: is a database URL such as"),
        ({"store": "postgresql://user:p@secret/name@host/name"}, "--store: has a second @; write the"),
        ({"store": "postgresql://user:p@secret@host/name"}, "--store: has a second @; write the"),
        ({"kep_days": 3}, "The options: there is no setting 'kep_days'"),
        ({"model": None}, "No model is given; say `blemish serve parts.onnx`, or set BLEMISH_MODEL."),
        ({"model": ""}, "MODEL: is empty"),
    ],
)
def test_what_cannot_be_names_the_option(tmp_path: Path, options: dict[str, Any], expected: str) -> None:
    (tmp_path / "failed").mkdir()
    (tmp_path / "key").write_text(TOKEN)
    message = refused(**options)
    assert message.startswith(expected) and message.endswith(".") and not re.search(r"secret(?!s)", message)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"batch_size = 0", "batch_size in station.toml: "),
        (b"timeout = inf", "timeout in station.toml: "),
        (b"modle = ", "The file station.toml is not valid TOML"),
        (b"\xff\xfe", "The file station.toml is not valid TOML"),
        (b"kep_days = 3", "station.toml: there is no setting 'kep_days'"),
        (b"[station]\nport = 3", "station.toml: there is no setting 'station'"),
        (None, "The file station.toml cannot be read: No such file"),
    ],
)
def test_what_cannot_be_names_the_file(tmp_path: Path, content: bytes | None, expected: str) -> None:
    if content is not None:
        (tmp_path / "station.toml").write_bytes(content)
    assert refused(Path("station.toml")).startswith(expected)


def test_what_cannot_be_names_the_strongest_source(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("batch_size = 0\n")
    monkeypatch.setenv("BLEMISH_BATCH_SIZE", "many")
    assert refused(file).startswith("BLEMISH_BATCH_SIZE: ")
    assert refused(file, batch_size=-1).startswith("--batch-size: ")
    monkeypatch.setenv("BLEMISH_TOKEN", "")  # as a compose file gives an unset one
    assert refused(batch_size=1).startswith("BLEMISH_TOKEN: is empty")


def test_whoever_listens_to_others_needs_a_token_and_better_tls() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "station.local", "127.0.0.1.example.com"):
        assert f"--host: {host} can be reached by others; give --users, or a token (python -c " in refused(
            host=host
        )
        assert "unencrypted" in remarks(loaded(host=host, token=TOKEN))[0]
    for host in ("127.0.0.1", "localhost", "localhost.", "::1", "[::1]", "127.8.9.1"):
        assert loaded(host=host).token is None and remarks(loaded(host=host)) == [], host


def test_the_token_may_come_from_a_file(tmp_path: Path) -> None:
    held = tmp_path / "token"
    held.write_text(f"  {TOKEN}\n")
    held.chmod(0o600)
    settings = loaded(token_file=held)
    assert settings.secrets == [TOKEN] and remarks(settings) == []
    held.chmod(0o644)
    assert "Every user of this machine can read the token" in remarks(settings)[0]
    held.write_text("short\n")
    assert refused(token_file=held).startswith("--token-file: gives a token of fewer")
    held.write_bytes(b"\xff" * 40)
    assert "holds no text" in refused(token_file=held)


def test_the_strongest_token_source_wins(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text(TOKEN + "-of-the-file")
    file.write_text('model = "parts.onnx"\ntoken_file = "token"\n')
    assert loaded(file).secrets == [TOKEN + "-of-the-file"]
    monkeypatch.setenv("BLEMISH_TOKEN", TOKEN + "-of-the-variable")
    assert loaded(file).secrets == [TOKEN + "-of-the-variable"]
    assert loaded(file, token_file="token").secrets == [TOKEN + "-of-the-file"]
    monkeypatch.setenv("BLEMISH_TOKEN_FILE", "token")
    assert "does not go with token" in refused(file)
    assert loaded(file, token=TOKEN).secrets == [TOKEN]


def test_secrets_are_never_shown(file: Path) -> None:
    settings = loaded(token=TOKEN, store="postgresql+psycopg://blemish:pass%2Fword-of@host/name")
    for text in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert TOKEN not in text and "word-of" not in text
    assert settings.secrets == [TOKEN, "pass/word-of"]
    broker = loaded(mqtt="mqtt://line:pass%2Fword-of@host")
    assert broker.secrets == ["pass/word-of"] and "word-of" not in f"{broker!r} {broker.model_dump_json()}"
    assert loaded(store="postgresql://user:se#cr/et@host/name").secrets == ["se#cr/et"]
    assert TOKEN[:10] not in refused(token=TOKEN[:10])
    for content in (f'token = "{TOKEN}"\ntoken = "{TOKEN}"\n', "token = 1234567890123456\n"):
        file.write_text(content)
        assert TOKEN not in refused(file) and "1234567890123456" not in refused(file)


def test_users_do_not_go_with_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(users=True, token=TOKEN).startswith("--users: does not go with a token")
    monkeypatch.setenv("BLEMISH_USERS", "true")
    found = loaded(host="0.0.0.0")
    assert (
        found.users and not found.asks_nobody and remarks(found)[0].startswith("Passwords, tokens and images")
    )


def test_tls_needs_both_halves_of_one_pair(certificate: dict[str, Path]) -> None:
    lock = "openssl ec -aes256 -passout pass:secret -in key.pem -out locked.pem"
    subprocess.run(lock.split(), check=True, capture_output=True)
    assert remarks(loaded(host="0.0.0.0", token=TOKEN, **certificate)) == []
    assert refused(tls_certificate="cert.pem").startswith("--tls-certificate: needs its other half")
    assert refused(tls_key="key.pem").startswith("--tls-key: needs its other half")
    for key, reason in (("cert.pem", "no pair"), ("nowhere", "No such file"), ("locked.pem", "a password")):
        assert reason in refused(**certificate | {"tls_key": key})


def test_the_docs_and_the_example_have_every_setting() -> None:
    page = (ROOT / "docs" / "station.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    assert set(Settings.model_fields) <= rows
    example = tomllib.loads((ROOT / "deploy" / "station.toml").read_text(encoding="utf-8"))
    assert set(example) <= set(Settings.model_fields)
