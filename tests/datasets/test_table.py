"""Tables of images: what the columns mean, and the row and column named in every complaint."""

from pathlib import Path

import pytest
from PIL import Image

from blemish.datasets import Sample, read_dataset, read_table
from blemish.errors import DatasetError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(5):
        Image.new("L", (40 + number, 40)).save(tmp_path / f"{number}.png")
    return tmp_path


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "parts.csv"
    path.write_text(text, encoding=encoding)
    return path


def test_all_columns(folder: Path) -> None:
    rows = "path,label,mask,split\n0.png,good,,train\n1.png,0,,test\n2.png,dent,2.png,test\n"
    dataset = read_dataset(table(folder, rows))
    assert dataset.name == "parts"
    assert dataset.train == [Sample(folder / "0.png", label=0)]
    dent = Sample(folder / "2.png", label=1, defect="dent", mask=folder / "2.png")
    assert dataset.test == [Sample(folder / "1.png", label=0), dent]


def test_without_split_good_ones_train_and_defective_ones_test(folder: Path) -> None:
    dataset = read_table(table(folder, "label,path\ngood,0.png\n1,1.png\nGood,2.png\nscratch,3.png\n"))
    assert [sample.path.name for sample in dataset.train] == ["0.png", "2.png"]
    kinds = {sample.path.name: sample.defect for sample in dataset.test}
    assert kinds == {"1.png": "defect", "3.png": "scratch"}


LABELS = (
    "good=good 0=good 0.0=good OK=good 0.Normal=good 1=defect 1.0=defect Bad=defect defect=defect Dent=Dent"
)


@pytest.mark.parametrize("label", LABELS.split())
def test_labels(folder: Path, label: str) -> None:
    given, kind = label.split("=")
    (sample,) = read_table(table(folder, f"path,label,split\n0.png,{given},test\n")).test
    assert (sample.label, sample.defect) == (kind != "good", kind)


def test_accents_may_be_composed_in_another_way(folder: Path) -> None:
    apart, composed = "scha\u0308den.png", "sch\u00e4den.png"
    (folder / "0.png").rename(folder / apart)
    dataset = read_table(table(folder, f"path,label,mask\n{composed},dent,{composed}\n"))
    assert dataset.test == [Sample(folder / apart, 1, "dent", folder / apart)]
    twice = f"path,label\n{composed},good\n{apart},good\n"
    with pytest.raises(DatasetError, match="repeats the image of row 2"):
        read_table(table(folder, twice))


def test_spreadsheets_add_marks_spaces_and_blank_lines(folder: Path) -> None:
    text = "Path, Label ,Split\r\n 0.png , good , Train \r\n\r\n"
    dataset = read_table(table(folder, text, encoding="utf-8-sig"))
    assert dataset.train == [Sample(folder / "0.png", label=0)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has the columns none; it needs a header row with path and label"),
        ("0.png,good\n", "has the columns 0.png, good; it needs a header row"),
        ("path;label\n0.png;good\n", "has the columns path;label; it needs a header row"),
        ("path,label,colour\n", "it may have each of path, label, mask, split, part once"),
        ("path,label,label\n", "it may have each of path, label, mask, split, part once"),
        ("path,label\n", "holds no images"),
        ("path,label\n0.png\n", "row 2 has 1 cells; it needs 2."),
        ("path,label\n0.png,good\n9.png,good\n", "row 3, column path: 9.png is not a file"),
        ("path,label\n,good\n", "row 2, column path: nothing is not a file"),
        ("path,label\n0.png,\n", "row 2, column label: is empty"),
        ("path,label,mask\n0.png,dent,9.png\n", "row 2, column mask: 9.png is not a file"),
        (f"path,label\n{'x' * 300}.png,good\n", "x.png is not a file; give an image file."),
        ("path,label\na\0.png,good\n", "row 2, column path: a\0.png is not a file"),
        (f"path,label,mask\n0.png,dent,{'x' * 300}\n", "x is not a file; give a mask file"),
        ("path,label,split\n0.png,good,valid\n", "row 2, column split: is 'valid'; write train or test."),
        ("path,label,split\n0.png,dent,train\n", "row 2, column split: puts a defective image into training"),
        ("path,label\n0.png,good\n./0.png,bad\n", "row 3, column path: repeats the image of row 2"),
        ("path,label,mask\n0.png,dent,1.png\n", "1.png is 41 x 40 pixels, but"),
        ('path,label\n"0.png,good\n', "cannot be read"),
    ],
)
def test_the_fault_is_named(folder: Path, text: str, sentence: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read_table(table(folder, text))
    assert sentence in str(caught.value)
    assert "parts.csv" in str(caught.value) or "1.png" in str(caught.value)


@pytest.mark.parametrize("name", ["parts.csv", "gone.csv", "a\0.csv", "x" * 300 + ".csv"])
def test_a_table_that_is_not_text_or_not_there(folder: Path, name: str) -> None:
    (folder / "parts.csv").write_bytes(b"\xff\xfe\x00path")
    with pytest.raises(DatasetError, match=r"\.csv cannot be read .*save it as a UTF-8 \.csv"):
        read_table(folder / name)
