"""Where data sets and weights lie."""

from pathlib import Path

import pytest

from blemish.errors import ConfigError, DatasetError
from blemish.papers.sources import parse_sources, parse_weights, read_category
from blemish.papers.table import Section, find_table
from tests.support import texture_files


def test_data_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mvtec", "a=b", "here"):
        (tmp_path / name).mkdir()
    one, two = find_table("gtrans-1"), find_table("anotrans-1")
    assert parse_sources([one], ["mvtec"]) == {"mvtec": Path("mvtec")}
    assert parse_sources([one], ["a=b"]) == parse_sources([one], ["mvtec=a=b"]) == {"mvtec": Path("a=b")}
    assert parse_sources([two], ["stl10=here"]) == {"cifar10": None, "stl10": Path("here")}
    assert parse_sources([one, two], ["mvtec=mvtec"])["mvtec"] == Path("mvtec")


@pytest.mark.parametrize(
    ("tables", "given", "message"),
    [
        (["gtrans-1"], [], "gtrans-1 needs --data mvtec=FOLDER, the folder with MVTec AD's categories."),
        (["anotrans-1"], ["."], "--data .: say which of cifar10, stl10 it is for, as in --data cifar10=."),
        (["gtrans-1", "anotrans-3"], ["mvtec=.", "."], "say which of mvtec, cifar10 it is for"),
        (["gtrans-1"], ["cifar10=."], "--data cifar10=.: there is no cifar10 here, but mvtec."),
        (["gtrans-1"], ["mvtec=.", "."], "--data is given twice for mvtec"),
        (["gtrans-1"], ["nowhere/"], "there is no folder nowhere/; check the path."),
    ],
)
def test_data_that_cannot_be_had_or_told_apart(tables: list[str], given: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_sources([find_table(name) for name in tables], given)
    assert message in str(error.value)


def test_weights() -> None:
    two = ["resnet34", "wide_resnet50_2"]
    assert parse_weights(["a.pth"], ["resnet34"]) == {"resnet34": "a.pth"}
    assert parse_weights(["random"], two) == {"resnet34": "random", "wide_resnet50_2": "random"}
    assert parse_weights(["resnet34=a.pth"], two) == {"resnet34": "a.pth"}
    with pytest.raises(ConfigError, match=r"--weights a\.pth: say which of resnet34, wide_resnet50_2 it is"):
        parse_weights(["a.pth"], two)
    with pytest.raises(ConfigError, match="--weights random: there is no random here, but none"):
        parse_weights(["random"], [])


def test_good_images_alone_measure_nothing(tmp_path: Path) -> None:
    texture_files(tmp_path / "train" / "good", 3)
    texture_files(tmp_path / "test" / "good", 2, seed=1)
    with pytest.raises(DatasetError, match="good and defective ones to measure on"):
        read_category(Section(data="lbot", categories=("lbot",)), "lbot", tmp_path)
