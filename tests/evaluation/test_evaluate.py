"""An evaluation's numbers are the metrics of its scores and maps, and it says what it could not measure."""

import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from blemish.calibration import Calibration
from blemish.datasets.sample import Sample
from blemish.errors import DatasetError
from blemish.evaluation.evaluate import Evaluation, _wilson_interval, evaluate
from blemish.evaluation.metrics import auroc, image_metrics, pixel_metrics
from blemish.images.frame import Frame
from blemish.images.reading import frame_digest
from blemish.inference.result import Result
from blemish.reports.text import summary

SIZE = 32
HIDDEN = (
    "The frame shows the network at most the central 44 % of a picture; frame.crop=none shows it whole ones."
)


class FakeDetector:
    """Scores a file by the number in its name; "broken" files cannot be read."""

    frame = Frame(resize=48, crop=SIZE)
    warning = ""
    rules = None

    def __init__(self, rate: float = 0.1) -> None:
        self.metadata: dict[str, Any] = {"method": "fake", "training": {"epochs": 3}}
        self.calibration = self.map_peaks = Calibration(np.linspace(0, 2, 99), rate)

    def predict_many(self, paths: Iterable[Path], *, consecutive: bool) -> Iterator[Result]:
        for path in map(str, paths):
            if "broken" in path:
                yield Result(path, error=f"{path} is damaged.")
            else:
                score = float(Path(path).stem.split("_")[1])
                image = np.full((SIZE, SIZE, 3), 120, np.uint8)
                yield Result(path, score, *self.calibration.judge(score), score_map(path, score), image)


def score_map(path: str, score: float) -> np.ndarray:
    """Random, but the same for the same file; its peak is the score."""
    anomaly_map = np.random.default_rng(sum(path.encode())).random((SIZE, SIZE), dtype=np.float32)
    anomaly_map[12:20, 12:20] += 1
    return anomaly_map * np.float32(score / anomaly_map.max())


def write_mask(path: Path, rows: slice = slice(20, 30), columns: slice = slice(20, 28)) -> Path:
    """48 x 48, with a rectangle in the middle unless it is said where."""
    mask = np.zeros((48, 48), np.uint8)
    mask[rows, columns] = 255
    Image.fromarray(mask).save(path)
    return path


def good(count: int) -> list[Sample]:
    return [Sample(Path(f"good/{index}_{0.1 + 2.1 * index / count:.3f}.png"), 0) for index in range(count)]


def bad(count: int, kind: str = "scratch", mask: Path | None = None) -> list[Sample]:
    paths = [Path(f"{kind}/{index}_{1.2 + 3 * index / count:.3f}.png") for index in range(count)]
    return [Sample(path, 1, kind, mask) for path in paths]


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    mask = write_mask(tmp_path / "mask.png")
    return good(20) + bad(9, "scratch", mask) + bad(6, "dent", mask)


def run(samples: list[Sample], detector: FakeDetector | None = None, **options: Any) -> Evaluation:
    return evaluate(detector or FakeDetector(), samples, **options)  # type: ignore[arg-type]


def score_of(sample: Sample) -> float:
    return float(sample.path.stem.split("_")[1])


def test_the_metrics_are_those_of_scores_and_maps(samples: list[Sample]) -> None:
    evaluation = run(samples)
    scores, labels = [score_of(s) for s in samples], [s.label or 0 for s in samples]
    assert evaluation.image == image_metrics(scores, labels)
    mask = np.zeros((SIZE, SIZE), bool)
    mask[12:22, 12:20] = True
    maps = [score_map(str(s.path), score_of(s)) for s in samples]
    assert evaluation.pixel == pixel_metrics(
        maps, [mask if s.label else np.zeros_like(mask) for s in samples]
    )
    chosen = [s for s in samples if not s.label or s.defect == "dent"]
    against_good = auroc([score_of(s) for s in chosen], [s.label or 0 for s in chosen])
    threshold = FakeDetector().calibration.threshold
    flagged = sum(score_of(s) > threshold for s in samples if s.defect == "dent")
    assert list(evaluation.defects) == ["dent", "scratch"]
    found = {"images": 6, "auroc": against_good, "flagged": flagged, "detected": flagged / 6}
    assert evaluation.defects["dent"] == found | {"masks_outside": 0}


