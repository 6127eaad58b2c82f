"""A small comparison, which tests only read, and others that go on from it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blemish import Comparison, compare
from tests.experiments.support import JobHere
from tests.support import BACKBONE


@pytest.fixture(scope="package")
def options() -> Iterator[dict[str, Any]]:
    """What all comparisons take; fits have no process of their own, and speed is only glanced at."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("blemish.experiments.run.JobProcess", JobHere)
        patched.setattr("blemish.comparison.fitting.LEAST_SECONDS", 0.01)
        yield {
            "methods": ["padim", "patchcore"],
            "assignments": ["frame.resize=64", "frame.crop=none", "model.channels=8"],
            "backbone": BACKBONE,
            "weights": "random",
            "false_alarm_rate": 0.2,
        }


@pytest.fixture(scope="package")
def labelled(
    parts_folder: Path, tmp_path_factory: pytest.TempPathFactory, options: dict[str, Any]
) -> tuple[Comparison, Path]:
    out = tmp_path_factory.mktemp("labelled")
    return compare(parts_folder, out=out, **options), out


@pytest.fixture
def again(
    labelled: tuple[Comparison, Path], parts_folder: Path, tmp_path: Path, options: dict[str, Any]
) -> Callable[..., tuple[Comparison, set[str]]]:
    """Compares once more with other options, in a copy; with the names of the models that are written."""
    out = shutil.copytree(labelled[1], tmp_path / "copy")

    def compare_again(data: Path = parts_folder, **changed: Any) -> tuple[Comparison, set[str]]:
        before = {path: path.stat().st_mtime_ns for path in out.glob("*.safetensors")}
        found = compare(data, out=out, **options | changed)
        return found, {path.stem for path, written in before.items() if path.stat().st_mtime_ns != written}

    return compare_again
