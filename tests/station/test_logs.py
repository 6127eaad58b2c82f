"""Logs: lines of JSON without secrets, and without what is asked for all the time."""

import json
import logging
from pathlib import Path
from typing import Any

from blemish.station import logs
from tests.station.support import TOKEN


def record(message: str, name: str = "blemish.station.x", args: tuple[Any, ...] = (), **extra: Any) -> Any:
    made = logging.LogRecord(name, logging.WARNING, "", 1, message, args, None)
    vars(made).update(extra)
    return made


def access(path: str, status: int) -> logging.LogRecord:
    return record('%s - "%s %s HTTP/%s" %d', logs.ACCESS, ("10.0.0.7:5123", "GET", path, "1.1", status))


def test_a_line_is_json_without_secrets() -> None:
    formatter = logs.JsonFormatter([TOKEN, "pass/word-of-the-database", "short"])
    url = f"x:pass%2Fword-of-the-database@{TOKEN}"
    text = formatter.format(record("kept", number=3, url=url, file=Path("a\nb"), why="short"))
    assert "\n" not in text and TOKEN not in text and "word-of-the" not in text
    found = json.loads(text)
    assert (found["event"], found["level"], found["number"], found["why"]) == ("kept", "warning", 3, "short")
    assert found["time"].endswith("+00:00") and found["url"] == "x:***@***" and "logger" not in found
    failed = record("failed", "uvicorn.error", exc_info=(ValueError, ValueError("a\nb"), None))
    found = json.loads(formatter.format(failed))
    assert found["logger"] == "uvicorn.error" and "ValueError" in found["exception"]


def test_a_request_comes_without_its_query() -> None:
    found = json.loads(logs.JsonFormatter().format(access("/v1/inspections?text=private", 200)))
    expected = {"event": "request", "method": "GET", "path": "/v1/inspections", "status": 200}
    assert found == expected | {"time": found["time"], "level": "warning", "client": "10.0.0.7"}


def test_what_is_asked_for_all_the_time_is_told_on_failure() -> None:
    for path, status in (("/v1/inspect", 201), ("/live", 503)):
        assert logs.is_worth_a_line(access(path, status))
    for path, status in (("/live?after=3", 204), ("/metrics", 200)):
        assert not logs.is_worth_a_line(access(path, status))
