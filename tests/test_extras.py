"""An extra is installed from where this copy of the package came from."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from blemish import extras

REQUIRES = [
    "numpy>=1.26",
    "fastapi>=0.115; extra == 'serve'",
    "fastapi>=0.115; extra == 'serve-postgres'",
    "psycopg[binary]>=3.2; extra == 'serve-postgres'",
]


@pytest.fixture
def installed_from(monkeypatch: pytest.MonkeyPatch) -> Any:
    def set_up(origin: dict[str, Any] | None) -> None:
        text = None if origin is None else json.dumps(origin)
        found = SimpleNamespace(read_text=lambda name: text, requires=REQUIRES)
        monkeypatch.setattr(extras, "distribution", lambda name: found)

    return set_up


def test_a_clone_and_a_wheel_are_named(
    installed_from: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / "my clone"
    clone.mkdir()
    installed_from({"url": clone.as_uri(), "dir_info": {"editable": True}})
    assert extras.install_command("serve") == f'pip install -e "{clone}[serve]"'
    monkeypatch.chdir(clone)
    assert extras.install_command("serve") == 'pip install -e ".[serve]"'
    wheel = tmp_path / "blemish.whl"
    wheel.touch()
    installed_from({"url": wheel.as_uri(), "archive_info": {}})
    assert extras.install_command("serve") == f'pip install "{wheel}[serve]"'


@pytest.mark.parametrize("origin", [None, {"url": "file:///nowhere/blemish.whl", "archive_info": {}}])
def test_else_the_packages_are_named(installed_from: Any, origin: dict[str, Any] | None) -> None:
    installed_from(origin)
    expected = 'pip install "fastapi>=0.115" "psycopg[binary]>=3.2"'
    assert extras.install_command("serve-postgres") == expected
