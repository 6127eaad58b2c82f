"""A small sweep, and a table with everything measured: tests only read them."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from blemish.papers.output.summary import Summary, summarise
from blemish.papers.reproduce import reproduce
from tests.papers.support import full, table
from tests.support import BACKBONE


@pytest.fixture(scope="package")
def complete() -> Summary:
    return summarise(table(), full(), [], ["Epochs 1 instead of 2."])


@pytest.fixture(scope="package")
def options(parts_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What all sweeps take."""
    folder = tmp_path_factory.mktemp("mvtec")
    shutil.copytree(parts_folder, folder / "screw")
    return {
        "data": [f"mvtec={folder}"],
        "categories": ["screw"],
        "epochs": 30,
        "backbone": BACKBONE,
        "weights": [f"{BACKBONE}=random"],
        "assignments": [
            *("model.tokens=3", "model.token_dim=16", "frame.resize=64", "frame.crop=64"),
            *("training.batch_size=4", "training.precision=fp32", "training.checkpoint_seconds=0"),
        ],
    }


@pytest.fixture(scope="package")
def sweep(options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Summary], Path]:
    """Two scorings of one training, one of them in two tables; weights and maps are kept."""
    out = tmp_path_factory.mktemp("sweep")
    cells = ["p4", "p6", "with-tfm"]
    return reproduce(["gtrans-7", "gtrans-4"], cells=cells, keep=["weights", "maps"], out=out, **options), out
