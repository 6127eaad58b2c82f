"""How a station is set up: options before environment before file before defaults."""

import ipaddress
import os
import re
import ssl
import stat
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import unquote

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic.networks import AnyUrl, HttpUrl, UrlConstraints
from pydantic.types import Secret
from pydantic_core import PydanticCustomError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from blemish.errors import ConfigError, reason_of
from blemish.files import read_toml
from blemish.station.recipe_settings import RecipeSettings, first_of, read_recipes, recipe_name, wrong

PREFIX = "BLEMISH_"
TOKEN_FIELDS = ("token", "token_file")
MIN_TOKEN = 16  # characters
MAKE_TOKEN = 'python -c "import secrets; print(secrets.token_urlsafe(32))" makes one'

TOPIC_FIELDS = ("recipe", "station", "verdict")
MqttUrl = Annotated[AnyUrl, UrlConstraints(allowed_schemes=["mqtt", "mqtts"], host_required=True)]


class Settings(RecipeSettings):
    """A station's settings; each is an option, a variable and a line in the configuration file."""

    recipes: Path | None = Field(None, description="TOML file of several recipes, in place of a model.")
    folder: Path = Field(Path("station"), description="Where images, maps and the database are kept.")
    store: SecretStr | None = Field(None, description="URL of the database, if not SQLite in the folder.")
    host: str = Field("127.0.0.1", description="To listen on; more than this machine needs users or a token.")
    port: int = Field(8000, ge=0, le=65535, description="To listen on; 0 is any free one.")
    token: SecretStr | None = Field(None, description="Who has it may use the station; ps shows it.")
    token_file: Path | None = Field(None, description="File that holds the token.")
    users: bool = Field(False, description="Ask for names and passwords; the first start prints a link.")
    tls_certificate: Path | None = Field(None, description="PEM file for https; needs the key too.")
    tls_key: Path | None = Field(None, description="The certificate's key, without a password.")
    settle: float = Field(1, ge=0, le=3600, description="Seconds a file must not have changed to be taken.")
    result_json: bool = Field(False, description="Write NAME.json beside each file that is moved.")
    name_pattern: str | None = Field(None, description="Regular expression with groups lot and serial.")
    webhook: HttpUrl | None = Field(None, description="Address that every verdict is posted to.")
    webhook_key_file: Path | None = Field(None, description="File that holds the key that signs them.")
    mqtt: Secret[MqttUrl] | None = Field(None, description="mqtt://user:password@host of a broker for them.")
    mqtt_topic: str = Field("blemish", pattern="^[^+#]+$", description="With {recipe}, {station}, {verdict}.")
    keep_days: float | None = Field(None, gt=0, le=36_500, description="Days until unjudged images go.")
    keep_gb: float | None = Field(None, gt=0, description="GB beyond which the oldest of them go.")
    min_free_gb: float = Field(0.5, ge=0, description="Accept nothing with fewer GB free on the disk.")
    engine: str | None = Field(None, description="torch, onnxruntime or openvino, if not the usual one.")
    threads: int | None = Field(None, ge=1, description="CPU threads of the engine.")
    device: str = Field("auto", description="auto, cpu, cuda, tensorrt or gpu.")
    batch_size: int = Field(8, ge=1, le=1024, description="Images scored at once, at most.")
    max_wait: float = Field(0.02, ge=0, le=10, description="Seconds an image waits for others to join.")
    queue_size: int = Field(64, ge=1, le=100_000, description="Images accepted and unfinished, at most.")
    max_upload: int = Field(64_000_000, ge=1_000, description="Bytes of one request, at most.")
    max_pixels: int = Field(50_000_000, ge=1_024, description="Of one image, at most.")
    max_images: int = Field(64, ge=1, description="Of one request, at most.")
    timeout: float = Field(30, gt=0, description="Seconds a request may take to arrive, and to be answered.")

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host.lower() in ("localhost", "localhost.")

    @cached_property
    def by_recipe(self) -> dict[str, RecipeSettings]:
        """How each recipe is set up, by name; the first is the default one. ConfigError as `read_recipes`."""
        if self.recipes is not None:
            return read_recipes(self.recipes)
        assert self.model is not None
        return {recipe_name(self.model): self}

    @property
    def asks_nobody(self) -> bool:
        return self.token is None and not self.users

    @property
    def store_url(self) -> str:
        """The database's URL: the one given, or a SQLite file in the station's folder."""
        if self.store is not None:
            return self.store.get_secret_value()
        return f"sqlite:///{self.folder.resolve() / 'station.sqlite'}"

    @property
    def secrets(self) -> list[str]:
        """What must never be shown: the token and the passwords in the URLs of store and broker."""
        token = self.token.get_secret_value() if self.token else None
        password = make_url(self.store.get_secret_value()).password if self.store else None
        broker = unquote(self.mqtt.get_secret_value().password or "") if self.mqtt else None
        return [secret for secret in (token, password, broker) if secret]

    @property
    def webhook_key(self) -> str:
        if self.webhook_key_file is None:
            raise wrong("webhook", f"needs webhook_key_file, with a key that signs ({MAKE_TOKEN})")
        return _read_token("webhook_key_file", self.webhook_key_file)

    def part_of(self, name: str) -> dict[str, str]:
        """Lot and serial number of a part, as far as an image's name tells them."""
        found = re.search(self.name_pattern, name) if self.name_pattern else None
        return {group: text for group, text in found.groupdict().items() if text} if found else {}

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: dict[str, Any]) -> dict[str, Any]:
        token, file = (values.get(field) for field in TOKEN_FIELDS)
        if file:
            if token is not None:
                raise wrong("token_file", "does not go with token; give one of them")
            values = values | {"token": _read_token("token_file", Path(file))}
        elif token and isinstance(token, str):
            _check_token("token", token)
        return values

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.users and self.token is not None:
            raise wrong("users", "does not go with a token; the page of the users makes tokens for machines")
        if not self.loopback and self.asks_nobody:
            mend = f"give --users, or a token ({MAKE_TOKEN})"
            raise wrong("host", f"{self.host} can be reached by others; {mend}")
        _check_tls(self.tls_certificate, self.tls_key)
        if self.model is None and self.recipes is None:
            raise PydanticCustomError("missing", "is missing", {"field": "model"})
        if self.recipes is not None:
            for field in RecipeSettings.model_fields:
                if getattr(self, field) is not None:
                    raise wrong(field, f"does not go with recipes; say it in {self.recipes}")
        given = self.by_recipe.values()  # refuses recipes that cannot be used
        if self.result_json and not any(one.move_to for one in given):
            raise wrong("result_json", "needs move_to; say which folder the results go to")
        if self.name_pattern is not None:
            _check_pattern(self.name_pattern)
        if self.webhook is not None and self.webhook_key and self.webhook.username:
            raise wrong("webhook", "takes no user and password; the signature tells who sends")
        _check_topic(self.mqtt_topic)
        if self.store is not None:
            _check_store(self.store.get_secret_value())
        return self


