"""Regions count at the asked false-alarm rate and are measured on the original."""

import json

import numpy as np
import pytest

from blemish.calibration import Calibration
from blemish.images.frame import Frame
from blemish.inference.detector import Detector
from blemish.inference.regions import find_regions, label_regions
from blemish.inference.result import Result

PEAKS = Calibration(np.linspace(0.1, 1.9, 19), 0.1)  # typical 1, threshold 1.8
WHOLE = Frame(resize=64, crop=None)


def hot(*spots: tuple[slice, slice, float], shape: tuple[int, int] = (64, 64)) -> np.ndarray:
    anomaly_map = np.full(shape, 0.2, np.float32)
    for rows, columns, value in spots:
        anomaly_map[rows, columns] = value
    return anomaly_map


def test_a_region_is_measured_in_pixels_of_a_picture_that_was_squeezed() -> None:
    values = hot((slice(16, 24), slice(8, 40), 3.0))
    (region,) = find_regions(values, 640, 128, WHOLE, PEAKS)  # 10 pixels across and 2 down for one
    assert region.box == (80, 32, 320, 16)
    assert region.area == 320 * 16 and region.centre == (240, 40)
    assert (region.length, region.width) == pytest.approx((np.hypot(320, 16), 16))
    assert region.edge_distance == 32 and region.p_value == 1 / 20
    assert region.peak == 3 and region.mean == pytest.approx(3)
    assert [polygon.tolist() for polygon in region.outline] == [[[80, 32], [400, 32], [400, 48], [80, 48]]]
    scaled = region.to_dict(0.5)
    assert scaled["area_mm2"] == 320 * 16 / 4 and scaled["width_mm"] == 8 and scaled["edge_distance_mm"] == 16
    assert json.loads(json.dumps(scaled)) == scaled


def test_a_crop_is_measured_from_the_edge_of_the_whole_picture() -> None:
    frame = Frame(resize=64, crop=32)
    values = hot((slice(0, 4), slice(0, 4), 3.0), shape=(32, 32))
    (region,) = find_regions(values, 256, 128, frame, PEAKS)  # resized by 2; the crop begins at (48, 16)
    assert region.box == (96, 32, 8, 8) and region.edge_distance == 32


def test_a_region_is_drawn_at_half_its_height_and_counts_by_its_peak() -> None:
    values = hot(
        (slice(10, 30), slice(10, 30), 1.4),
        (slice(12, 20), slice(12, 20), 2.1),
        (slice(14, 18), slice(14, 18), 3.0),
        (slice(40, 50), slice(40, 50), 1.7),
    )
    labels, peaks = label_regions(values, PEAKS)
    assert peaks.tolist() == [3.0]
    assert (labels > 0).sum() == 8 * 8 and labels[12:20, 12:20].all(), "2.1 is above (1 + 3) / 2; 1.4 is not"
    assert label_regions(values, PEAKS.with_rate(0.2))[1].tolist() == pytest.approx([3.0, 1.7])


def test_good_images_have_a_region_no_more_often_than_asked() -> None:
    rng = np.random.default_rng(0)
    alarms = []
    for _ in range(60):
        maps = rng.gumbel(size=(49 + 20, 12, 12)).astype(np.float32)
        peaks = Calibration(maps[:49].max(axis=(1, 2)), 0.1)
        alarms += [len(label_regions(one, peaks)[1]) > 0 for one in maps[49:]]
        assert alarms[-20:] == peaks.is_anomalous(maps[49:].max(axis=(1, 2))).tolist()
    assert np.mean(alarms) == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("scores", [[2.0], [2.0] * 30, [1e-9, 2e-9]])
def test_few_or_equal_calibration_images_are_taken_as_they_are(scores: list[float]) -> None:
    peaks = Calibration(np.array(scores), 0.01)
    top = max(scores)
    assert not find_regions(np.full((8, 8), top, np.float32), 8, 8, WHOLE, peaks), "no higher than a good one"
    values = np.zeros((8, 8), np.float32)
    values[2:4, 2:4] = 2 * top
    (region,) = find_regions(values, 8, 8, WHOLE, peaks)
    assert region.p_value == 1 / (len(scores) + 1) and region.box == (2, 2, 2, 2)


def test_what_is_no_number_is_in_no_region() -> None:
    values = hot((slice(4, 8), slice(4, 8), 3.0))
    values[6:8] = np.nan
    (region,) = find_regions(values, 64, 64, WHOLE, PEAKS)
    assert region.box == (4, 4, 4, 2)


def test_results_find_their_regions_and_outline_them() -> None:
    values = hot((slice(16, 40), slice(8, 40), 3.0))
    picture = np.full((64, 64, 3), 128, np.uint8)
    one = Result("", 3.0, 0.05, True, values, picture, frame=WHOLE, size=(64, 64), array=picture)
    found = Result(**vars(one) | {"map_peaks": PEAKS})
    assert not one.regions and len(found.regions) == 1
    from blemish.images.drawing import HeatScale

    scale = HeatScale.from_calibration(PEAKS)
    changed = (one.overlay(scale) != found.overlay(scale)).any(axis=2)
    assert changed[16, 8:40].all() and not changed[22:34, 14:34].any() and not changed[:10].any()
    assert Result("gone.png", error="gone").regions == ()


def test_a_detector_finds_regions_at_the_rate_in_force(detector: Detector) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    result = detector.predict(noise)
    assert result.anomaly_map is not None
    peak = float(result.anomaly_map.max())
    assert bool(result.regions) == detector.map_peaks.is_anomalous(peak)
    assert detector.map_peaks.effective_rate == detector.calibration.effective_rate
