"""How long a pixel is."""

import pytest

from blemish.errors import ConfigError
from blemish.inference.scale import parse_scale


@pytest.mark.parametrize(
    ("text", "millimetres"),
    [
        ("0.05mm", 0.05),
        ("50 um", 0.05),
        ("1cm", 10),
        ("2in", 50.8),
        ("120,40:820,40=35mm", 0.05),
        ("0,0:30,40=1cm", 0.2),
    ],
)
def test_lengths_and_two_points_give_millimetres_per_pixel(text: str, millimetres: float) -> None:
    assert parse_scale(text) == pytest.approx(millimetres)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0.05", "no length of a pixel"),
        ("0.05px", "no length of a pixel"),
        ("1.2.3mm", "no length of a pixel"),
        ("120,40=35mm", "no length of a pixel"),
        ("0mm", "above 0"),
        ("-1mm", "above 0"),
        ("1,2:1,2=3mm", "one point twice"),
    ],
)
def test_what_gives_no_length_is_refused_in_a_sentence(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        parse_scale(text)
