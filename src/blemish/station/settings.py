"""How a station is set up: options before environment before file before defaults."""

import ipaddress
import os
import ssl
import stat
import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from blemish.errors import ConfigError

PREFIX = "BLEMISH_"
TOKEN_FIELDS = ("token", "token_file")
MIN_TOKEN = 16  # characters
MIN_RATE = 1e-6  # of false alarms; below it no calibration is large enough
MAKE_TOKEN = 'python -c "import secrets; print(secrets.token_urlsafe(32))" makes one'


class _Environment(EnvSettingsSource):
    def __call__(self) -> dict[str, Any]:
        return _beside(self.current_state, super().__call__())


class _File(TomlConfigSettingsSource):
    def __call__(self) -> dict[str, Any]:
        return _beside(self.current_state, super().__call__())


class Settings(BaseSettings):
    """A station's settings.

    Each may stand in the file (`--config`, TOML), in the environment (BLEMISH_ and the name in capitals) or
    be an option; the option is the strongest.

    Attributes:
        model: the model file that gives the verdicts.
        models: folder of further model files to choose from in the page; None for none.
        folder: where images, maps and the SQLite database are kept; made if need be.
        store: database URL; None is a SQLite file in `folder`.
        host, port: where to listen. Whatever is not loopback needs a token.
        token: who knows it may use the station; at least 16 characters. None: no questions asked.
        token_file: a file that holds the token; an alternative to `token`, which then has its content.
        tls_certificate, tls_key: PEM files; both or neither.
        engine, threads, device: as for `blemish predict`.
        false_alarm_rate: for a model that this station has not used yet; None takes the model's own.
        batch_size: images scored at once at most.
        max_wait: seconds that a decoded image waits at most for others that are still being decoded.
        queue_size: images accepted and unfinished at most.
        max_upload: bytes of one request at most.
        max_pixels: of one image.
        max_images: of one request.
        timeout: seconds that a request may take to arrive, and again to be answered.
        watch: a folder whose new images are inspected; None watches none.
        move_to: where inspected images of `watch` go; None leaves them.
        settle: seconds for which a file must not have changed before it is taken.
        keep_days: images that nobody has judged are deleted after so many days; None keeps them.
        keep_gb: the oldest of them are deleted beyond this many gigabytes; None keeps them.
        min_free_gb: with less free space than this on the disk of `folder`, nothing is accepted.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    model: Path
    models: Path | None = None
    folder: Path = Path("station")
    store: SecretStr | None = None  # may hold a password
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    token: SecretStr | None = None
    token_file: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    engine: str | None = None
    threads: int | None = Field(default=None, ge=1)
    device: str = "auto"
    false_alarm_rate: float | None = Field(default=None, ge=MIN_RATE, lt=1)
    batch_size: int = Field(default=8, ge=1, le=1024)
    max_wait: float = Field(default=0.02, ge=0, le=10)
    queue_size: int = Field(default=64, ge=1, le=100_000)
    max_upload: int = Field(default=64_000_000, ge=1_000)
    max_pixels: int = Field(default=50_000_000, ge=1_024)
    max_images: int = Field(default=64, ge=1)
    timeout: float = Field(default=30, gt=0)
    watch: Path | None = None
    move_to: Path | None = None
    settle: float = Field(default=1, ge=0, le=3600)
    keep_days: float | None = Field(default=None, gt=0, le=36_500)
    keep_gb: float | None = Field(default=None, gt=0)
    min_free_gb: float = Field(default=0.5, ge=0)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host.lower() in ("localhost", "localhost.")

    @property
    def secrets(self) -> list[str]:
        """What must never be shown: the token and the password in the store's URL."""
        token = self.token.get_secret_value() if self.token else None
        password = make_url(self.store.get_secret_value()).password if self.store else None
        return [secret for secret in (token, password) if secret]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options, environment, file; the first that has a value gives it."""
        return init_settings, _Environment(settings_cls), _File(settings_cls)

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: dict[str, Any]) -> dict[str, Any]:
        for field, value in values.items():
            if value == "":
                raise _wrong(field, "is empty; give it a value or leave it out")
        if (file := values.get("token_file")) is not None:
            if values.get("token") is not None:
                raise _wrong("token_file", "does not go with token; give one of them")
            values = values | {"token": _read_token(Path(file))}
        elif isinstance(token := values.get("token"), SecretStr | str):
            text = token if isinstance(token, str) else token.get_secret_value()
            _check_token("token", text)
        return values

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if not self.loopback and self.token is None:
            raise _wrong(
                "host", f"{self.host} can be reached from other machines; give a token too ({MAKE_TOKEN})"
            )
        if (self.tls_certificate is None) != (self.tls_key is None):
            field = "tls_certificate" if self.tls_key is None else "tls_key"
            raise _wrong(field, "needs its other half; give tls_certificate and tls_key, or neither")
        if self.tls_certificate is not None and self.tls_key is not None:
            _check_tls(self.tls_certificate, self.tls_key)
        for field in ("models", "watch"):
            folder = getattr(self, field)
            if folder is not None and not folder.is_dir():
                raise _wrong(field, f"{folder} is no folder; make it or give another")
        if self.move_to is not None:
            if self.watch is None:
                raise _wrong("move_to", "needs watch; say which folder images are taken from")
            if self.watch.resolve().is_relative_to(self.move_to.resolve()):
                raise _wrong("move_to", f"{self.move_to} is the watched folder or around it; give another")
        if self.store is not None:
            _check_store(self.store.get_secret_value())
        return self


def load_settings(config: Path | None = None, **options: Any) -> Settings:
    """A station's settings from all their sources.

    Args:
        config: a TOML file with fields of `Settings`, or None.
        options: fields of `Settings`; None stands for not given.

    Raises:
        ConfigError: the file cannot be read, a field is unknown, or a value cannot be used.
    """

    class Sourced(Settings):
        model_config = SettingsConfigDict(toml_file=config)

    options = {field: value for field, value in options.items() if value is not None}
    try:
        if config is not None:
            config.open("rb").close()  # a missing file would be passed over
        return Sourced(**options)
    except OSError as error:
        raise ConfigError(f"The file {config} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The file {config} is not valid TOML: {error}.") from None
    except ValidationError as error:
        raise ConfigError(_sentence(error, options, config)) from None


def remarks(settings: Settings) -> list[str]:
    """What works but had better be otherwise, a sentence each."""
    found = []
    file = settings.token_file
    if file is not None and file.stat().st_mode & stat.S_IROTH:
        found.append(f"Every user of this machine can read the token in {file}; chmod o-r {file} mends that.")
    if not settings.loopback and settings.tls_key is None:
        found.append(
            "The token and the images cross the network unencrypted; "
            "give tls_certificate and tls_key, or put a proxy with TLS before the station."
        )
    return found


def _beside(stronger: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """A source's values; its token counts only when no stronger source names a token or its file."""
    named = any(field in stronger for field in TOKEN_FIELDS)
    return {field: value for field, value in values.items() if not (named and field in TOKEN_FIELDS)}


