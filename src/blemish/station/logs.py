"""The station's logs: one JSON object a line on standard error."""

import json
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

HIDDEN = "***"
SHORTEST_SECRET = 6  # characters; hiding shorter ones would garble ordinary words
POLLED = ("/condition", "/v1/health", "/v1/ready", "/metrics", "/static/")  # logged on failure alone
ACCESS = "uvicorn.access"
NOT_EXTRA = {*vars(logging.makeLogRecord({})), "message", "color_message", "taskName"}


def configure(secrets: Sequence[str] = ()) -> None:
    """Send all logs of this process, other libraries' too, to standard error as JSON without secrets."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(secrets))
    handler.addFilter(is_worth_a_line)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in ("blemish", "uvicorn"):
        logging.getLogger(name).setLevel(logging.INFO)
    logging.captureWarnings(True)


def is_worth_a_line(record: logging.LogRecord) -> bool:
    """Whether a record is anything but one more answer to what pages and monitors ask for all the time."""
    if record.name != ACCESS:
        return True
    _, _, path, _, status = record.args  # type: ignore[misc]
    polled = str(path).startswith(POLLED) or str(path).partition("?")[0].endswith("/live")
    return not (polled and int(status) < 400)  # type: ignore[arg-type]


class JsonFormatter(logging.Formatter):
    """A record and its `extra` as one line of JSON; times are UTC, requests come without their query."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__()
        long_enough = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
        spellings = {form for secret in long_enough for form in (secret, quote(secret, safe=""))}
        self._secrets = sorted((json.dumps(form)[1:-1] for form in spellings), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": time, "level": record.levelname.lower()}
        if record.name == ACCESS:
            client, method, path, _, status = record.args  # type: ignore[misc]
            line |= {"event": "request", "method": method, "path": str(path).partition("?")[0]}
            line |= {"status": status, "client": str(client).rpartition(":")[0]}
        else:
            line["event"] = record.getMessage()
        if record.name != ACCESS and not record.name.startswith("blemish"):
            line["logger"] = record.name
        line |= {name: value for name, value in vars(record).items() if name not in NOT_EXTRA}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        text = json.dumps(line, default=str)
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text
