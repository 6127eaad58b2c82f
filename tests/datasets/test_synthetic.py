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
class TestDefects:
    def test_the_same_seed_gives_the_same_bytes(self, kind: Kind) -> None:
        first, second = (draw_defect(PART, kind, "medium", seed=(3, 4), other=OTHER) for _ in range(2))
        assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
        other = draw_defect(PART, kind, "medium", seed=(3, 5), other=OTHER)[1]
        assert not np.array_equal(first[1], other)

    def test_nothing_changes_outside_the_mask(self, kind: Kind) -> None:
        for seed in range(10):
            image, mask = draw_defect(PART, kind, "strong", seed=(seed,), other=OTHER)
            assert (image.dtype, mask.dtype, image.shape) == (np.uint8, np.uint8, PART.shape)
            assert set(np.unique(mask)) == {0, 255}
            assert np.array_equal(image[mask == 0], PART[mask == 0])
            assert (image[mask > 0] != PART[mask > 0]).any()

    def test_strength_changes_the_pixels_and_not_the_place(self, kind: Kind) -> None:
        drawn = [draw_defect(PART, kind, strength, seed=(6,), other=OTHER) for strength in STRENGTHS]
        assert all(np.array_equal(mask, drawn[0][1]) for _, mask in drawn)
        changes = [np.abs(image.astype(int) - PART).sum() for image, _ in drawn]
        assert changes[0] < changes[1] < changes[2]

    def test_it_lies_in_the_usual_frame(self, kind: Kind) -> None:
        for shape in ((96, 200), (200, 96), (128, 128)):
            image = np.full((*shape, 3), 100, np.uint8)
            for seed in range(15):
                _, mask = draw_defect(image, kind, "faint", seed=(seed,), other=PART)
                framed = mask_to_frame(mask > 0, Frame(resize=64, crop=56))
                assert framed.any()
                assert (mask > 0).mean() < 0.2

    def test_small_images(self, kind: Kind) -> None:
        image = np.full((32, 32, 3), 200, np.uint8)
        for seed in range(20):
            assert draw_defect(image, kind, "strong", seed=(seed,), other=PART)[1].any()


def test_unknown_defects_are_refused() -> None:
    with pytest.raises(ConfigError, match="choose from patch, blob, scratch"):
        draw_defect(PART, "dent", "faint", other=PART)  # type: ignore[arg-type]
