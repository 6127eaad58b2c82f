"""A file of recipes: what it takes, and sentences that name file, recipe and field of what it does not."""

from pathlib import Path

import pytest

from blemish.errors import ConfigError
from blemish.station.recipe_settings import read_recipes, recipe_name
from blemish.station.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder with two model files and three folders."""
    monkeypatch.chdir(tmp_path)
    for name in ("bottle", "screw"):
        Path(f"{name}.onnx").touch()
    for name in ("a", "a/below", "b"):
        Path(name).mkdir()


def refused(text: str) -> str:
    Path("line.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(recipes="line.toml")
    return str(caught.value)


def test_recipes_come_in_the_order_of_the_file() -> None:
    Path("line.toml").write_text(
        '[screw]\nmodel = "screw.onnx"\nwatch = "a"\nmove_to = "done"\nrate = 0.01\n'
        '[bottle]\nmodel = "bottle.onnx"\nmodels = "b"\n'
    )
    recipes = load_settings(recipes="line.toml").by_recipe
    assert list(recipes) == ["screw", "bottle"]
    assert (recipes["screw"].watch, recipes["screw"].move_to) == (Path("a"), Path("done"))
    assert (recipes["screw"].false_alarm_rate, recipes["bottle"].models) == (0.01, Path("b"))


BOTTLE = '[bottle]\nmodel = "bottle.onnx"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "line.toml has no recipe; write one: [bottle]"),
        ("[bottle", "The file line.toml is not valid TOML"),
        ('model = "bottle.onnx"', "line.toml: model stands outside a recipe"),
        ('["a/b"]\nmodel = "bottle.onnx"', "line.toml: [a/b] is no name for a recipe"),
        ("[bottle]\nrate = 0.01", "line.toml: [bottle] model: is missing; name a model file."),
        (
            '[bottle]\nmodel = "none.onnx"',
            "line.toml: [bottle] model: there is no file none.onnx; name a model",
        ),
        ('[bottle]\nmodel = ""', "line.toml: [bottle] model: is empty"),
        (BOTTLE + "rate = 1.5", "line.toml: [bottle] rate: input should be less than 1."),
        (BOTTLE + 'watch = "c"', "line.toml: [bottle] watch: path does not point to a directory."),
        (
            BOTTLE + 'wtach = "a"',
            "line.toml: [bottle] wtach: there is no such field; it takes model, models,",
        ),
        (BOTTLE + 'move_to = "b"', "line.toml: [bottle] move_to: needs watch;"),
        (
            BOTTLE + 'watch = "a"\nmove_to = "."',
            "line.toml: [bottle] move_to: . is the watched folder or around",
        ),
        (
            BOTTLE + 'watch = "a"\n[screw]\nmodel = "screw.onnx"\nwatch = "a/below"',
            "line.toml: [screw] watch: a/below lies in the folder that [bottle] watches; give",
        ),
        (
            BOTTLE + 'watch = "a"\nmove_to = "b/done"\n[screw]\nmodel = "screw.onnx"\nwatch = "b"',
            "line.toml: [bottle] move_to: b/done lies in the folder that [screw] watches;",
        ),
    ],
)
def test_what_cannot_be_names_file_recipe_and_field(text: str, expected: str) -> None:
    assert refused(text).startswith(expected)


def test_what_belongs_to_a_recipe_stands_in_the_file_alone() -> None:
    Path("line.toml").write_text(BOTTLE)
    for option, value in (("model", "screw.onnx"), ("watch", "a"), ("false_alarm_rate", "0.1")):
        with pytest.raises(ConfigError, match=r"does not go with recipes; say it in line\.toml"):
            load_settings(recipes="line.toml", **{option: value})
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read"):
        load_settings(recipes="none.toml")


@pytest.mark.parametrize(
    ("file", "name"),
    [("parts.onnx", "parts"), ("a b.2.onnx", "a_b_2"), ("-x.onnx", "_x"), ("Größe.onnx", "Größe")],
)
def test_the_only_recipe_is_named_after_its_model(file: str, name: str) -> None:
    assert recipe_name(Path(file)) == name
    assert list(Settings(model=file).by_recipe) == [name]
    Path("line.toml").write_text(f'["{name}"]\nmodel = "bottle.onnx"\n', encoding="utf-8")
    assert list(read_recipes(Path("line.toml"))) == [name]
