"""Regions as rows, COCO and LabelMe."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from blemish.errors import BlemishError, ConfigError
from blemish.images.frame import Frame
from blemish.inference.result import Result
from tests.inference.support import FakeDetector, predict


class Finds(FakeDetector):
    """One region of 20 x 10 pixels in the first image, none in the second; the third is gone."""

    def predict_many(self, paths: Any, **options: Any) -> Iterator[Result]:
        for number, path in enumerate(paths):
            anomaly_map = np.zeros((40, 40), np.float32)
            anomaly_map[5:10, 5:15] = 30 * (number == 0)
            where: Any = {
                "frame": Frame(resize=40, crop=None),
                "size": (80, 80),
                "map_peaks": self.calibration,
            }
            yield (
                Result(path, error="gone")
                if number == 2
                else Result(path, 1.0, 0.5, False, anomaly_map, **where)
            )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(regions: str, **options: Any) -> str:
    predict(["in/a.png", "in/b.png", "c.png"], detector=Finds(), regions=Path(regions), **options)
    return Path(regions).read_text() if Path(regions).is_file() else ""


def test_csv_has_a_row_for_each_region(here: Path) -> None:
    (row,) = csv.DictReader(written("regions.csv", scale=0.5).splitlines())
    assert row["path"] == "in/a.png" and row["region"] == "1"
    box = ("box_x", "box_y", "box_width", "box_height")
    assert [float(row[name]) for name in box] == [10, 10, 20, 10]
    assert (float(row["width"]), float(row["width_mm"]), float(row["area_mm2"])) == (10, 5, 50)
    assert float(row["p_value"]) == 0.05
    assert "width_mm" not in written("pixels.csv")


def test_json_lines_have_the_regions_of_each_image(here: Path) -> None:
    rows = [json.loads(line) for line in written("regions.jsonl").splitlines()]
    assert [len(row["regions"]) for row in rows] == [1, 0, 0]
    assert rows[0]["regions"][0]["box"] == [10, 10, 20, 10] and rows[2]["error"] == "gone"


def test_coco_has_images_and_instances(here: Path) -> None:
    coco = json.loads(written("regions.json"))
    assert [(image["id"], image["file_name"]) for image in coco["images"]] == [
        (1, "in/a.png"),
        (2, "in/b.png"),
    ]
    (instance,) = coco["annotations"]
    assert (instance["image_id"], instance["category_id"]) == (1, coco["categories"][0]["id"])
    assert instance["bbox"] == [10, 10, 20, 10] and instance["area"] == 200 and instance["score"] == 30
    assert instance["segmentation"] == [[10, 10, 30, 10, 30, 20, 10, 20]]


def test_labelme_has_a_file_for_each_image_that_finds_its_picture(here: Path) -> None:
    Path("in").mkdir()
    Image.new("RGB", (80, 80)).save("in/a.png")
    written("labels")
    first, second = (json.loads(Path(f"labels/in/{name}.json").read_text()) for name in "ab")
    assert first["shapes"][0]["points"] == [[10, 10], [30, 10], [30, 20], [10, 20]] and not second["shapes"]
    assert (here / "labels/in" / first["imagePath"]).resolve() == (here / "in/a.png").resolve()


def test_other_kinds_and_a_file_named_twice_are_refused(here: Path) -> None:
    with pytest.raises(ConfigError, match=r"regions\.xml is of no known kind"):
        written("regions.xml")
    with pytest.raises(BlemishError, match="--csv and --regions both name"):
        written("rows.csv", csv=Path("rows.csv"))


def test_a_failure_leaves_no_whole_file(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Finds, paths: Any, **options: Any) -> Iterator[Result]:
        yield from ()
        raise BlemishError("stopped")

    monkeypatch.setattr(Finds, "predict_many", broken)
    with pytest.raises(BlemishError, match="stopped"):
        written("regions.json")
    assert not Path("regions.json").exists()
