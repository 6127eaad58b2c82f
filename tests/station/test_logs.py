"""Logs: lines of JSON without secrets, and without what is asked for all the time."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from blemish.station import logs
from tests.station.support import TOKEN


def line(formatter: logging.Formatter, message: str, name: str = "blemish.station.x", **extra: Any) -> str:
    record = logging.LogRecord(name, logging.WARNING, "", 1, message, (), None)
    vars(record).update(extra)
    return formatter.format(record)


def access(path: str, status: int) -> logging.LogRecord:
    values = ("10.0.0.7:5123", "GET", path, "1.1", status)
    return logging.LogRecord("uvicorn.access", logging.INFO, "", 1, '%s - "%s %s HTTP/%s" %d', values, None)


def test_a_line_is_json_without_secrets() -> None:
    formatter = logs.JsonFormatter([TOKEN, "pass/word-of-the-database", "short"])
    url = f"x:pass%2Fword-of-the-database@{TOKEN}"
    text = line(formatter, "kept", number=3, url=url, file=Path("a\nb"), why="short")
    assert "\n" not in text and TOKEN not in text and "word-of-the" not in text
    found = json.loads(text)
    assert (found["event"], found["level"], found["number"], found["why"]) == ("kept", "warning", 3, "short")
    assert found["time"].endswith("+00:00") and found["url"] == "x:***@***" and "logger" not in found
    assert json.loads(line(formatter, "elsewhere", "sqlalchemy.pool"))["logger"] == "sqlalchemy.pool"


def test_a_request_comes_without_its_query() -> None:
    found = json.loads(logs.JsonFormatter().format(access("/v1/inspections?text=private", 200)))
    del found["time"]
    assert found == {
        "level": "info",
        "event": "request",
        "method": "GET",
        "path": "/v1/inspections",
        "status": 200,
        "client": "10.0.0.7",
    }


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/v1/inspect", 201, True),
        ("/live?after=3", 204, False),
        ("/live", 503, True),
        ("/metrics", 200, False),
    ],
)
def test_what_is_asked_for_all_the_time_is_told_on_failure(path: str, status: int, told: bool) -> None:
    assert logs.is_worth_a_line(access(path, status)) is told


def test_exceptions_are_on_the_line() -> None:
    try:
        raise ValueError("a\nb")
    except ValueError as error:
        record = logging.LogRecord("uvicorn.error", logging.ERROR, "", 1, "failed", (), None)
        record.exc_info = (type(error), error, error.__traceback__)
    assert "ValueError" in json.loads(logs.JsonFormatter().format(record))["exception"]