def _wrong(field: str, why: str) -> PydanticCustomError:
    return PydanticCustomError("station", "{why}", {"field": field, "why": why})


def _read_token(file: Path) -> str:
    try:
        token = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise _wrong(
            "token_file", f"{file} cannot be read ({error.strerror}); mend that or give another"
        ) from None
    except UnicodeDecodeError:
        raise _wrong("token_file", f"{file} holds no text; write the token into it") from None
    _check_token("token_file", token)
    return token


def _check_token(field: str, token: str) -> None:
    if len(token) < MIN_TOKEN:
        raise _wrong(field, f"gives a token of fewer than {MIN_TOKEN} characters; {MAKE_TOKEN}")
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise _wrong(field, f"gives a token with characters that no HTTP header takes; {MAKE_TOKEN}")


def _check_store(text: str) -> None:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise _wrong("store", "is a database URL such as postgresql://user@host/name") from None
    if url.get_backend_name() != "sqlite" and "@" in f"{url.host}{url.database}":  # of the password
        raise _wrong("store", "has a second @; write the password's @ as %40 and / as %2F")


def _check_tls(certificate: Path, key: Path) -> None:
    for field, file in (("tls_certificate", certificate), ("tls_key", key)):
        try:
            file.open("rb").close()
        except OSError as error:
            raise _wrong(
                field, f"{file} cannot be read ({error.strerror}); mend that or give another"
            ) from None
    try:
        # an empty password: an encrypted key is refused instead of asked about
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise _wrong(
            "tls_key",
            f"{key} and {certificate} are no pair ({reason}); give a PEM key without a password "
            "and its certificate",
        ) from None


def _sentence(error: ValidationError, options: dict[str, Any], config: Path | None) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    field = first.get("ctx", {}).get("field") or str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        return f"{config or 'The options'}: there is no setting {field!r}; the docs (Station) list all."
    if first["type"] == "missing":
        return f"No {field} is given; say `blemish serve parts.onnx`, or set {PREFIX}{field.upper()}."
    message = first["msg"].removesuffix(".")
    return f"{_origin(field, options, config)}: {message[0].lower()}{message[1:]}."


def _origin(field: str, options: dict[str, Any], config: Path | None) -> str:
    if field in options:
        return "MODEL" if field == "model" else f"--{field.replace('_', '-')}"
    names = [name for name in os.environ if name.upper() == PREFIX + field.upper()]
    if names:
        return names[0]
    return f"{field} in {config}" if config else field
