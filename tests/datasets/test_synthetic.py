"""Synthetic defects are repeatable, stay in their mask and show as strongly as asked."""

import numpy as np
import pytest

from blemish.datasets.drawn import draw_part
from blemish.datasets.synthetic import KINDS, STRENGTHS, Kind, draw_defect
from blemish.errors import ConfigError
from blemish.images.frame import Frame
from blemish.images.reading import mask_to_frame

PART, _ = draw_part("metal", seed=(1,), size=128)
OTHER, _ = draw_part("metal", seed=(2,), size=128)


@pytest.mark.parametrize("kind", KINDS)
def test_a_defect_is_repeatable_and_changes_nothing_outside_its_mask(kind: Kind) -> None:
    masks = []
    for seed in range(10):
        image, mask = draw_defect(PART, kind, "strong", seed=(3, seed), other=OTHER)
        again = draw_defect(PART, kind, "strong", seed=(3, seed), other=OTHER)
        assert np.array_equal(image, again[0]) and np.array_equal(mask, again[1])
        assert (image.dtype, mask.dtype, image.shape) == (np.uint8, np.uint8, PART.shape)
        assert set(np.unique(mask)) == {0, 255}
        assert np.array_equal(image[mask == 0], PART[mask == 0])
        assert (image[mask > 0] != PART[mask > 0]).any()
        masks.append(mask.tobytes())
    assert len(set(masks)) == 10


@pytest.mark.parametrize("kind", KINDS)
def test_strength_changes_the_pixels_and_not_the_place(kind: Kind) -> None:
    drawn = [draw_defect(PART, kind, strength, seed=(6,), other=OTHER) for strength in STRENGTHS]
    assert all(np.array_equal(mask, drawn[0][1]) for _, mask in drawn)
    changes = [np.abs(image.astype(int) - PART).sum() for image, _ in drawn]
    assert changes[0] < changes[1] < changes[2]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(96, 200), (200, 96), (128, 128), (32, 32)])
def test_it_lies_in_the_usual_frame(kind: Kind, shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 100, np.uint8)
    for seed in range(15):
        _, mask = draw_defect(image, kind, "faint", seed=(seed,), other=PART)
        assert mask_to_frame(mask > 0, Frame(resize=64, crop=56)).any()
        assert (mask > 0).mean() < 0.2


def test_unknown_defects_are_refused() -> None:
    with pytest.raises(ConfigError, match="choose from patch, blob, scratch"):
        draw_defect(PART, "dent", "faint", other=PART)  # type: ignore[arg-type]