def test_false_alarms_against_the_promise(samples: list[Sample]) -> None:
    alarms = run(samples).false_alarms
    threshold = FakeDetector().calibration.threshold
    flagged = sum(score_of(s) > threshold for s in samples if not s.label)
    assert flagged > 0
    assert (alarms["good_images"], alarms["flagged"], alarms["observed"]) == (20, flagged, flagged / 20)
    assert (alarms["asked"], alarms["in_force"]) == (0.1, 0.1)
    low, high = alarms["interval"]
    assert 0 < low < alarms["observed"] < high < 1
    # 81 of 263: 0.2553 to 0.3662 (Newcombe, Statistics in Medicine 17, 1998, table I)
    assert _wilson_interval(np.arange(263) < 81) == pytest.approx([0.2553, 0.3662], abs=5e-5)
    detector = FakeDetector(rate=0.001)
    promise = run(good(3), detector)
    assert promise.calibration_note == detector.calibration.note != ""
    assert promise.false_alarms["in_force"] > promise.false_alarms["asked"]


def test_rows_keep_the_order_of_the_samples_and_metrics_do_not_depend_on_it(samples: list[Sample]) -> None:
    shuffled = samples.copy()
    random.Random(3).shuffle(shuffled)
    one, other = run(samples).to_dict(), run(shuffled).to_dict()
    for key in ("image", "pixel", "defects", "false_alarms", "detected", "masks_outside"):
        assert one[key] == other[key]
    assert [row["path"] for row in other["images"]] == [str(s.path) for s in shuffled]
    assert (one["images"][-1]["label"], one["images"][-1]["defect"]) == (1, "dent")
    columns = {"path", "score", "p_value", "is_anomalous", "is_other_part", "label", "defect", "mask"}
    assert one["images"][0].keys() == columns


def test_defects_without_a_mask_are_left_out_and_masks_outside_the_frame_counted(
    samples: list[Sample], tmp_path: Path
) -> None:
    none = run(good(5) + bad(5))
    assert none.pixel is None and none.notes == [HIDDEN]
    empty = write_mask(tmp_path / "empty.png", slice(0))
    evaluation = run(samples + bad(2, "stain") + bad(1, "empty", empty))
    assert evaluation.pixel == run(samples).pixel
    assert "3 defective images that have no mask" in evaluation.notes[0]
    told = f"1 of 2 masks are empty and count as none; the first is {empty}."
    assert evaluation.notes[1:] == [told, HIDDEN]
    corner = write_mask(tmp_path / "corner.png", slice(5), slice(5))
    evaluation = run(samples + bad(2, "chip", corner))
    assert evaluation.masks_outside == {"chip": 2}
    assert [evaluation.defects[kind]["masks_outside"] for kind in ("chip", "dent")] == [2, 0]


def test_masks_that_look_inverted_are_noted_and_those_of_a_folder_united(
    samples: list[Sample], tmp_path: Path
) -> None:
    whole = write_mask(tmp_path / "whole.png", slice(10, 40), slice(10, 40))
    (tmp_path / "parts").mkdir()
    write_mask(tmp_path / "parts/0.png", slice(10, 25), slice(10, 40))
    write_mask(tmp_path / "parts/1.png", slice(20, 40), slice(10, 40))
    one, other = (run(samples + bad(1, "chip", mask)) for mask in (whole, tmp_path / "parts"))
    assert one.pixel == other.pixel and one.notes == other.notes == [HIDDEN]
    inverted = write_mask(tmp_path / "inverted.png", slice(0, 40), slice(0, 40))
    told, _ = run(samples + bad(1, "chip", inverted)).notes
    assert told.startswith("1 of 2 masks mark more than half of their image; if") and str(inverted) in told
    Image.new("L", (9, 9)).save(tmp_path / "parts/2.png")
    with pytest.raises(DatasetError, match="parts must hold masks of one size"):
        run(bad(1, "chip", tmp_path / "parts"))


