"""Large images are judged tile by tile, from the command line and in comparisons too."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import blemish
from blemish.cli.app import app
from blemish.comparison import compare
from blemish.datasets import Dataset, Sample
from blemish.errors import ConfigError, DatasetError
from blemish.images.frame import Frame
from blemish.inference.detector import Detector
from blemish.inference.engines import read_metadata
from blemish.training.config import build_config
from tests.support import BACKBONE, textures

TILE = 64
SIZES = [(160, 224), (224, 160), (64, 64), (100, 150)]  # height and width, in turn


def picture(number: int, height: int, width: int) -> np.ndarray:
    """A texture, uint8 [height, width, 3]."""
    return textures(1, number, size=256)[0, :height, :width]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of several sizes in the MVTec layout: 8 to learn from, 2 good and 2 defective with masks."""
    root = tmp_path_factory.mktemp("large")
    for seed, part, count in ((0, "train/good", 8), (50, "test/good", 2), (90, "test/spot", 2)):
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


def fit(folder: Path, **options: Any) -> Detector:
    return blemish.fit(folder, method="patchcore", backbone=BACKBONE, weights="random", **options)


def test_masks_of_another_size_are_refused(folder: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((80, 112), 255, np.uint8)).save(tmp_path / "mask.png")
    data = Dataset("x", test=[Sample(folder / "test/spot/000.png", 1, "spot", tmp_path / "mask.png")])
    with pytest.raises(
        DatasetError, match=r"is 112 x 80 pixels, but .* is 224 x 160; give the mask the size"
    ):
        blemish.evaluate(fit(folder, tile=TILE), data)


def test_a_defect_lost_at_the_scale_of_the_image_is_found_in_its_tile(tmp_path: Path) -> None:
    """A patch of alternating bright and dark pixels, 16 of 300 wide, vanishes when the image is shrunk."""

    def part(number: int, *, defective: bool = False) -> np.ndarray:
        rng = np.random.default_rng(number)
        image = 128 + 30 * np.sin((np.mgrid[:300, :300].sum(axis=0) + rng.integers(60)) / 20)
        image += rng.normal(0, 3, (300, 300))
        if defective:
            y, x = np.mgrid[150:166, 220:236]
            image[150:166, 220:236] += 60 * (-1.0) ** (y + x)
        return np.repeat(image.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)

    for kind, numbers in (
        ("train/good", range(8)),
        ("test/good", range(8, 12)),
        ("test/fine", range(12, 15)),
    ):
        (tmp_path / kind).mkdir(parents=True)
        for number in numbers:
            image = part(number, defective=kind == "test/fine")
            Image.fromarray(image).save(tmp_path / kind / f"{number}.png")
    whole = fit(tmp_path, assignments=["frame.resize=96", "frame.crop=none"])
    tiled = fit(tmp_path, tile=96)
    assert blemish.evaluate(tiled, tmp_path).image["auroc"] == 1
    assert blemish.evaluate(whole, tmp_path).image["auroc"] < 1
    for path in (tmp_path / "test/fine").iterdir():
        anomaly_map = tiled.predict(path).anomaly_map
        assert anomaly_map is not None and anomaly_map.shape == (300, 300)
        row, column = np.unravel_index(anomaly_map.argmax(), anomaly_map.shape)
        assert abs(row - 158) < 24 and abs(column - 228) < 24


def command(*arguments: str | Path) -> tuple[str, str]:
    """What a command prints to standard output and standard error, run in this process."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


def test_the_command_line(folder: Path, tmp_path: Path) -> None:
    model, rows, overlays = tmp_path / "model.safetensors", tmp_path / "rows.csv", tmp_path / "heat"
    options = ("--method", "patchcore", "--backbone", BACKBONE, "--weights", "random")
    _, told = command("fit", folder, "--out", model, "--tile", "64", "--overlap", "0.5", *options)
    assert "tiles of 64 x 64: " in told
    assert read_metadata(model).frame == Frame(tile=64, overlap=0.5)
    command("predict", model, folder / "test", "--csv", rows, "--overlays", overlays)
    assert len(rows.read_text().splitlines()) == 1 + 4
    (first,) = overlays.rglob("good/000.png.heat.png")
    assert Image.open(first).size == (224, 160)
    evaluation = json.loads(command("evaluate", model, folder, "--json")[0])
    assert evaluation["pixel"]["auroc"] is not None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"frame": {"overlap": 0.5}}, "overlap goes only with tile"),
        ({"frame": {"tile": 64, "resize": 48}}, r"tile \(64\) must not be larger than resize \(48\)"),
        ({"frame": {"tile": 64, "overlap": 0.8}}, "less than or equal to 0.75"),
        ({"frame": {"resize": "none"}}, "frame.resize is none, .*; give one of them a number"),
        (
            {"method": "ganomaly", "frame": {"tile": 96}},
            r"32, 64, 128, ... pixels, not 96; set frame\.tile",
        ),
    ],
)
def test_contradictions_are_refused_in_a_sentence(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build_config(values=values)


@pytest.mark.parametrize("method", ["gtrans", "ganomaly"])
def test_tiles_are_cut_at_the_images_own_resolution_unless_a_size_is_given(method: str) -> None:
    def frame(*assignments: str) -> Frame:
        return build_config(assignments=[f"method={method}", *assignments]).frame

    assert frame("frame.tile=64") == Frame(resize=None, crop=None, tile=64)
    assert frame("frame.tile=64", "frame.resize=100") == Frame(resize=100, crop=None, tile=64)
    assert frame("frame.tile=none") == frame()


@pytest.mark.slow
def test_methods_are_compared_on_synthetic_defects_at_full_size(folder: Path, tmp_path: Path) -> None:
    comparison = compare(
        folder / "train/good",
        out=tmp_path,
        methods=["padim"],
        seeds=1,
        assignments=[f"frame.tile={TILE}", "model.channels=8"],
        backbone=BACKBONE,
        weights="random",
        false_alarm_rate=0.4,
    )
    assert comparison.synthetic and (tmp_path / "comparison.html").is_file()
    assert blemish.load(tmp_path / "padim.safetensors").frame == Frame(tile=TILE)
    (first,) = (tmp_path / "synthetic").glob("000.png")
    assert Image.open(first).size in {(width, height) for height, width in SIZES}


def test_a_class_held_out(tmp_path: Path) -> None:
    for kind in ("a", "b", "c"):
        (tmp_path / kind).mkdir()
        for number in range(10):
            Image.fromarray(picture(number + 10 * ord(kind), 64, 96)).save(tmp_path / kind / f"{number}.png")
    detector = fit(tmp_path, held_out="c", tile=48)
    assert detector.metadata["data"]["tiles"] == 16 * 6
    assert blemish.evaluate(detector, tmp_path, held_out="c").image["auroc"] is not None
