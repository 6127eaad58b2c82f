"""Colours mean the same in every picture, and contours enclose what they mark."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from blemish.calibration import Calibration
from blemish.images import drawing
from blemish.images.drawing import (
    HeatScale,
    attention_overlay,
    contour,
    draw_contour,
    encode_jpeg,
    heat_colours,
    overlay,
    panels,
    save_png,
)
from tests.images.support import picture

SCORES = np.exp(np.random.default_rng(0).normal(0, 0.3, 200))
SCALE = HeatScale(1.0, 8.0)
SIZE = 32
IMAGE = picture(0, SIZE, SIZE)
EVEN = np.full((SIZE, SIZE, 3), 128, np.uint8)


def blob(height: float, at: tuple[int, int] = (16, 16)) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    distance = (rows - at[0]) ** 2 + (columns - at[1]) ** 2
    return (height * np.exp(-distance / 30)).astype(np.float32)


def test_colours_go_from_dark_to_bright_and_no_further() -> None:
    lightness = heat_colours(np.linspace(0, 1, 200)) @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) > -0.5).all() and lightness[-1] > lightness[0] + 180
    colours = heat_colours(np.array([[-1.0, 0.0, 1.0, 2.0]]))
    assert colours.shape == (1, 4, 3) and colours.dtype == np.uint8
    assert (colours[0, [0, 3]] == colours[0, [1, 2]]).all()


@pytest.mark.parametrize("factor", [1e-9, 1.0, 1e6])
def test_the_scale_goes_from_the_median_past_the_alarm(factor: float) -> None:
    calibration = Calibration(SCORES * factor, 0.05)
    scale = HeatScale.from_calibration(calibration)
    assert scale.low == pytest.approx(np.median(SCORES) * factor)
    assert scale.alarm == pytest.approx(calibration.threshold)
    assert scale.heat(np.array([scale.low, scale.alarm, scale.high])) == pytest.approx([0, 1 / 3, 1])


@pytest.mark.parametrize("scores", [[1.0], [0.0, 0.0, 0.0], [2.0] * 50, [-3.0, -2.0, -1.0]])
def test_degenerate_scores_give_a_usable_scale(scores: list[float]) -> None:
    calibration = Calibration(np.array(scores), 0.01)
    scale = HeatScale.from_calibration(calibration)
    assert scale.low < scale.alarm < scale.high
    assert scale.alarm == pytest.approx(calibration.threshold)


def test_heat_rises_with_the_value_and_value_at_inverts_it() -> None:
    heats = np.linspace(0, 1, 50)
    values = np.array([[SCALE.value_at(step) for step in heats]])
    assert (np.diff(values) > 0).all()
    assert SCALE.heat(values)[0] == pytest.approx(heats)
    with pytest.raises(ValueError, match="must exceed"):
        HeatScale(2.0, 2.0)


def test_a_good_image_keeps_its_colours_and_a_defect_stays_legible_under_its_tint() -> None:
    scale = HeatScale.from_calibration(Calibration(SCORES, 0.05))
    assert (overlay(IMAGE, blob(float(np.median(SCORES))), scale) == IMAGE).all()
    hot = np.full((SIZE, SIZE), scale.high)
    tints = [overlay(np.full_like(EVEN, grey), hot, scale).astype(int) for grey in (20, 200)]
    assert np.ptp(tints[0], axis=2).min() > 90 and np.ptp(tints[1], axis=2).min() > 90
    assert (tints[1] - tints[0] == 90).all(), "half of the picture's own contrast is left"


@pytest.mark.parametrize("grey", [0, 60, 120])
def test_more_heat_is_brighter_and_more_colourful_on_dark_and_grey_parts(grey: int) -> None:
    values = np.array([[SCALE.value_at(heat) for heat in np.linspace(0, 1, 40)]])
    drawn = overlay(np.full((1, 40, 3), grey, np.uint8), values, SCALE)[0].astype(int)
    assert (np.diff(np.ptp(drawn, axis=1)) >= -1).all()
    assert np.diff((drawn @ np.array([0.2126, 0.7152, 0.0722]))[np.ptp(drawn, axis=1) > 0]).min() > -1.5


def test_what_the_model_did_not_see_is_darkened_and_hatched() -> None:
    anomaly_map = blob(9.0)
    anomaly_map[:, :16] = np.nan
    drawn = overlay(EVEN, anomaly_map, SCALE)
    assert set(np.unique(drawn[:, :16])) == {64, 154} and (np.ptp(drawn[:, :16], axis=2) == 0).all()
    assert (drawn[:, 16:] == overlay(EVEN, blob(9.0), SCALE)[:, 16:]).all()


def test_the_same_value_has_the_same_colour_in_any_company() -> None:
    alone = blob(4.0, at=(8, 8))
    crowded = np.maximum(alone, blob(1000.0, at=(28, 28)))
    same = alone == crowded
    assert same[8, 8]
    drawn = [overlay(EVEN, anomaly_map, SCALE) for anomaly_map in (alone, crowded)]
    assert (drawn[0][same] == drawn[1][same]).all()


def test_inputs_are_left_alone_and_sizes_must_agree() -> None:
    given = [IMAGE.copy(), blob(4.0), blob(1.0) > 0.5]
    overlay(given[0], given[1], SCALE, given[2])
    for now, then in zip(given, (IMAGE, blob(4.0), blob(1.0) > 0.5), strict=True):
        assert (now == then).all()
    small = np.zeros((8, 8), np.float32)
    for draw in (lambda: attention_overlay(IMAGE, small), lambda: overlay(IMAGE, small, SCALE)):
        with pytest.raises(ValueError, match="cannot carry a map"):
            draw()


def test_large_pictures_are_drawn_band_by_band_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    anomaly_map = blob(9.0)
    anomaly_map[5:20, 3:9] = np.nan
    whole = overlay(IMAGE, anomaly_map, SCALE)
    for pixels in (1, SIZE, 200, SIZE**2 - 1):
        monkeypatch.setattr(drawing, "BAND", pixels)
        np.testing.assert_array_equal(overlay(IMAGE, anomaly_map, SCALE), whole)


def test_attention_has_colours_that_are_not_those_of_heat() -> None:
    assert (attention_overlay(IMAGE, np.zeros((SIZE, SIZE), np.float32)) == IMAGE).all()
    half = np.full((SIZE, SIZE), 0.6, np.float32)
    red, green, _ = attention_overlay(EVEN, half)[0, 0].astype(int)
    assert green > red + 40
    red, green, _ = overlay(EVEN, np.full_like(half, SCALE.value_at(0.6)), SCALE)[0, 0].astype(int)
    assert red > green + 40


@pytest.mark.parametrize(("side", "shown"), [(32, 192), (100, 200), (192, 192), (224, 224)])
def test_small_pictures_are_enlarged_pixel_by_pixel(side: int, shown: int) -> None:
    one, other = np.random.default_rng(0).integers(0, 250, (2, side, side, 3), dtype=np.uint8)
    sheet = panels({"one": one, "other": other})
    assert sheet.shape == (22 + shown + 8, 2 * shown + 3 * 8, 3)
    times = shown // side
    for left, given in ((8, one), (16 + shown, other)):
        panel = sheet[22 : 22 + shown, left : left + shown]
        assert (panel == given.repeat(times, axis=0).repeat(times, axis=1)).all()


def test_each_panel_has_its_caption() -> None:
    captions = ["input", "reconstruction", "error map", "Grad-CAM (own scale)"]
    sheet = panels(dict.fromkeys(captions, EVEN))
    written = [(sheet[:22, 8 + n * 200 : 8 + n * 200 + 192] < 128).sum() for n in range(4)]
    assert min(written) > 0 and written[0] < written[3]
    assert (sheet[:, :8] == 255).all() and (sheet[:, -8:] == 255).all()


def test_a_contour_encloses_its_mask_with_a_white_line_in_a_black_one() -> None:
    mask = blob(1.0) > 0.5
    ring = contour(mask)
    assert not (ring & mask).any()
    regions, _ = ndimage.label(~ring)  # what steps to the four neighbours reach
    assert ((regions == regions[16, 16]) == mask).all()
    drawn = overlay(IMAGE, np.zeros((SIZE, SIZE)), SCALE, mask)
    assert (drawn[ring] == 255).all() and (drawn[contour(mask | ring)] == 0).all()
    assert (drawn[mask] == IMAGE[mask]).all()
    assert not contour(np.ones((8, 8), bool)).any() and not contour(np.zeros((8, 8), bool)).any()
    with pytest.raises(ValueError, match="cannot carry a mask"):
        draw_contour(IMAGE, mask[1:])


def test_an_outline_grows_with_the_picture() -> None:
    mask = np.zeros((1500, 2000), bool)
    mask[700:800, 900:1000] = True
    drawn = draw_contour(np.full((1500, 2000, 3), 128, np.uint8), mask)
    assert drawn[750, 1000:1013, 0].tolist() == [255] * 6 + [0] * 6 + [128]


def test_files_read_back(tmp_path: Path) -> None:
    save_png(IMAGE, tmp_path / "odd name.dat")
    with Image.open(tmp_path / "odd name.dat") as file:
        assert file.format == "PNG" and (np.asarray(file) == IMAGE).all()
    assert encode_jpeg(IMAGE).startswith(b"\xff\xd8")
