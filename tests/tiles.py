"""Pictures of several sizes with a defect, and models of all kinds that cut them into tiles."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

import blemish
from blemish.cli.app import app
from blemish.datasets import Dataset
from blemish.inference.detector import Detector
from tests.support import BACKBONE, textures

TILE = 64
SIZES = [(160, 224), (224, 160), (64, 64), (100, 150)]  # height and width, in turn
TILES = [3 * 5, 5 * 3, 1, 2 * 3]
METHODS: dict[str, dict[str, Any]] = {
    "patchcore": {"backbone": BACKBONE, "weights": "random"},
    "ganomaly": {"epochs": 1, "assignments": ["training.batch_size=16", "training.precision=fp32"]},
    "gtrans": {
        "epochs": 1,
        "backbone": BACKBONE,
        "weights": "random",
        "assignments": ["model.tokens=3", "model.token_dim=16", "training.precision=fp32"],
    },
}


def picture(number: int, height: int, width: int) -> np.ndarray:
    """A texture, uint8 [height, width, 3]."""
    return textures(1, number, size=256)[0, :height, :width]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of several sizes in the MVTec layout: 10 to learn from, 3 good and 3 defective with masks."""
    root = tmp_path_factory.mktemp("large")
    for seed, part, count in ((0, "train/good", 10), (50, "test/good", 3), (90, "test/spot", 3)):
        (root / part).mkdir(parents=True)
        for number in range(count):
            image = picture(seed + number, *SIZES[number % 4])
            if part == "test/spot":
                image[20:32, 30:44] = 255
                mask = np.zeros(image.shape[:2], np.uint8)
                mask[20:32, 30:44] = 255
                (root / "ground_truth/spot").mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(root / f"ground_truth/spot/{number:03}_mask.png")
            Image.fromarray(image).save(root / part / f"{number:03}.png")
    return root


def command(*arguments: str | Path) -> Result:
    """What a command prints, run in this process."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done


def fit(folder: Path | Dataset, out: Path, method: str, **options: Any) -> Detector:
    """A model that cuts images into tiles of TILE pixels."""
    return blemish.fit(
        folder,
        out=out,
        method=method,
        **{"tile": TILE, "false_alarm_rate": 0.4} | METHODS[method] | options,
    )
