"""Pictures in other light and in other places."""

import numpy as np
import pytest
from scipy import ndimage

from blemish.images.changes import draw, learned_changes, move
from tests.support import textures

PICTURE = textures(1, size=64)[0]


def test_light_multiplies_and_clips() -> None:
    darker, brighter = (change(PICTURE) for change in learned_changes(["light"]))
    assert np.abs(darker - 0.75 * PICTURE).max() <= 0.51
    assert np.abs(brighter - (1.25 * PICTURE).clip(0, 255)).max() <= 0.51 and brighter.max() == 255


def test_a_shift_moves_pixels_and_mirrors_the_border() -> None:
    moved = move(PICTURE, 0.05, -0.1)
    np.testing.assert_array_equal(moved[3:, :-6], PICTURE[:-3, 6:])
    np.testing.assert_array_equal(moved[:3, :-6], PICTURE[3:0:-1, 6:])


@pytest.mark.parametrize("shape", [(64, 64), (32, 64)])
def test_a_turn_is_about_the_centre_and_leaves_no_empty_corner(shape: tuple[int, int]) -> None:
    picture = PICTURE[: shape[0], : shape[1]]
    turned = move(picture, 0, 0, 5)
    expected = ndimage.rotate(picture.astype(float), 5, (1, 0), reshape=False, order=1, mode="mirror")
    assert np.abs(turned - expected).mean() < 1 and turned.min() > 0


def test_learned_and_drawn_changes_stay_within_what_is_tolerated_only() -> None:
    flat = np.full((64, 64, 3), 100, np.uint8)
    assert not learned_changes([]) and draw(PICTURE, [], np.random.default_rng(0)) is PICTURE
    assert [int(change(flat).mean()) for change in learned_changes(["light", "place"])] == [
        75,
        125,
        100,
        100,
        100,
        100,
    ]
    drawn = [int(draw(flat, ["light", "place"], np.random.default_rng(seed)).mean()) for seed in range(40)]
    assert min(drawn) >= 75 and max(drawn) <= 125 and len(set(drawn)) > 20
    assert (
        len({change(PICTURE).tobytes() for change in learned_changes(["place"])} | {PICTURE.tobytes()}) == 5
    )


def test_turns_stand_for_all_directions() -> None:
    around = [PICTURE, *(change(PICTURE) for change in learned_changes(["turn"]))]
    assert len(around) == 8
    for number, turned in enumerate(around[::2]):
        np.testing.assert_array_equal(turned, np.rot90(PICTURE, number))