def load_settings(config: Path | None = None, **options: Any) -> Settings:
    """A station's settings: `options` but for None, before environment, before the file `config`.

    ConfigError: the file cannot be read, a field is unknown, or a value cannot be used.
    """
    names = {field: PREFIX + field.upper() for field in Settings.model_fields}
    environment = {field: os.environ[name] for field, name in names.items() if name in os.environ}
    options = {field: value for field, value in options.items() if value is not None}
    values: dict[str, Any] = {}
    for given in (read_toml(config) if config else {}, environment, options):  # the weakest first
        if not given.keys().isdisjoint(TOKEN_FIELDS):  # the strongest that names either gives the token
            values = {field: value for field, value in values.items() if field not in TOKEN_FIELDS}
        values |= given
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first, field, why = first_of(error)
    if first["type"] == "extra_forbidden":
        where = config or "The options"
        raise ConfigError(f"{where}: there is no setting {field!r}; the docs (Station) list all.")
    if first["type"] == "missing":
        raise ConfigError(f"No {field} is given; say `blemish serve parts.onnx`, or set {names[field]}.")
    place = f"{field} in {config}"
    if field in options:
        place = "MODEL" if field == "model" else f"--{field.replace('_', '-')}"
    elif field in environment:
        place = names[field]
    raise ConfigError(f"{place}: {why}.")


def remarks(settings: Settings) -> list[str]:
    """What works but had better be otherwise, a sentence each."""
    found = []
    file = settings.token_file
    if file is not None and file.stat().st_mode & stat.S_IROTH:
        found.append(f"Every user of this machine can read the token in {file}; chmod o-r {file} mends that.")
    if not settings.loopback and settings.tls_key is None:
        found.append(
            "Passwords, tokens and images cross the network unencrypted; "
            "give tls_certificate and tls_key, or put a proxy with TLS before the station."
        )
    return found


def _check_pattern(pattern: str) -> None:
    example = r"write one such as (?P<lot>\w+)_(?P<serial>\d+)"
    try:
        groups = re.compile(pattern).groupindex.keys()
    except re.error as error:
        raise wrong("name_pattern", f"is no regular expression ({error}); {example}") from None
    if not groups or groups - {"lot", "serial"}:
        raise wrong("name_pattern", f"has groups lot and serial, one or both, and no others; {example}")


def _check_topic(topic: str) -> None:
    try:
        topic.format(**dict.fromkeys(TOPIC_FIELDS, ""))
    except (LookupError, ValueError, AttributeError, TypeError) as error:
        raise wrong("mqtt_topic", f"has {error} in braces; give {', '.join(TOPIC_FIELDS)}") from None


def _read_token(field: str, file: Path) -> str:
    try:
        token = file.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise wrong(field, f"{file} holds no text; write the token into it") from None
    except OSError as error:
        raise wrong(field, f"{file} cannot be read ({error.strerror}); mend that or give another") from None
    _check_token(field, token)
    return token


def _check_token(field: str, token: str) -> None:
    if len(token) < MIN_TOKEN:
        raise wrong(field, f"gives a token of fewer than {MIN_TOKEN} characters; {MAKE_TOKEN}")
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise wrong(field, f"gives a token with characters that no HTTP header takes; {MAKE_TOKEN}")


def _check_store(text: str) -> None:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise wrong("store", "is a database URL such as postgresql://user@host/name") from None
    if url.get_backend_name() != "sqlite" and "@" in f"{url.host}{url.database}":  # of the password
        raise wrong("store", "has a second @; write the password's @ as %40 and / as %2F")


def _check_tls(certificate: Path | None, key: Path | None) -> None:
    if certificate is None or key is None:
        if certificate is not key:
            field = "tls_certificate" if key is None else "tls_key"
            raise wrong(field, "needs its other half; give tls_certificate and tls_key, or neither")
        return
    try:
        # an empty password: an encrypted key is refused instead of asked about
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or reason_of(error)
        pair = f"{key} and {certificate} are no pair that can be used ({reason})"
        raise wrong("tls_key", f"{pair}; give a PEM key without a password and its certificate") from None
