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
from blemish.evaluation.evaluate import Evaluation, evaluate
from blemish.evaluation.metrics import auroc, image_metrics, pixel_metrics
from blemish.images.frame import Frame
from blemish.inference.result import Result
from blemish.reports.text import summary

FRAME = Frame(resize=48, crop=32)
METADATA = {"method": "fake", "training": {"epochs": 3}}


class FakeDetector:
    """Scores a file by the number in its name; "broken" files cannot be read."""

    frame = FRAME
    metadata = METADATA
    warning = ""

    def __init__(self, rate: float = 0.1) -> None:
        self.calibration = Calibration(np.linspace(0, 2, 99), rate)

    def predict_many(self, paths: Iterable[Path], *, consecutive: bool) -> Iterator[Result]:
        for path in paths:
            yield self.predict(str(path))

    def predict(self, path: str) -> Result:
        if "broken" in path:
            return Result(path, error=f"{path} is damaged.")
        score = float(Path(path).stem.split("_")[1])
        p_value = self.calibration.p_value(score)
        return Result(
            path,
            score,
            p_value,
            self.calibration.is_anomalous(score),
            score_map(path, score),
            np.full((FRAME.size, FRAME.size, 3), 120, np.uint8),
        )


def score_map(path: str, score: float) -> np.ndarray:
    """Random, but the same for the same file; its peak is the score."""
    rng = np.random.default_rng(sum(path.encode()))
    anomaly_map = rng.random((FRAME.size, FRAME.size), dtype=np.float32)
    anomaly_map[12:20, 12:20] += 1
    return anomaly_map * np.float32(score / anomaly_map.max())


def write_mask(path: Path, *, corner: bool = False, empty: bool = False) -> Path:
    """48 x 48: a square in the middle, or one in the corner that the crop removes."""
    mask = np.zeros((48, 48), np.uint8)
    if corner:
        mask[:5, :5] = 255
    elif not empty:
        mask[20:30, 20:28] = 255
    Image.fromarray(mask).save(path)
    return path


def good(count: int) -> list[Sample]:
    return [Sample(Path(f"good/{index}_{0.1 + 2.1 * index / count:.3f}.png"), 0) for index in range(count)]


def bad(count: int, kind: str = "scratch", mask: Path | None = None) -> list[Sample]:
    scores = [1.2 + 3 * index / count for index in range(count)]
    return [
        Sample(Path(f"{kind}/{index}_{score:.3f}.png"), 1, kind, mask) for index, score in enumerate(scores)
    ]


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    mask = write_mask(tmp_path / "mask.png")
    return good(20) + bad(9, "scratch", mask) + bad(6, "dent", mask)


def run(samples: list[Sample], **options: Any) -> Evaluation:
    return evaluate(FakeDetector(), samples, **options)  # type: ignore[arg-type]


def score_of(sample: Sample) -> float:
    return float(sample.path.stem.split("_")[1])


class TestNumbers:
    def test_image_metrics(self, samples: list[Sample]) -> None:
        expected = image_metrics([score_of(s) for s in samples], [s.label or 0 for s in samples])
        assert run(samples).image == expected

    def test_pixel_metrics(self, samples: list[Sample]) -> None:
        mask = np.zeros((32, 32), bool)
        mask[12:22, 12:20] = True
        maps = [score_map(str(s.path), score_of(s)) for s in samples]
        masks = [mask if s.label else np.zeros_like(mask) for s in samples]
        assert run(samples).pixel == pixel_metrics(maps, masks)

    def test_each_kind_against_all_good_images(self, samples: list[Sample]) -> None:
        table = run(samples).defects
        assert list(table) == ["dent", "scratch"]
        chosen = [s for s in samples if not s.label or s.defect == "dent"]
        assert table["dent"]["auroc"] == auroc([score_of(s) for s in chosen], [s.label or 0 for s in chosen])
        assert table["dent"]["images"] == 6
        threshold = FakeDetector().calibration.threshold
        flagged = sum(score_of(s) > threshold for s in samples if s.defect == "dent")
        assert table["dent"]["flagged"] == flagged
        assert table["dent"]["detected"] == flagged / 6

    def test_false_alarms_against_the_promise(self, samples: list[Sample]) -> None:
        alarms = run(samples).false_alarms
        threshold = FakeDetector().calibration.threshold
        flagged = sum(score_of(s) > threshold for s in samples if not s.label)
        assert flagged > 0
        assert (alarms["good_images"], alarms["flagged"], alarms["observed"]) == (20, flagged, flagged / 20)
        assert (alarms["asked"], alarms["in_force"]) == (0.1, 0.1)
        low, high = alarms["interval"]
        assert 0 < low < alarms["observed"] < high < 1

    def test_wilson_interval_of_a_published_example(self) -> None:
        # 81 of 263: 0.2553 to 0.3662 (Newcombe, Statistics in Medicine 17, 1998, table I).
        from blemish.evaluation.evaluate import _wilson_interval

        flags = np.arange(263) < 81
        assert _wilson_interval(flags) == pytest.approx([0.2553, 0.3662], abs=5e-5)

    def test_order_does_not_matter(self, samples: list[Sample]) -> None:
        shuffled = samples.copy()
        random.Random(3).shuffle(shuffled)
        one, other = run(samples).to_dict(), run(shuffled).to_dict()
        for key in ("image", "pixel", "defects", "false_alarms", "detected", "masks_outside"):
            assert one[key] == other[key]

    def test_rows_keep_the_order_of_the_samples(self, samples: list[Sample]) -> None:
        rows = run(samples).images
        assert [row["path"] for row in rows] == [str(s.path) for s in samples]
        assert rows[-1]["label"] == 1
        assert rows[-1]["defect"] == "dent"
        assert rows[0].keys() == {"path", "score", "p_value", "is_anomalous", "label", "defect", "mask"}


