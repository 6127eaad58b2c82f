"""A station's settings: where they come from, which are refused, and that secrets stay secret."""

import os
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
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("BLEMISH_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "station.toml"
    path.write_text('model = "file.onnx"\nport = 1111\nqueue_size = 11\nkeep_days = 1.5\n')
    return path


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of one's own, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost"
    made = subprocess.run([*command.split(), "-keyout", key, "-out", certificate], capture_output=True)
    if made.returncode:
        pytest.skip("openssl made no certificate")
    return certificate, key


def refused(config: Path | None = None, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(config, **{"model": "parts.onnx"} | options)
    return str(caught.value)


def test_options_before_environment_before_file_before_defaults(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLEMISH_PORT", "2222")
    monkeypatch.setenv("BLEMISH_QUEUE_SIZE", "22")
    settings = load_settings(file, port=3333, keep_days=None)
    assert (settings.port, settings.queue_size, settings.keep_days) == (3333, 22, 1.5)
    assert settings.model == Path("file.onnx")
    assert settings.batch_size == Settings.model_fields["batch_size"].default
    assert load_settings(file, port="4444", settle="0.5").settle == 0.5  # as the command line gives them


def test_a_problem_names_the_field_and_its_source(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(port=99999).startswith("--port: ")
    assert refused(max_upload=1).startswith("--max-upload: ")
    assert refused(keep_days=1e12).startswith("--keep-days: ")  # beyond any calendar
    assert refused(false_alarm_rate=1e-9).startswith("--false-alarm-rate: ")
    file.write_text("batch_size = 0\n")
    assert refused(file).startswith(f"batch_size in {file}: ")
    monkeypatch.setenv("BLEMISH_BATCH_SIZE", "many")
    assert refused(file).startswith("BLEMISH_BATCH_SIZE: ")
    assert refused(file, batch_size=-1).startswith("--batch-size: ")
    monkeypatch.delenv("BLEMISH_BATCH_SIZE")
    file.write_text("timeout = inf\n")
    assert refused(file).startswith(f"timeout in {file}: ")


def test_a_model_is_needed() -> None:
    with pytest.raises(ConfigError, match=r"blemish serve parts\.onnx"):
        load_settings()


def test_the_file_must_be_there_be_toml_and_have_known_fields(file: Path, tmp_path: Path) -> None:
    assert "nowhere.toml cannot be read" in refused(tmp_path / "nowhere.toml")
    assert "cannot be read" in refused(tmp_path)
    file.write_text("modle = ")
    assert "is not valid TOML" in refused(file)
    file.write_bytes(b"\xff\xfe")
    assert "is not valid TOML" in refused(file)
    file.write_text("kep_days = 3\n")
    assert "there is no setting 'kep_days'" in refused(file) and str(file) in refused(file)
    file.write_text("[station]\nport = 3\n")
    assert "there is no setting 'station'" in refused(file)


def test_other_variables_with_the_prefix_are_nothing_to_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLEMISH_MVTEC", "somewhere")
    assert load_settings(model="parts.onnx").port == 8000


def test_empty_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLEMISH_TOKEN", "")  # as a compose file gives an unset one
    assert refused().startswith("BLEMISH_TOKEN: is empty")
    monkeypatch.delenv("BLEMISH_TOKEN")
    monkeypatch.setenv("BLEMISH_MODELS", "")
    assert refused().startswith("BLEMISH_MODELS: is empty")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "station.local", "127.0.0.1.example.com"])
def test_whoever_listens_to_others_needs_a_token(host: str) -> None:
    message = refused(host=host)
    assert message.startswith("--host: ") and "secrets.token_urlsafe(32)" in message
    assert load_settings(model="parts.onnx", host=host, token=TOKEN).token is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost.", "::1", "[::1]", "127.8.9.1"])
def test_this_machine_alone_needs_none(host: str) -> None:
    assert load_settings(model="parts.onnx", host=host).token is None


def test_a_token_is_long_and_fits_into_a_header() -> None:
    assert "fewer than 16 characters" in refused(token="short")
    assert "no HTTP header" in refused(token="drôle-de-jeton-très-long")
    assert "no HTTP header" in refused(token="with a space in the middle")


def test_the_token_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = tmp_path / "token"
    held.write_text(f"  {TOKEN}\n")
    held.chmod(0o600)
    settings = load_settings(model="parts.onnx", token_file=held)
    assert settings.token is not None and settings.token.get_secret_value() == TOKEN
    assert remarks(settings) == []
    held.chmod(0o644)
    assert "Every user of this machine can read the token" in remarks(settings)[0]

    assert "does not go with token" in refused(token_file=held, token=TOKEN)
    held.write_text("short\n")
    assert refused(token_file=held).startswith("--token-file: gives a token of fewer")
    held.write_bytes(b"\xff" * 40)
    assert "holds no text" in refused(token_file=held)
    monkeypatch.setenv("BLEMISH_TOKEN_FILE", str(tmp_path / "nowhere"))
    assert refused().startswith("BLEMISH_TOKEN_FILE: ") and "cannot be read" in refused()


def test_the_strongest_source_of_a_token_wins_whichever_way_it_gives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(TOKEN + "-of-the-file")
    file = tmp_path / "station.toml"
    file.write_text(f'model = "parts.onnx"\ntoken_file = "{tmp_path / "token"}"\n')

    def token(**options: Any) -> str:
        found = load_settings(file, **options).token
        assert found is not None
        return found.get_secret_value()

    assert token() == TOKEN + "-of-the-file"
    monkeypatch.setenv("BLEMISH_TOKEN", TOKEN + "-of-the-variable")
    assert token() == TOKEN + "-of-the-variable"
    assert token(token_file=tmp_path / "token") == TOKEN + "-of-the-file"
    monkeypatch.setenv("BLEMISH_TOKEN_FILE", str(tmp_path / "token"))
    assert "does not go with token" in refused(file)
    assert token(token=TOKEN) == TOKEN


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    password = "pass/word-of-the-database"
    store = "postgresql+psycopg://blemish:pass%2Fword-of-the-database@host/name"
    settings = load_settings(model="parts.onnx", token=TOKEN, store=store)
    for text in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert TOKEN not in text and "word-of-the" not in text
    assert set(settings.secrets) == {TOKEN, password}
    assert "secret" not in refused(store="//user:secret") and "URL" in refused(store="parts.db")
    assert "secret" not in refused(store="postgresql://user:secret@host:port/name")
    for url in ("postgresql://user:p@secret/name@host/name", "postgresql://user:p@secret@host/name"):
        assert "%40" in refused(store=url) and "secret" not in refused(store=url)
    odd = load_settings(model="parts.onnx", store="postgresql://user:se#cr/et@host/name")
    assert odd.secrets == ["se#cr/et"]
    assert TOKEN[:10] not in refused(token=TOKEN[:10])
    held = tmp_path / "station.toml"
    held.write_text(f'token = "{TOKEN}"\ntoken = "{TOKEN}"\n')
    assert TOKEN not in refused(held)
    held.write_text("token = 1234567890123456\n")
    assert "1234567890123456" not in refused(held)


def test_tls_needs_both_halves_of_one_pair(pair: tuple[Path, Path], tmp_path: Path) -> None:
    certificate, key = pair
    settings = load_settings(
        model="parts.onnx", host="0.0.0.0", token=TOKEN, tls_certificate=certificate, tls_key=key
    )
    assert settings.tls_key == key and remarks(settings) == []
    assert "needs its other half" in refused(tls_certificate=certificate)
    assert refused(tls_key=key).startswith("--tls-key: needs its other half")
    assert "are no pair" in refused(tls_certificate=certificate, tls_key=certificate)
    assert "No such file" in refused(tls_certificate=certificate, tls_key=tmp_path / "nowhere")
    locked = tmp_path / "locked.pem"
    subprocess.run(
        ["openssl", "ec", "-aes256", "-passout", "pass:secret", "-in", key, "-out", locked],
        check=True,
        capture_output=True,
    )
    assert "without a password" in refused(tls_certificate=certificate, tls_key=locked)


def test_without_tls_a_station_for_others_is_remarked_on() -> None:
    settings = load_settings(model="parts.onnx", host="0.0.0.0", token=TOKEN)
    assert "unencrypted" in remarks(settings)[0]


def test_folders_must_be_there_and_apart(tmp_path: Path) -> None:
    assert refused(models=tmp_path / "none").startswith("--models: ")
    assert refused(watch=tmp_path / "none").startswith("--watch: ")
    assert "needs watch" in refused(move_to=tmp_path)
    assert "is the watched folder" in refused(watch=tmp_path, move_to=tmp_path / "." / "x" / "..")
    (tmp_path / "failed").mkdir()
    assert "or around it" in refused(
        watch=tmp_path / "failed", move_to=tmp_path
    )  # what fails would come back
    settings = load_settings(model="parts.onnx", watch=tmp_path, move_to=tmp_path / "done")
    assert settings.watch == tmp_path


def test_the_docs_and_the_example_have_every_setting() -> None:
    page = (ROOT / "docs" / "station.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    assert set(Settings.model_fields) <= rows
    example = tomllib.loads((ROOT / "deploy" / "station.toml").read_text(encoding="utf-8"))
    assert set(example) <= set(Settings.model_fields)
