"""The geometry from an image to the network's input."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from blemish.errors import ImageError
from blemish.images.frame import Frame, framed_size, hidden, sight, visible_share
from blemish.images.reading import load_frame, mask_to_frame, read_image, to_frame
from tests.images.support import picture

SIZES = [(256, 256), (300, 200), (201, 517), (1000, 999), (64, 48), (100, 333)]
PADDED = Frame(resize=64, crop=None, pad=True)
FRAMES = [Frame(), Frame(resize=64, crop=57), Frame(resize=32, crop=32), Frame(resize=224, crop=None)]


def test_the_papers_values_are_the_defaults_and_tiles_are_written_only_where_there_are_any() -> None:
    assert Frame().model_dump() == {"resize": 256, "crop": 224}
    assert (Frame().size, Frame(crop=None).size) == (224, 256)
    tiled = (Frame(tile=64), Frame(tile=64, overlap=0.5, resize=128))
    whole = (Frame(resize=64, crop=None), Frame(crop=None, align=True), Frame(crop=None, aspect=1.5), PADDED)
    for frame in (*whole, *tiled, Frame(bit_depth=12)):
        assert Frame.model_validate_json(frame.model_dump_json()) == frame


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"resize": 224, "crop": 256}, "must not be larger than resize"),
        ({"resize": 16, "crop": None}, "greater than or equal to 32"),
        ({"crop": 31}, "greater than or equal to 32"),
        ({"resize": 10**6}, "less than or equal to 4096"),
        ({"size": 224}, "Extra inputs"),
        ({"tile": 64, "crop": 64}, r"frame\.crop \(64\) does not go with frame\.tile \(64\)"),
        ({"tile": 64, "resize": 63}, r"tile \(64\) must not be larger than resize \(63\)"),
        ({"tile": 64, "overlap": 0.76}, "less than or equal to 0.75"),
        ({"tile": 31}, "greater than or equal to 32"),
        ({"aspect": 2}, "aspect goes only with whole images"),
        ({"crop": None, "aspect": 17}, "less than or equal to 16"),
        ({"pad": True}, "pad goes only with frame.crop=none"),
        ({"pad": True, "crop": None, "aspect": 1}, "pad goes only with frame.crop=none"),
        ({"pad": True, "tile": 64}, "pad goes only with frame.crop=none"),
        ({"align": True}, "align goes only with whole pictures; set frame.crop=none"),
        ({"overlap": 0.25}, "overlap goes only with tile"),
        ({"resize": "none"}, "frame.resize is none, .*; give one of them a number"),
    ],
)
def test_impossible_frames_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Frame(**fields)


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([(300, 300), (100, 100)], (224, 224)),
        ([(500, 1260)], (128, 352)),
        ([(1260, 500), (1260, 500), (10, 90)], (352, 128)),
        ([(10, 1000)], (64, 896)),
        ([], (224, 224)),
    ],
)
def test_whole_images_are_seen_in_the_median_proportions(shapes: list, expected: tuple[int, int]) -> None:
    frame = Frame(resize=224, crop=None).for_images(shapes)
    assert frame.shape == expected
    assert to_frame(picture(0, 70, 90), frame).pixels.shape == (*expected, 3)
    assert framed_size(90, 70, frame) == expected[::-1] and visible_share(90, 70, frame) == 1
    for other in (Frame(), Frame(tile=64), Frame(crop=None, aspect=2)):
        assert other.for_images(shapes) == other


def test_sides_are_multiples_of_what_the_network_needs() -> None:
    for frame in (Frame(resize=224, crop=None).for_images([(60, 100)], step=14), Frame(crop=None, aspect=2)):
        fitted = frame.for_images([(60, 100)], step=14)
        assert not any(side % 14 for side in fitted.shape) and fitted.shape[0] < fitted.shape[1]
        assert Frame.model_validate(fitted.model_dump()) == fitted
    square = Frame(crop=None).for_images([(50, 50)], step=14)
    assert square.shape == (256, 256) and "step" not in square.model_dump()


@pytest.mark.parametrize(
    ("shapes", "pad"), [([], False), ([(50, 50), (90, 90)], False), ([(50, 50), (90, 91)], True)]
)
def test_squares_are_filled_up_unless_all_images_are_square(shapes: list, pad: bool) -> None:
    frame = Frame(resize=64, crop=None)
    assert frame.for_images(shapes, square=True) == (PADDED if pad else frame)
    assert frame.shape == PADDED.shape == (64, 64)
    for other in (Frame(), Frame(tile=64), Frame(crop=None, aspect=1)):
        assert other.for_images(shapes, square=True) == other
    assert PADDED.for_images([(10, 20)]) == PADDED


@pytest.mark.parametrize(
    ("width", "height", "shown"),
    [(128, 64, (64, 32)), (40, 100, (26, 64)), (33, 33, (64, 64)), (5000, 32, (64, 1))],
)
def test_a_padded_picture_keeps_its_proportions_and_so_does_its_mask(
    width: int, height: int, shown: tuple[int, int]
) -> None:
    image = picture(0, height, width)
    framed = to_frame(image, PADDED).pixels
    assert framed_size(width, height, PADDED) == framed.shape[1::-1] == shown
    assert mask_to_frame(image[..., 0] > 200, PADDED).shape == framed.shape[:2]
    np.testing.assert_array_equal(framed, Image.fromarray(image).resize(shown, Image.Resampling.BILINEAR))


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("frame", FRAMES)
def test_frames_of_images_and_masks_equal_torchvisions(width: int, height: int, frame: Frame) -> None:
    transforms = pytest.importorskip("torchvision.transforms")

    def expected(image: np.ndarray, mode: object) -> np.ndarray:
        size = (frame.resize, frame.resize) if frame.crop is None else frame.resize
        resized = transforms.Resize(size, mode)(Image.fromarray(image))
        return np.asarray(transforms.CenterCrop(frame.size)(resized))

    image, modes = picture(0, height, width), transforms.InterpolationMode
    mask = image[..., 0] > 200
    framed, framed_mask = to_frame(image, frame).pixels, mask_to_frame(mask, frame)
    assert (framed.dtype, framed_mask.dtype) == (np.uint8, bool)
    np.testing.assert_array_equal(framed, expected(image, modes.BILINEAR))
    np.testing.assert_array_equal(framed_mask, expected(mask.astype(np.uint8), modes.NEAREST) > 0)


@pytest.mark.parametrize("mode", ["L", "RGB", "1", "P", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize("frame", FRAMES)
def test_load_frame_is_read_image_then_to_frame(tmp_path: Path, mode: str, frame: Frame) -> None:
    image, path = Image.fromarray(picture(90, 70, 90)), tmp_path / "a.tif"
    if mode == "I;16":
        image = Image.fromarray(picture(90, 70, 90)[..., 0].astype(np.uint16) * 251)
    elif mode == "RGBA":
        image.putalpha(Image.fromarray(picture(90, 70, 90)[..., 1]))
    else:
        image = image.convert(mode)
    image.save(path)
    framed = load_frame(path, frame)
    assert framed.shape == (frame.size, frame.size, 3)
    np.testing.assert_array_equal(framed, to_frame(read_image(path), frame).pixels)


@pytest.mark.parametrize(
    ("shape", "dtype", "frame", "message"),
    [
        ((40, 40, 3), np.float32, Frame(), r"not float32 \[40, 40, 3\]"),
        ((40, 40), np.uint8, Frame(), r"not uint8 \[40, 40\]"),
        ((40, 40, 4), np.uint8, Frame(), r"not uint8 \[40, 40, 4\]"),
        ((20, 40, 3), np.uint8, Frame(), "40 x 20 pixels, smaller than what the network needs"),
        ((32, 100_000, 3), np.uint8, Frame(), "too long and thin to be cropped"),
        ((32, 100_000, 3), np.uint8, Frame(tile=512), "too long and thin to be tiled"),
    ],
)
def test_arrays_that_are_no_images_or_needles_are_refused(
    shape: tuple[int, ...], dtype: type, frame: Frame, message: str
) -> None:
    with pytest.raises(ImageError, match=message):
        to_frame(np.zeros(shape, dtype), frame)


@pytest.mark.parametrize(("width", "height"), [*SIZES, (32, 500), (223, 224)])
@pytest.mark.parametrize("frame", [Frame(tile=64), Frame(tile=224, overlap=0.5), Frame(resize=100, tile=48)])
def test_a_frame_with_tiles_shows_the_whole_image(width: int, height: int, frame: Frame) -> None:
    image = picture(0, height, width)
    framed, mask = to_frame(image, frame).pixels, mask_to_frame(image[..., 0] > 200, frame)
    assert framed.shape[:2] == mask.shape == framed_size(width, height, frame)[::-1]
    short = min(framed.shape[:2])
    assert short == (frame.resize or max(min(width, height), frame.size))
    assert max(framed.shape[:2]) == int(short * max(width, height) / min(width, height))
    if short == min(width, height):
        np.testing.assert_array_equal(framed, image)
        np.testing.assert_array_equal(mask, image[..., 0] > 200)


def test_visible_share() -> None:
    assert visible_share(2000, 1000, Frame(tile=64)) == visible_share(2000, 1000, Frame(crop=None)) == 1
    assert visible_share(300, 300, Frame(resize=64, crop=64)) == 1
    assert visible_share(1024, 1024, Frame()) == pytest.approx(224**2 / 256**2)
    assert visible_share(2000, 1000, Frame()) == pytest.approx(224**2 / (256 * 512))


@pytest.mark.parametrize(
    ("frame", "share", "seen", "all_of_it"),
    [
        (Frame(), 0.7656, "the central 77 % of a picture at 224 x 224 pixels", False),
        (Frame(), None, "at most the central 77 % of a picture at 224 x 224 pixels", False),
        (Frame(resize=64, crop=64), 0.9999, "the central 99 % of a picture at 64 x 64 pixels", False),
        (Frame(resize=64, crop=64), 1.0, "whole pictures at 64 x 64 pixels", True),
        (Frame(crop=None, aspect=2.0), None, "whole pictures at 352 x 192 pixels", True),
        (Frame(tile=64), None, "whole pictures in tiles of 64 x 64 pixels", True),
        (PADDED, None, "whole pictures in their own proportions, filled up to 64 x 64 pixels", True),
    ],
)
def test_what_is_seen_and_what_is_hidden_is_said(
    frame: Frame, share: float | None, seen: str, all_of_it: bool
) -> None:
    assert sight(frame, share) == seen
    part = seen.partition(" at ")[0] if share else "at most the central 77 % of a picture"
    told = f"The frame shows the network {part}; frame.crop=none shows it whole ones."
    assert hidden(frame, share) == ("" if all_of_it else told)
