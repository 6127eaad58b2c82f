"""The verdict and the colours' scale stand below a picture, and hide nothing of it."""

import numpy as np
import pytest

from blemish.images.drawing import HeatScale, overlay
from blemish.images.legend import colour_scale, with_legend

SCALE = HeatScale(1.0, 8.0)


def test_the_colours_are_those_of_heat_maps_and_begin_with_none() -> None:
    strip = colour_scale(SCALE, 300, 10)
    assert strip.shape == (10, 300, 3) and (strip[:, 0] == 128).all()
    grey = np.full((1, 1, 3), 128, np.uint8)
    assert (strip[0, -1] == overlay(grey, np.array([[SCALE.high]]), SCALE)[0, 0]).all()
    assert (
        np.abs(strip[0, 100] - overlay(grey, np.array([[SCALE.alarm]]), SCALE)[0, 0].astype(int)).max() <= 1
    )


@pytest.mark.parametrize(("height", "width"), [(28, 28), (900, 900), (100, 3000), (3000, 60)])
def test_a_legend_is_below_and_grows_with_the_picture(height: int, width: int) -> None:
    pictures = [np.full((height, width, 3), shade, np.uint8) for shade in (10, 200)]
    sheet = with_legend(pictures, "anomalous, p-value 0.01", SCALE, 0.05)
    assert (sheet[:height, :width] == 10).all()
    assert (sheet[:height].max(axis=(0, 2)) == 200).sum() == width
    strip = sheet[height:]
    assert len(strip) == 5 * (12 if min(height, width) < 100 else max(height, width) // 50)
    assert sheet.shape[1] <= 2 * width + max(400, width // 50)
    assert (strip < 60).any(axis=2).sum() > 100, "words"
    assert (np.ptp(strip.astype(int), axis=2) > 60).any(), "colours"
    accents = with_legend(pictures, "Löcher 区", SCALE, 0.05)
    assert (accents == with_legend(pictures, "Locher ?", SCALE, 0.05)).all(), "the font has no others"
    longer = with_legend(pictures, "defective (zone of a very long name), p-value 0.01 " * 3, SCALE, 0.05)
    assert longer.shape[1] >= sheet.shape[1] and (longer[height:, -1] == 238).all(), "all words fit"