class TestMasks:
    def test_without_masks_there_are_no_pixel_metrics(self) -> None:
        evaluation = run(good(5) + bad(5))
        assert evaluation.pixel is None
        assert evaluation.notes == []

    def test_defects_without_a_mask_are_left_out(self, samples: list[Sample], tmp_path: Path) -> None:
        empty = write_mask(tmp_path / "empty.png", empty=True)
        evaluation = run(samples + bad(2, "stain") + bad(1, "empty", empty))
        assert evaluation.pixel == run(samples).pixel
        assert "3 defective images that have no mask" in evaluation.notes[0]

    def test_masks_outside_the_frame_are_counted(self, samples: list[Sample], tmp_path: Path) -> None:
        outside = write_mask(tmp_path / "corner.png", corner=True)
        evaluation = run(samples + bad(2, "chip", outside))
        assert evaluation.masks_outside == {"chip": 2}
        assert evaluation.defects["chip"]["masks_outside"] == 2
        assert evaluation.defects["dent"]["masks_outside"] == 0


class TestWhatIsMissing:
    def test_only_good(self) -> None:
        evaluation = run(good(10))
        assert set(evaluation.image.values()) == {None}
        assert evaluation.defects == {}
        assert evaluation.detected["share"] is None
        assert evaluation.false_alarms["observed"] is not None
        assert evaluation.notes == ["There are no defective test images: only false alarms can be measured."]

    def test_only_defective(self, tmp_path: Path) -> None:
        evaluation = run(bad(4, mask=write_mask(tmp_path / "mask.png")))
        assert set(evaluation.image.values()) == {None}
        assert evaluation.defects["scratch"]["auroc"] is None
        assert evaluation.defects["scratch"]["detected"] is not None
        assert evaluation.false_alarms["observed"] is None
        assert evaluation.pixel is not None
        assert "no good test images" in evaluation.notes[0]

    def test_unreadable_images_are_listed_and_not_counted(self, samples: list[Sample]) -> None:
        broken = Sample(Path("good/broken.png"), 0)
        evaluation = run([broken, *samples])
        assert evaluation.unreadable == [{"path": str(broken.path), "error": f"{broken.path} is damaged."}]
        assert evaluation.image == run(samples).image
        assert evaluation.notes[0].startswith("1 of 36 images could not be read")

    def test_nothing_readable(self) -> None:
        with pytest.raises(DatasetError, match=r"None of the images could be scored.*broken\.png is damaged"):
            run([Sample(Path("broken.png"), 0)])

    def test_no_samples(self) -> None:
        with pytest.raises(DatasetError, match="no test images"):
            run([])

    def test_a_sample_without_label_is_named(self) -> None:
        with pytest.raises(DatasetError, match=r"unknown\.png"):
            run([*good(1), Sample(Path("unknown.png"))])


def test_calibration_note_is_passed_on() -> None:
    detector = FakeDetector(rate=0.001)
    evaluation = evaluate(detector, good(3))  # type: ignore[arg-type]
    assert evaluation.calibration_note == detector.calibration.note != ""
    assert evaluation.false_alarms["in_force"] > evaluation.false_alarms["asked"]


def test_the_warning_comes_first_wherever_the_numbers_go(samples: list[Sample]) -> None:
    detector = FakeDetector()
    assert not summary(evaluate(detector, samples)).startswith("WARNING")  # type: ignore[arg-type]
    detector.warning = "Not comparable."
    evaluation = evaluate(detector, samples)  # type: ignore[arg-type]
    assert evaluation.to_dict()["warning"] == "Not comparable."
    assert summary(evaluation).splitlines()[0] == "WARNING: Not comparable."


def test_dictionary_is_plain_json(samples: list[Sample]) -> None:
    data = run(samples, name="parts").to_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["name"] == "parts"
    assert data["image"].keys() == {"auroc", "ap", "f1_max", "auroc_interval"}
    assert data["pixel"].keys() == {"auroc", "ap", "f1_max", "aupro_30", "aupro_05"}
    assert data["model"] == METADATA
    assert {"defects", "false_alarms", "detected", "images", "unreadable", "speed", "notes"} <= data.keys()
