"""A map lies on the picture that it is of, whatever the frame."""

import numpy as np
import pytest

from blemish.images import maps
from blemish.images.frame import Frame, framed_size
from blemish.images.maps import decode_map, encode_map, largest_in_cells, map_on_image, shrink
from blemish.images.reading import to_frame

FRAMES = [
    Frame(resize=96, crop=None),
    Frame(resize=96, crop=None, aspect=2.0),
    Frame(resize=96, crop=64),
    Frame(tile=64),
    Frame(tile=64, resize=100),
]
RNG = np.random.default_rng(0)


def spotted(width: int, height: int, x: int, y: int) -> np.ndarray:
    """A dark picture with a bright spot."""
    image = np.full((height, width, 3), 10, np.uint8)
    image[y - 3 : y + 4, x - 3 : x + 4] = 250
    return image


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize(("width", "height"), [(400, 160), (160, 400), (240, 240), (48, 40)])
@pytest.mark.parametrize("side", [None, 120])
def test_what_the_frame_shows_lies_where_it_was(
    width: int, height: int, frame: Frame, side: int | None
) -> None:
    x, y = round(0.45 * width), round(0.6 * height)
    seen = to_frame(spotted(width, height, x, y), frame).pixels[..., 0].astype(np.float32)
    drawn = map_on_image(seen, width, height, frame, side)
    share = min(1.0, (side or width + height) / max(width, height))
    assert drawn.shape == (round(height * share), round(width * share)) and drawn.dtype == np.float32
    rows, columns = np.nonzero(np.nan_to_num(drawn) > np.nanmax(drawn) / 2)
    assert abs(rows.mean() - share * y) < 2.5 and abs(columns.mean() - share * x) < 2.5


@pytest.mark.parametrize(("width", "height"), [(400, 160), (160, 400), (240, 240)])
def test_what_the_crop_hides_is_nan_and_nothing_else_is(width: int, height: int) -> None:
    drawn = map_on_image(np.ones((64, 64), np.float32), width, height, FRAMES[2])
    rows, columns = (np.nonzero(~np.isnan(drawn).all(axis=axis))[0] for axis in (1, 0))
    side = min(width, height) * 64 / 96
    for seen, length in ((rows, height), (columns, width)):
        assert abs(len(seen) - side) <= 1 and abs(seen.mean() + 0.5 - length / 2) <= 1.5
    assert not np.isnan(drawn[np.ix_(rows, columns)]).any()
    for frame in (FRAMES[0], FRAMES[4]):
        ones = np.ones(framed_size(width, height, frame)[::-1], np.float32)
        assert not np.isnan(map_on_image(ones, width, height, frame)).any()


def test_large_pictures_are_filled_band_by_band_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    values = RNG.random((64, 64), np.float32)
    whole = map_on_image(values, 300, 200, FRAMES[2])
    monkeypatch.setattr(maps, "BAND", 1000)
    np.testing.assert_allclose(map_on_image(values, 300, 200, FRAMES[2]), whole, atol=1e-4)


def test_a_map_made_smaller_keeps_its_peak() -> None:
    values = np.zeros((256, 1024), np.float32)
    values[123, 456] = 7
    drawn = map_on_image(values, 1024, 256, Frame(tile=64), side=512)
    assert drawn.shape == (128, 512) and drawn[61, 228] == drawn.max() == 7


def test_pictures_are_averaged_when_made_smaller() -> None:
    image = RNG.integers(0, 256, (256, 1024, 3), np.uint8)
    small = shrink(image, 512)
    assert small.shape == (128, 512, 3) and small.dtype == np.uint8
    assert np.abs(small - image.reshape(128, 2, 512, 2, 3).mean(axis=(1, 3))).max() <= 1
    assert shrink(image, 1024) is image and shrink(image, None) is image


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (13, 40), (50, 61)])
def test_each_cell_keeps_its_largest_value(shape: tuple[int, int]) -> None:
    values = RNG.random((50, 61))
    cells = largest_in_cells(values, *shape)
    rows = np.arange(shape[0] + 1) * 50 // shape[0]
    columns = np.arange(shape[1] + 1) * 61 // shape[1]
    for row in range(shape[0]):
        for column in range(shape[1]):
            cell = values[rows[row] : rows[row + 1], columns[column] : columns[column + 1]]
            assert cells[row, column] == cell.max()
    np.testing.assert_array_equal(largest_in_cells(values > 0.9, *shape), cells > 0.9)


@pytest.mark.parametrize("span", [(0, 1), (-3e-7, 5e-7), (1e20, 3e25), (2, 2)])
def test_maps_come_back_nearly_as_they_were_and_what_is_unknown_stays_so(span: tuple[float, float]) -> None:
    raw = np.random.default_rng(0).uniform(*span, (31, 47)).astype(np.float32)
    back = decode_map(*encode_map(raw))
    np.testing.assert_allclose(back, raw, atol=np.ptp(raw.astype(np.float64)) / 60_000, rtol=1e-6)
    raw[3:9, :4] = np.nan
    back = decode_map(*encode_map(raw))
    np.testing.assert_allclose(back, raw, atol=np.ptp(raw[9:].astype(np.float64)) / 30_000, rtol=1e-6)
