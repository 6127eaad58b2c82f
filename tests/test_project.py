"""The project's own files hold together."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import blemish

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    if "==" in line
)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_constraints_are_plain_lines() -> None:
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+!]*", line), line


def test_every_dependency_that_the_readme_installs_is_pinned() -> None:
    pinned = {normal(name) for name in PINS}
    groups = [PROJECT["dependencies"]]
    groups += [PROJECT["optional-dependencies"][extra] for extra in ("train", "demo", "docs", "dev")]
    names = {normal(re.split(r"[\[<>=!~ ]", line)[0]) for group in groups for line in group}
    assert names - {"blemish"} <= pinned


def test_one_version() -> None:
    assert blemish.__version__ == PROJECT["version"] == version("blemish")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {blemish.__version__}" in changes
