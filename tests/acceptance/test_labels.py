"""People's labels: trials, words, and the row and column named in every complaint."""

from pathlib import Path

import pytest

from blemish.acceptance.labels import read_labels
from blemish.datasets.golden import read_golden
from blemish.errors import DatasetError
from tests.acceptance.support import LOW, detector_of

NAMES = ("good/07/1.png", "good/07/2.png", "good/a.png", "dent/09/1.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    detector_of(tmp_path / "golden", dict.fromkeys(NAMES, LOW))
    return tmp_path


def labels(folder: Path, text: str) -> dict[str, dict[str, list[bool]]]:
    table = folder / "labels.csv"
    table.write_text(text, encoding="utf-8")
    return read_labels(table, read_golden(folder / "golden"))


def test_repeated_rows_are_trials_and_pictures_stand_for_their_part(folder: Path) -> None:
    expected = {"Ann": {"07": [False, True]}, "Bo": {"09": [True], "good/a.png": [False]}}
    rows = "Ann,{0},good\nBo,{1},defective\nAnn,{0},bad\nBo,good/a.png,ok\n"
    assert labels(folder, "person,part,label\n" + rows.format("07", "09")) == expected
    assert labels(folder, "person,path,label\n" + rows.format("good/07/2.png", "dent/09/1.png")) == expected
    absolute = folder.resolve() / "golden" / "good/a.png"
    assert labels(folder, f"person,path,label\nBo,{absolute},0\n") == {"Bo": {"good/a.png": [False]}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("part,person,label\n08,Ann,good", "row 2, column part: 08 is not in golden"),
        ("path,person,label\ngood/b.png,Ann,good", "row 2, column path: good/b.png is not in golden"),
        ("path,person,label\n,Ann,good", "row 2, column path: nothing is not in golden"),
        ("part,person,label\n07,Ann,perhaps", "row 2, column label: is perhaps; write good or defective"),
        ("part,person,label\n07,Ann,", "column label: is nothing"),
        ("part,person,label\n07,,good", "column person: is empty"),
        ("part,person,label\n07,the inspection,good", "column person: is the inspection"),
        ("part,label\n07,good", "needs a header row with person and label"),
        ("person,label\nAnn,good", "needs a column path or a column part"),
        ("part,path,person,label\n07,good/a.png,Ann,good", "and not both"),
        ("part,person,label\n", "holds no labels"),
    ],
)
def test_the_fault_is_named(folder: Path, text: str, words: str) -> None:
    with pytest.raises(DatasetError) as caught:
        labels(folder, text)
    assert words in str(caught.value)
