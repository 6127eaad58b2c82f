"""The project's own files hold together."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import blemish

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_constraints_are_plain_lines_for_every_dependency_that_the_readme_installs() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+!]*", line) for line in lines)
    groups = [PROJECT["dependencies"]]
    groups += [PROJECT["optional-dependencies"][extra] for extra in ("train", "demo", "docs", "dev")]
    names = {normal(re.split(r"[\[<>=!~ ]", line)[0]) for group in groups for line in group}
    assert names - {"blemish"} <= {normal(line.partition("==")[0]) for line in lines}


def test_one_version() -> None:
    assert blemish.__version__ == version("blemish")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {blemish.__version__}" in changes
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {blemish.__version__}\n" in citation
