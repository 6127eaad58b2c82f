"""Colours mean the same in every picture, and contours enclose what they mark."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blemish.calibration import Calibration
from blemish.images import drawing
from blemish.images.drawing import (
    HeatScale,
    attention_overlay,
    contour,
    draw_contour,
    encode_jpeg,
    heat,
    heat_colours,
    overlay,
    panels,
    save_png,
)

SCORES = np.exp(np.random.default_rng(0).normal(0, 0.3, 200))
SIZE = 32


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)


def blob(height: float, at: tuple[int, int] = (16, 16)) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    distance = (rows - at[0]) ** 2 + (columns - at[1]) ** 2
    return (height * np.exp(-distance / 30)).astype(np.float32)


def grey(image: np.ndarray) -> np.ndarray:
    return np.rint(image @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)[..., None].repeat(3, axis=2)


class TestColours:
    def test_from_dark_to_bright(self) -> None:
        lightness = heat_colours(np.linspace(0, 1, 200)) @ np.array([0.2126, 0.7152, 0.0722])
        assert (np.diff(lightness) > -0.5).all()
        assert lightness[-1] > lightness[0] + 180

    def test_any_shape_is_taken_and_values_outside_are_clipped(self) -> None:
        colours = heat_colours(np.array([[-1.0, 0.0, 1.0, 2.0]]))
        assert colours.shape == (1, 4, 3) and colours.dtype == np.uint8
        assert (colours[0, [0, 3]] == colours[0, [1, 2]]).all()


class TestScale:
    @pytest.mark.parametrize("factor", [1e-9, 1.0, 1e6])
    def test_anchors(self, factor: float) -> None:
        calibration = Calibration(SCORES * factor, 0.05)
        scale = HeatScale.from_calibration(calibration)
        assert scale.low == pytest.approx(np.median(SCORES) * factor)
        assert scale.alarm == pytest.approx(calibration.threshold)
        at = heat(np.array([[scale.low, scale.alarm, scale.high]]), scale.low, scale.high)
        assert at[0] == pytest.approx([0, 1 / 3, 1])

    @pytest.mark.parametrize("scores", [[1.0], [0.0, 0.0, 0.0], [2.0] * 50, [-3.0, -2.0, -1.0]])
    def test_degenerate_scores_give_a_usable_scale(self, scores: list[float]) -> None:
        calibration = Calibration(np.array(scores), 0.01)
        scale = HeatScale.from_calibration(calibration)
        assert scale.low < scale.alarm < scale.high
        assert scale.alarm == pytest.approx(calibration.threshold)

    def test_heat_rises_with_the_value_and_value_at_inverts_it(self) -> None:
        scale = HeatScale(2.0, 9.0)
        heats = np.linspace(0, 1, 50)
        values = np.array([[scale.value_at(step) for step in heats]])
        assert (np.diff(values) > 0).all()
        assert heat(values, scale.low, scale.high)[0] == pytest.approx(heats)
        with pytest.raises(ValueError, match="must exceed"):
            heat(values, 2.0, 2.0)


class TestOverlay:
    def test_below_low_the_image_stays_grey(self) -> None:
        image = picture()
        assert (overlay(image, blob(0.99), 1.0, 8.0) == grey(image)).all()

    def test_a_good_image_stays_cool_beside_a_defect(self) -> None:
        scale = HeatScale.from_calibration(Calibration(SCORES, 0.05))
        image = picture()
        good = overlay(image, blob(float(np.median(SCORES))), scale.low, scale.high)
        defect = overlay(image, blob(10 * scale.alarm), scale.low, scale.high)
        assert (good == grey(image)).all()
        assert np.ptp(defect.astype(int), axis=2).max() > 100

    def test_the_same_value_has_the_same_colour_in_any_company(self) -> None:
        image = np.full((SIZE, SIZE, 3), 128, np.uint8)
        alone = blob(4.0, at=(8, 8))
        crowded = np.maximum(alone, blob(1000.0, at=(28, 28)))
        same = alone == crowded
        assert same[8, 8]
        drawn = [overlay(image, anomaly_map, 1.0, 8.0) for anomaly_map in (alone, crowded)]
        assert (drawn[0][same] == drawn[1][same]).all()

    def test_inputs_are_left_alone(self) -> None:
        image, anomaly_map, mask = picture(), blob(4.0), blob(1.0) > 0.5
        before = image.copy(), anomaly_map.copy(), mask.copy()
        overlay(image, anomaly_map, 1.0, 8.0, mask)
        for now, then in zip((image, anomaly_map, mask), before, strict=True):
            assert (now == then).all()


class TestAttention:
    def test_nothing_leaves_the_image_grey(self) -> None:
        assert (attention_overlay(picture(), np.zeros((SIZE, SIZE), np.float32)) == grey(picture())).all()

    def test_its_colours_are_not_those_of_heat(self) -> None:
        even = np.full((SIZE, SIZE, 3), 128, np.uint8)
        half = np.full((SIZE, SIZE), 0.6, np.float32)
        red, green, _ = attention_overlay(even, half)[0, 0].astype(int)
        assert green > red + 50
        hot = HeatScale(0.0, 1.0)
        red, green, _ = overlay(even, np.full_like(half, hot.value_at(0.6)), 0.0, 1.0)[0, 0].astype(int)
        assert red > green + 50

    def test_sizes_must_agree(self) -> None:
        small = np.zeros((8, 8), np.float32)
        for draw in (
            lambda: attention_overlay(picture(), small),
            lambda: overlay(picture(), small, 1.0, 8.0),
        ):
            with pytest.raises(ValueError, match="cannot carry"):
                draw()


class TestPanels:
    @pytest.mark.parametrize(("side", "shown"), [(32, 192), (100, 200), (192, 192), (224, 224)])
    def test_small_pictures_are_enlarged_pixel_by_pixel(self, side: int, shown: int) -> None:
        rng = np.random.default_rng(0)
        one, other = rng.integers(0, 250, (2, side, side, 3), dtype=np.uint8)
        sheet = panels({"one": one, "other": other})
        assert sheet.shape == (22 + shown + 8, 2 * shown + 3 * 8, 3)
        times = shown // side
        for left, given in ((8, one), (16 + shown, other)):
            panel = sheet[22 : 22 + shown, left : left + shown]
            assert (panel[::times, ::times] == given).all()
            assert (panel[times - 1 :: times, times - 1 :: times] == given).all()

    def test_each_has_its_caption(self) -> None:
        captions = ["input", "reconstruction", "error map", "Grad-CAM (own scale)"]
        sheet = panels({caption: np.full((SIZE, SIZE, 3), 90, np.uint8) for caption in captions})
        written = [(sheet[:22, 8 + n * 200 : 8 + n * 200 + 192] < 128).sum() for n in range(4)]
        assert min(written) > 0 and written[0] < written[3]
        assert (sheet[:, :8] == 255).all() and (sheet[:, -8:] == 255).all()


class TestContour:
    def test_encloses_the_mask(self) -> None:
        mask = blob(1.0) > 0.5
        ring = contour(mask)
        assert not (ring & mask).any()
        inside = flood(~ring, start=(16, 16))
        assert (inside == mask).all()

    def test_whole_and_empty_masks_have_none(self) -> None:
        assert not contour(np.ones((8, 8), bool)).any()
        assert not contour(np.zeros((8, 8), bool)).any()

    def test_white_line_in_a_black_one(self) -> None:
        mask = np.zeros((SIZE, SIZE), bool)
        mask[14:18, 14:18] = True
        drawn = draw_contour(picture(), mask)
        assert (drawn[contour(mask)] == 255).all()
        assert (drawn[contour(mask | contour(mask))] == 0).all()
        assert (drawn[mask] == picture()[mask]).all()


def flood(free: np.ndarray, start: tuple[int, int]) -> np.ndarray:
    """The free pixels that are reached from `start` by steps to the four neighbours."""
    reached = np.zeros_like(free)
    todo = [start]
    while todo:
        row, column = todo.pop()
        if 0 <= row < SIZE and 0 <= column < SIZE and free[row, column] and not reached[row, column]:
            reached[row, column] = True
            todo += [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
    return reached


def test_files_read_back(tmp_path: Path) -> None:
    image = overlay(picture(), blob(4.0), 1.0, 8.0)
    save_png(image, tmp_path / "odd name.dat")
    with Image.open(tmp_path / "odd name.dat") as file:
        assert file.format == "PNG"
        assert (np.asarray(file) == image).all()
    assert encode_jpeg(image).startswith(b"\xff\xd8")


def test_large_pictures_are_drawn_band_by_band_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    image, anomaly_map = rng.integers(0, 256, (50, 30, 3), np.uint8), rng.random((50, 30))
    whole = overlay(image, anomaly_map, 0.2, 0.9)
    for pixels in (1, 30, 200, 1499):
        monkeypatch.setattr(drawing, "_BAND", pixels)
        np.testing.assert_array_equal(overlay(image, anomaly_map, 0.2, 0.9), whole)
