"""What a rules file may say, and what is refused in a sentence."""

from pathlib import Path

import pytest

from blemish.errors import ConfigError
from blemish.inference.rules import Rules, Zone, copy_rules, read_rules, rules_for, write_rules

SQUARE = "[[0, 0], [50, 0], [50, 50], [0, 50]]"
PICTURE = "picture = [100, 80]\n"


def write(folder: Path, text: str, name: str = "parts.rules.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_file_says_where_how_large_and_how_often(tmp_path: Path) -> None:
    text = f"""
        picture = [100, 80]
        scale = "0.05mm"
        smallest_area = "0.5mm2"
        smallest_length = "2mm"
        elsewhere = false
        defective = 0.01
        look_again = 0.05
        [[zone]]
        name = "thread"
        polygon = {SQUARE}
        strictness = 2
        [[zone]]
        name = "ground"
        mask = "ground.png"
        look = false
    """
    rules = read_rules(write(tmp_path, text))
    assert rules.smallest == pytest.approx((200, 40)) and rules.about_maps
    assert [zone.name for zone in rules.zones] == ["thread", "ground"] and rules.folder == tmp_path
    assert str(rules) == (
        'zone "thread" counts 2 times, zone "ground" does not count, nothing else counts, '
        "smallest_area 0.5mm2, smallest_length 2mm, defective 1 %, look_again 5 %"
    )
    assert not Rules(defective=0.01).about_maps and str(Rules()) == "nothing is changed"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("speed = 3", "there is no field 'speed'"),
        ("picture = [100, 80", "is not valid TOML"),
        ("picture = [100, 0]", "picture.1: input should be greater than 0"),
        ("defective = 1.5", "defective: input should be less than 1"),
        ("defective = 0.05\nlook_again = 0.05", "look_again (0.05) is not above defective (0.05)"),
        ("smallest_length = 20", "zones and sizes need picture"),
        (PICTURE + 'smallest_length = "20"', "'20' is no size"),
        (
            PICTURE + 'smallest_area = "2mm"',
            "'2mm' is no size; give a number of pixels, or a text",
        ),
        (PICTURE + 'smallest_length = "2mm"', "'2mm' needs to know how long a pixel is; add scale"),
        (PICTURE + 'smallest_length = "2mm"\nscale = "5"', "The scale 5 is no length of a pixel"),
        (PICTURE + 'scale = "1mm"\nsmallest_length = "-2mm"', "'-2mm' is below 0"),
        (PICTURE + 'scale = "1mm"\nsmallest_length = "' + "9" * 400 + 'mm"', "is endless"),
        ("picture = [100000, 100000]", "picture has more pixels than any that is read"),
        (PICTURE + "smallest_length = -1", "smallest_length: input should be greater than or equal to 0"),
        ("elsewhere = false", "leaves nothing that counts"),
        (f'[[zone]]\nname = "a"\npolygon = {SQUARE}', "zones and sizes need picture"),
        (PICTURE + '[[zone]]\nname = "a"\npolygon = [[0, 0], [9, 9]]', "at least 3 items"),
        (PICTURE + '[[zone]]\nname = "a"\npolygon = [[0, 0], [9, 9], [0, 81]]', "0, 81 outside the picture"),
        (PICTURE + '[[zone]]\nname = "a"', 'zone "a" has a polygon or a mask; give one'),
        (PICTURE + '[[zone]]\nname = "a"\nmask = "../a.png"', "../a.png lies elsewhere"),
        (
            PICTURE + f'[[zone]]\nname = "a"\npolygon = {SQUARE}\nstrictness = 0',
            "strictness: input should be",
        ),
        (
            PICTURE + f'[[zone]]\nname = "a"\npolygon = {SQUARE}\nlook = false\nstrictness = 2',
            "is not looked at; leave out its strictness",
        ),
        (PICTURE + 2 * f'[[zone]]\nname = "a"\npolygon = {SQUARE}\n', "two zones have the same name"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(tmp_path: Path, text: str, reason: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as refused:
        read_rules(path)
    message = str(refused.value)
    assert reason in message and str(path) in message and message.endswith(".") and "\n" not in message


def test_rules_lie_beside_the_model_unless_others_are_named(tmp_path: Path) -> None:
    model = tmp_path / "parts.safetensors"
    assert rules_for(model) is None
    beside = write(tmp_path, "defective = 0.1")
    other = write(tmp_path, "defective = 0.2", "other.toml")
    assert rules_for(model) == (Rules(defective=0.1, folder=tmp_path), str(beside))
    assert rules_for(model.with_suffix(".onnx")) == rules_for(model)
    assert rules_for(model, other) == (Rules(defective=0.2, folder=tmp_path), str(other))
    assert rules_for(model, "none") is None
    with pytest.raises(ConfigError, match=r"gone\.toml cannot be read: No such file"):
        rules_for(model, tmp_path / "gone.toml")


def test_an_export_takes_the_rules_and_their_masks_along(tmp_path: Path) -> None:
    model, out = tmp_path / "parts.safetensors", tmp_path / "out"
    out.mkdir()
    assert copy_rules(model, out / "parts.onnx") == ""
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks/a.png").write_bytes(b"mask")
    rules = write(tmp_path, PICTURE + '[[zone]]\nname = "a"\nmask = "masks/a.png"')
    assert copy_rules(model, tmp_path / "parts.onnx") == "", "they are there"
    assert copy_rules(model, out / "small.onnx").startswith(f"Wrote {out / 'small.rules.toml'}, a copy of")
    assert (out / "small.rules.toml").read_text() == rules.read_text()
    assert (out / "masks/a.png").read_bytes() == b"mask"


def test_rules_are_written_as_they_are_read(tmp_path: Path) -> None:
    zones = (
        Zone(name='a "b" \\ é\x7f\n', polygon=((0, 0), (9.5, 0), (9, 9)), strictness=1e-5),
        Zone(name="c", mask="m.png", look=False),
    )
    rules = Rules(
        picture=(10, 20), zones=zones, elsewhere=False, scale="0.05mm", smallest_area=3.5,
        smallest_length="2mm", defective=0.01, look_again=1e-1, folder=tmp_path,
    )  # fmt: skip
    for one in (rules, Rules(folder=tmp_path)):
        write_rules(one, tmp_path / "a.rules.toml")
        assert read_rules(tmp_path / "a.rules.toml") == one