def test_what_one_class_alone_cannot_tell_is_none_and_noted(tmp_path: Path) -> None:
    only_good = run(good(10))
    only_bad = run(bad(4, mask=write_mask(tmp_path / "mask.png")))
    assert {*only_good.image.values(), *only_bad.image.values()} == {None}
    assert only_good.defects == {} and only_good.detected["share"] is None
    assert only_good.false_alarms["observed"] is not None
    told = "There are no defective test images: only false alarms can be measured."
    assert only_good.notes == [told, HIDDEN]
    assert only_bad.defects["scratch"]["auroc"] is None and only_bad.false_alarms["interval"] is None
    assert only_bad.defects["scratch"]["detected"] is not None and only_bad.pixel is not None
    assert "no good test images" in only_bad.notes[0]


def test_unreadable_images_are_listed_and_not_counted(samples: list[Sample]) -> None:
    broken = Sample(Path("good/broken.png"), 0)
    evaluation = run([broken, *samples])
    assert evaluation.unreadable == [{"path": str(broken.path), "error": f"{broken.path} is damaged."}]
    assert evaluation.image == run(samples).image
    assert evaluation.notes[0].startswith("1 of 36 images could not be read")


def test_images_that_the_model_was_fitted_to_are_noted(samples: list[Sample]) -> None:
    detector = FakeDetector()
    detector.metadata["data"] = {"frames": [frame_digest(np.full((SIZE, SIZE, 3), 120, np.uint8))]}
    assert run(samples, detector).notes[0].startswith("35 of 35 images were used to fit this model")


@pytest.mark.parametrize(
    ("samples", "sentence"),
    [
        ([Sample(Path("broken.png"), 0)], r"None of the images could be scored.*broken\.png is damaged"),
        ([], "no test images"),
        ([*good(1), Sample(Path("unknown.png"))], r"unknown\.png has no label"),
    ],
)
def test_samples_that_cannot_be_measured_on_are_refused(samples: list[Sample], sentence: str) -> None:
    with pytest.raises(DatasetError, match=sentence):
        run(samples)


def test_with_tiles_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    Image.new("L", (160, 224)).save(tmp_path / "0_1.0.png")
    detector = FakeDetector()
    detector.frame = Frame(tile=64)
    mask = write_mask(tmp_path / "mask.png")
    with pytest.raises(DatasetError, match=r"is 48 x 48 pixels, but .* is 160 x 224; give the mask the size"):
        run([Sample(tmp_path / "0_1.0.png", 1, "spot", mask)], detector)


def test_the_warning_comes_first_wherever_the_numbers_go(samples: list[Sample]) -> None:
    detector = FakeDetector()
    assert not summary(run(samples, detector)).startswith("WARNING")
    detector.warning = "Not comparable."
    evaluation = run(samples, detector)
    assert evaluation.to_dict()["warning"] == "Not comparable."
    assert summary(evaluation).splitlines()[0] == "WARNING: Not comparable."


def test_dictionary_is_plain_json(samples: list[Sample]) -> None:
    data = run(samples, name="parts").to_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["name"] == "parts" and data["model"] == FakeDetector().metadata
    assert data["image"].keys() == {"auroc", "ap", "f1_max", "auroc_interval"}
    assert data["pixel"].keys() == {"auroc", "ap", "f1_max", "aupro_30", "aupro_05"}
    assert {"defects", "false_alarms", "detected", "images", "unreadable", "speed", "notes"} <= data.keys()
