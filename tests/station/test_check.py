"""`--check`: what a station needs to start is looked at, and nothing is changed."""

import socket
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from blemish.station.check import check
from blemish.station.settings import load_settings
from blemish.station.storage.store import Store
from tests.station.support import command


def findings(model: Path, folder: Path, **options: Any) -> dict[str, tuple[bool, str]]:
    settings = load_settings(model=model, folder=folder, **{"port": 0} | options)
    return {finding.name: (finding.problem, finding.message) for finding in check(settings)}


def test_all_is_in_order_and_nothing_is_made(grey_model: Path, tmp_path: Path) -> None:
    found = findings(grey_model, tmp_path / "kept")
    assert list(found) == ["model", "folder", "store", "address", "access"]
    assert not any(problem for problem, _ in found.values())
    assert "will be made" in found["folder"][1] and "will be made" in found["store"][1]
    assert not (tmp_path / "kept").exists()


def test_what_is_wrong_is_a_sentence_each(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")
    (tmp_path / "broken.onnx").write_text("no model")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = {"port": taken.getsockname()[1], "store": "sqlite:////no/such/place.db"}
        found = findings(tmp_path / "broken.onnx", tmp_path / "kept", **options)
    assert {name for name, (problem, _) in found.items() if problem} == set(found) - {"access"}
    assert all(message.endswith(".") for _, message in found.values())


@pytest.mark.parametrize(
    ("store", "expected"),
    [
        ("sqlite:///:memory:", "keeps nothing"),
        ("mysql://host/name", "cannot use a database of kind mysql"),
        ("postgresql://user:secret@127.0.0.1:9/name", "cannot be used (connection failed"),
    ],
)
def test_stores_that_cannot_be_used(grey_model: Path, tmp_path: Path, store: str, expected: str) -> None:
    problem, message = findings(grey_model, tmp_path, store=store)["store"]
    assert problem and expected in message and "secret" not in message


def test_a_database_that_is_there_is_read(grey_model: Path, tmp_path: Path, postgresql_url: str) -> None:
    assert "still empty" in findings(grey_model, tmp_path, store=postgresql_url)["store"][1]
    for url in (postgresql_url, f"sqlite:///{tmp_path / 'station.sqlite'}"):
        Store(url).close()
    assert findings(grey_model, tmp_path, store=postgresql_url)["store"] == (False, "it is there.")
    assert findings(grey_model, tmp_path)["store"] == (False, "it is there.")
    with sqlite3.connect(tmp_path / "station.sqlite") as connection:
        connection.execute("update alembic_version set version_num = '0042'")
    problem, message = findings(grey_model, tmp_path)["store"]
    assert problem and "has revision 0042, which this version of Blemish does not know" in message


@pytest.mark.slow
def test_the_command_prints_a_line_each_and_ends_with_0_or_2(grey_model: Path, tmp_path: Path) -> None:
    for model, code in ((grey_model, 0), (tmp_path / "nowhere.onnx", 2)):
        arguments = command(model, "--check", "--folder", tmp_path, "--port", "0")
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
        assert done.returncode == code and done.stderr == ""
        assert [line[:8].strip() for line in done.stdout.splitlines()][1:] == ["ok"] * 4
        assert done.stdout.startswith("PROBLEM  model: " if code else "ok       model: ")
