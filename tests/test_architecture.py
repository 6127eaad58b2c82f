"""Imports go down the house, never up, and no room needs another that needs it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import blemish

PACKAGE = Path(blemish.__file__).parent
# from the top floor down; a file of the root is a floor of its own
FLOORS = (
    *("cli", "station", "api", "papers", "comparison", "acceptance", "checking", "experiments", "reports"),
    *("export", "training", "evaluation", "inference", "models", "datasets", "images", "calibration"),
    *("progress", "files", "spreadsheet", "extras", "errors"),
)
FACADE = {"__init__.py", "__main__.py"}  # what users import and start; above all floors


def sources() -> Iterator[Path]:
    return (
        path for path in sorted(PACKAGE.rglob("*.py")) if path.relative_to(PACKAGE).parts[0] not in FACADE
    )


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(path: Path) -> set[str]:
    """Modules of the package that a file names in an import, wherever it stands, as dotted names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.startswith("blemish.")}


def room(module: str) -> str:
    return module.split(".")[1]


def test_every_room_has_a_floor() -> None:
    assert {room(module_of(path)) for path in sources()} == set(FLOORS)


def test_no_import_runs_up_a_floor() -> None:
    up = [
        f"{module_of(path)} -> {name}"
        for path in sources()
        for name in imports(path)
        if room(name) in FLOORS and FLOORS.index(room(name)) < FLOORS.index(room(module_of(path)))
    ]
    assert not up


def test_no_file_needs_one_that_needs_it() -> None:
    files = {module_of(path): path for path in sources()}
    arrows = {
        module: {name if name in files else name.rpartition(".")[0] for name in imports(path)}
        & files.keys() - {module}
        for module, path in files.items()
    }
    while free := [module for module, needs in arrows.items() if not needs & arrows.keys()]:
        for module in free:
            del arrows[module]
    assert not arrows
