"""Another part is told from a defect, from light and from place; where nothing can be told, that is said."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from PIL import Image

from blemish.datasets.drawn import draw_part
from blemish.images.changes import brighten, move
from blemish.images.known_part import FEWEST, KnownPart, other_parts, thumbnail


def parts(texture: str, count: int, kind: str = "good", first: int = 0) -> list[np.ndarray]:
    return [draw_part(texture, kind, seed=(7, first + n), size=96)[0] for n in range(count)]


def learned(pictures: list[np.ndarray]) -> KnownPart | None:
    return KnownPart.learn([[thumbnail(picture)] for picture in pictures], pictures)


def share(known: KnownPart, pictures: list[np.ndarray]) -> float:
    return float(np.mean([known.is_other(picture) for picture in pictures]))


@pytest.fixture(scope="module")
def metal() -> KnownPart:
    known = learned(parts("metal", 30))
    assert known
    return known


@pytest.mark.parametrize("other", ["fabric", "ceramic"])
def test_pictures_of_other_parts_are_told(metal: KnownPart, other: str) -> None:
    assert share(metal, parts(other, 10)) == 1
    assert metal.is_other(np.full((96, 96, 3), 128, np.uint8)), "nothing at all"


@pytest.mark.parametrize("kind", ["good", "scratch", "stain", "hole", "missing"])
def test_good_and_defective_parts_are_the_part(metal: KnownPart, kind: str) -> None:
    assert share(metal, parts("metal", 10, kind, first=100)) == 0


@pytest.mark.parametrize("factor", [0.75, 1.25])
def test_light_is_no_other_part(metal: KnownPart, factor: float) -> None:
    assert share(metal, [brighten(part, factor) for part in parts("metal", 10, first=200)]) == 0


@pytest.mark.parametrize("size", [(40, 40), (300, 200)])
def test_a_picture_of_any_size_is_compared(metal: KnownPart, size: tuple[int, int]) -> None:
    part = np.asarray(Image.fromarray(parts("metal", 1, first=300)[0]).resize(size, Image.Resampling.BOX))
    assert thumbnail(part).shape == (16, 16) and not metal.is_other(part)


def test_what_is_tolerated_widens_what_is_known() -> None:
    pictures = parts("metal", 30)
    turns: list[Callable[[np.ndarray], np.ndarray]] = [partial(move, down=0, right=0, degrees=180.0)]
    turned = [turns[0](picture) for picture in pictures]
    upright = learned(pictures)
    both = KnownPart.learn(
        [list(map(thumbnail, pair)) for pair in zip(pictures, turned, strict=True)], turned
    )
    new = [turns[0](picture) for picture in parts("metal", 10, first=400)]
    assert upright and both and share(both, new) == 0 and len(both.thumbnails) == 60


def test_few_or_unlike_pictures_tell_nothing() -> None:
    assert learned(parts("metal", FEWEST - 1)) is None
    noise = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    assert learned(list(noise)) is None


def test_it_is_the_same_after_a_file(metal: KnownPart) -> None:
    again = KnownPart.from_dict(metal.to_dict())
    assert again.limit == metal.limit and (again.thumbnails == metal.thumbnails).all()


@pytest.mark.parametrize(
    "damage", [{"limit": 2.0}, {"limit": "far"}, {"thumbnails": ["AAAA"]}, {"thumbnails": []}]
)
def test_damage_is_refused(metal: KnownPart, damage: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        KnownPart.from_dict(metal.to_dict() | damage)


def test_the_sentence_counts() -> None:
    assert other_parts(1, 26).startswith("1 image looks") and "of 26 in all" in other_parts(2, 26)
