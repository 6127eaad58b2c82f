"""What a user may name as a data set, and what does not go with it."""

from pathlib import Path

import pytest

from blemish.datasets import Dataset, Sample, read_dataset, read_folder, read_one_class, read_test_data
from tests.datasets.support import refused, write


def test_a_folder_a_table_and_a_data_set(tmp_path: Path) -> None:
    folder = write(tmp_path / "letters", "a/0.png", "a/1.png", "b/2.png")
    (tmp_path / "parts.csv").write_text("path,label\nletters/a/0.png,good\n")
    assert read_dataset(folder / "a") == read_folder(folder / "a")
    assert read_dataset(str(folder), held_out="b") == read_one_class(folder, "b")
    table = read_dataset(tmp_path / "parts.csv")
    assert table == Dataset("parts", [Sample(folder / "a/0.png", label=0)])
    assert read_dataset(table) is table


def test_nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes.txt").touch()
    gone = "gone does not exist; give a folder of images or a .csv table"
    for options in ({}, {"held_out": "a"}):
        assert gone in refused(read_dataset, tmp_path / "gone", **options)
    assert "neither a folder nor a .csv table" in refused(read_dataset, tmp_path / "notes.txt")
    for read in (read_dataset, read_folder):
        assert "cannot be opened (File name too long)" in refused(read, tmp_path / ("x" * 300))
        assert "; give " in refused(read, tmp_path / "a\0b")

    def forbidden(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", forbidden)
    assert "cannot be opened (Permission denied); check the path" in refused(read_dataset, tmp_path)


def test_what_does_not_go_together(tmp_path: Path) -> None:
    (tmp_path / "letters.csv").write_text("path,label\n")
    assert "--held-out needs class folders, but" in refused(
        read_dataset, tmp_path / "letters.csv", held_out="a"
    )
    assert "--data is for cifar10 and stl10, but" in refused(read_dataset, tmp_path, data_root=tmp_path)
    assert "do not go with the Dataset none" in refused(read_dataset, Dataset("none"), held_out="a")


@pytest.mark.parametrize("held_out", [None, "kat"])
def test_a_published_set_needs_a_class_before_anything_is_downloaded(
    held_out: str | None, tmp_path: Path
) -> None:
    told = refused(read_dataset, "stl10", held_out=held_out, data_root=tmp_path / "cache")
    assert told.startswith(
        "stl10 has no class 'kat'; say which" if held_out else "Say which class to hold out: "
    )
    assert "--held-out with one of airplane, bird, car, cat, deer, dog, horse, monkey," in told
    assert not (tmp_path / "cache").exists()


def test_without_a_home_folder_a_published_set_has_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    told = refused(read_dataset, "cifar10", held_out="cat")
    assert told == "There is no home folder to keep cifar10 in; name a folder with --data DIR."


def test_data_to_measure_on(tmp_path: Path) -> None:
    root = write(tmp_path, "test/good/0.png", "test/dent/1.png", "plain/2.png")
    assert read_test_data(root, None, None) == read_folder(root)
    good_and_bad = read_test_data(None, root / "test/good", root / "test/dent")
    assert [sample.label for sample in good_and_bad.test] == [0, 1]
    for arguments in ((None, None, None), (root, root, root), (None, root, None)):
        assert refused(read_test_data, *arguments).startswith("Give either DATA or both --good and --bad")
    assert "--held-out and --data go with DATA" in refused(read_test_data, None, root, root, held_out="a")
    assert "plain holds no test images; add test/good" in refused(read_test_data, root / "plain", None, None)
