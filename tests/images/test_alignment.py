"""Parts that lie a little elsewhere come to lie on the reference, and what is found goes back."""

import importlib.util
import re

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pydantic import ValidationError

from blemish.errors import ConfigError
from blemish.extras import install_command
from blemish.images.alignment import Matrix, Reference, check_opencv, put_back

WIDTH, HEIGHT = 240, 180


@pytest.fixture(autouse=True)
def needs_opencv(request: pytest.FixtureRequest) -> None:
    if "without_opencv" not in request.node.name:
        pytest.importorskip("cv2", reason="needs the extra align")


def part(
    degrees: float = 0, across: float = 0, down: float = 0, size: float = 1, seed: int = 0, light: float = 1
) -> Image.Image:
    """A bracket with a hole, turned counter-clockwise and shifted by shares of the sides, and noise."""
    large = Image.new("L", (4 * WIDTH, 4 * HEIGHT), 90)
    draw = ImageDraw.Draw(large)
    draw.rectangle((300, 180, 620, 290), fill=190)
    draw.rectangle((300, 290, 400, 540), fill=190)
    draw.ellipse((500, 205, 560, 265), fill=60)
    drawn = large.resize((round(WIDTH * size), round(HEIGHT * size)), Image.Resampling.BOX)
    canvas = Image.new("L", (WIDTH, HEIGHT), 90)
    canvas.paste(drawn, ((WIDTH - drawn.width) // 2, (HEIGHT - drawn.height) // 2))
    shift = round(across * WIDTH), round(down * HEIGHT)
    turned = canvas.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=90, translate=shift)
    noise = np.random.default_rng(seed).normal(0, 3, (HEIGHT, WIDTH))
    grey = (light * (np.asarray(turned) + noise)).clip(0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def learned(*pictures: Image.Image) -> Reference | None:
    return Reference.learn(pictures)


@pytest.fixture(scope="module")
def reference() -> Reference:
    found = learned(*(part(seed=seed) for seed in range(1, 6)))
    assert found
    return found


def angle(move: Matrix | None) -> float:
    assert move is not None
    pixels = np.diag([WIDTH, HEIGHT, 1]) @ move @ np.diag([1 / WIDTH, 1 / HEIGHT, 1])
    return float(np.degrees(np.arctan2(pixels[1, 0], pixels[0, 0])))


@pytest.mark.parametrize(
    "moved",
    [
        {"across": 0.15, "down": -0.1},
        {"degrees": 20},
        {"degrees": -14, "across": -0.1, "down": 0.08},
        {"degrees": 7, "across": 0.05, "size": 1.08},
        {"degrees": 7, "down": 0.05, "size": 0.92, "light": 0.7},
    ],
)
def test_a_part_that_lies_elsewhere_is_moved_onto_the_reference(reference: Reference, moved: dict) -> None:
    placed = reference.place(part(**moved))
    assert placed.match > 0.9
    assert angle(placed.move) == pytest.approx(-moved.get("degrees", 0), abs=0.5)
    grey = np.asarray(placed.picture)[..., 0] / moved.get("light", 1)
    apart = np.abs(grey - np.asarray(part())[..., 0].astype(float))
    before = np.abs(np.asarray(part(**moved))[..., 0] / moved.get("light", 1) - np.asarray(part())[..., 0])
    assert apart[20:-20, 20:-20].mean() < 0.4 * before[20:-20, 20:-20].mean()


def test_a_part_in_its_place_keeps_every_pixel(reference: Reference) -> None:
    picture = part(seed=9)
    placed = reference.place(picture)
    assert placed.move is None
    assert placed.picture is picture


def test_another_part_matches_poorly_and_is_left_as_it_is(reference: Reference) -> None:
    other = Image.new("RGB", (WIDTH, HEIGHT), (90, 90, 90))
    ImageDraw.Draw(other).ellipse((60, 30, 180, 150), fill=(200, 200, 200))
    placed = reference.place(other)
    assert placed.match < reference.limit
    assert placed.picture is other
    assert reference.place(Image.new("RGB", (WIDTH, HEIGHT))).match < reference.limit, "nothing at all"


def test_the_reference_lies_in_the_middle_and_parts_in_any_direction_have_none() -> None:
    tilted = learned(*(part(degrees=degrees, seed=degrees + 30) for degrees in (-16, -8, 0, 8, 16)))
    assert tilted
    assert abs(angle(tilted.place(part(degrees=12)).move) + 12) < 1
    assert learned(*(part(degrees=degrees, seed=degrees) for degrees in range(0, 360, 60))) is None


def test_what_is_found_goes_back_to_where_it_lies_and_the_rest_is_unknown(reference: Reference) -> None:
    picture = part(across=0.12, down=0.1)
    move = reference.place(picture).move
    assert move is not None
    spot = np.zeros((90, 120), np.float32)
    spot[40:44, 50:54] = 1
    back = put_back(spot, move)
    rows, columns = np.nonzero(back > 0.5)
    assert back.shape == spot.shape
    assert rows.mean() == pytest.approx(41.5 + 9, abs=0.7)
    assert columns.mean() == pytest.approx(51.5 + 14.4, abs=0.7)
    unseen = np.isnan(back)
    assert unseen[:8].all() and unseen[:, :13].all() and not unseen[10:, 16:].any()
    assert put_back(np.full((90, 120, 3), 9, np.uint8), move)[0, 0].tolist() == [0, 0, 0]


def test_a_damaged_reference_is_refused(reference: Reference) -> None:
    values = reference.model_dump()
    assert Reference.model_validate(values) == reference
    with pytest.raises(ValidationError, match="the reference picture is damaged"):
        Reference.model_validate(values | {"picture": values["picture"][:200]})


def test_without_opencv_one_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=re.escape(f"needs OpenCV: {install_command('align')}")):
        check_opencv()
