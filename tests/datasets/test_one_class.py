"""One class held out: which images are learnt from, which are measured on, and what is refused."""

import shutil
from pathlib import Path

import pytest

from blemish.datasets import GOOD, Dataset, leave_one_class_out, read_folder, read_one_class
from blemish.datasets.one_class import split
from blemish.datasets.published import CLASSES
from tests.datasets.support import refused, write


def paths(part: str, classes: tuple[str, ...], count: int) -> dict[str, list[Path]]:
    return {key: [Path(part, key, f"{index:05}.png") for index in range(count)] for key in classes}


def names(dataset: Dataset, part: str, root: Path) -> list[str]:
    return [sample.path.relative_to(root).as_posix() for sample in getattr(dataset, part)]


@pytest.mark.parametrize(
    ("name", "train", "test", "counts"),
    [("cifar10", 5000, 1000, (45_000, 9_000, 6_000)), ("stl10", 500, 800, (4_500, 7_200, 1_300))],
)
def test_the_counts_of_the_paper(name: str, train: int, test: int, counts: tuple[int, int, int]) -> None:
    images = [paths(part, CLASSES[name], count) for part, count in (("train", train), ("test", test))]
    dataset = leave_one_class_out(name, *images, "cat")
    good = [sample for sample in dataset.test if sample.label == 0]
    abnormal = [sample for sample in dataset.test if sample.label == 1]
    assert (len(dataset.train), len(good), len(abnormal)) == counts
    assert dataset.name == f"{name} without cat" and dataset.test == good + abnormal
    assert all(sample.label == 0 and sample.defect == GOOD for sample in dataset.train + good)
    assert all(sample.path.parts[0] == "train" for sample in dataset.train)
    assert all(sample.path.parent.name != "cat" for sample in dataset.train + good)
    assert all(sample.defect == sample.path.parent.name == "cat" for sample in abnormal)
    assert [sample.path.parts[0] for sample in abnormal] == ["train"] * train + ["test"] * test
    assert len({sample.path for sample in dataset.train + dataset.test}) == 10 * (train + test)


def test_the_class_held_out_may_be_in_one_part_only() -> None:
    some, other = paths("train", ("a",), 2), paths("test", ("a", "b"), 1)
    dataset = leave_one_class_out("letters", some, other, "b")
    assert [sample.path for sample in dataset.test] == [Path("test/a/00000.png"), Path("test/b/00000.png")]


@pytest.mark.parametrize(
    ("train", "test", "held_out", "sentence"),
    [
        ("a b good", "a b good", "c", "letters has no class 'c' to hold out; choose one of: a, b, good."),
        ("a b good", "a b good", "good", "class 'good' of letters cannot be the abnormal one"),
        ("a OK", "a OK", "OK", "class 'OK' of letters cannot be the abnormal one"),
        ("a b good", "a good", "a", "no test images of class 'b'; every class but the one held out needs"),
        ("b", "a b good", "a", "letters has no training images of class 'good'"),
        ("a", "a", "a", "letters holds images of a alone, but holding one class out needs at least two"),
    ],
)
def test_classes_that_cannot_be_used(train: str, test: str, held_out: str, sentence: str) -> None:
    splits = [paths(part, tuple(classes.split()), 1) for part, classes in (("train", train), ("test", test))]
    assert sentence in refused(leave_one_class_out, "letters", *splits, held_out)


def test_class_folders_in_train_and_test(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = tmp_path / "letters"
    files = [f"{part}/{key}/{index}.png" for part in ("train", "test") for key in "cab" for index in (1, 0)]
    write(root, *files, "train/a/deep/9.png", "notes/0.png")
    dataset = read_one_class(str(root), "b")
    unused = f"1 image ({root / 'notes/0.png'})."
    assert caplog.messages == [f"Beside train, test lie images that are not used: {unused}"]
    assert dataset.name == "letters without b"
    in_order = [
        [f"{part}/{key}/{index}.png" for key in keys for index in (0, 1)]
        for part, keys in (("train", "ac"), ("test", "ac"), ("train", "b"), ("test", "b"))
    ]
    in_order[0].insert(2, "train/a/deep/9.png")
    assert names(dataset, "train", root) == in_order[0]
    assert names(dataset, "test", root) == in_order[1] + in_order[2] + in_order[3]


def test_class_folders_alone_are_divided_alike_whatever_is_held_out(tmp_path: Path) -> None:
    write(tmp_path, *(f"{key}/{index}.png" for key in "abc" for index in range(7)))
    without_a, without_c = read_one_class(tmp_path, "a"), read_one_class(tmp_path, "c")
    assert without_a == read_one_class(tmp_path, "a")
    for dataset in (without_a, without_c):
        assert len(dataset.train) == 10
        assert [sample.label for sample in dataset.test] == [0] * 4 + [1] * 7
    b_to_learn = [name for name in names(without_a, "train", tmp_path) if name.startswith("b")]
    assert b_to_learn == [name for name in names(without_c, "train", tmp_path) if name.startswith("b")]


@pytest.mark.parametrize(("count", "test"), [(0, 0), (1, 1), (2, 1), (5, 1), (6, 2), (1000, 200)])
def test_every_fifth_image_is_for_testing_and_that_never_changes(count: int, test: int) -> None:
    images = [Path(f"{index:03}.png") for index in range(count)]
    to_learn, to_test = split(images)
    assert len(to_test) == test
    assert sorted(to_learn + to_test) == images
    assert (to_learn, to_test) == (sorted(to_learn), sorted(to_test))
    # what a model was fitted to must stay so in later versions of Python and of the package
    assert split([Path(str(index)) for index in range(10)])[1] == [Path("4"), Path("7")]


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ("a/0.png b/0.png 1.png", "1.png) beside its class folders; move them into one"),
        ("train/a/0.png train/1.png test/a/2.png", "train/1.png) beside its class folders"),
        ("train/a/0.png train/b/0.png", "test is missing; give both train/<class> and test/<class>"),
        ("test/a/0.png test/b/0.png", "train is missing; give both"),
        ("train/a/0.png train/b/0.png test/b/1.png", "no test images of class 'a'"),
        ("a/0.png b/1.png", "no training images of class 'a'"),
        ("train/good/0.png test/good/1.png", "needs at least two"),
    ],
)
def test_mixed_up_class_folders(tmp_path: Path, files: str, sentence: str) -> None:
    assert sentence in refused(read_one_class, write(tmp_path, *files.split()), "b")


def test_abnormal_images_are_never_learnt_from(tmp_path: Path) -> None:
    write(tmp_path, *(f"{part}/{key}/{part}.png" for part in ("train", "test") for key in "ab"))
    shutil.copy(tmp_path / "train/a/train.png", tmp_path / "test/a/twin.png")
    assert len(read_one_class(tmp_path, "b").test) == 4
    shutil.copy(tmp_path / "train/a/train.png", tmp_path / "test/b/twin.png")
    sentence = refused(read_one_class, tmp_path, "b")
    assert "twin.png in the class held out is the same image as" in sentence
    assert "train.png in the training set; remove one." in sentence


def test_class_folders_without_a_class_held_out(tmp_path: Path) -> None:
    write(tmp_path, "a/x/0.png", "a/y/0.png", "b/train/x/0.png", "b/train/y/0.png", "c/train/x/0.png")
    hint = ", or, if these are classes, hold one out with --held-out."
    assert refused(read_folder, tmp_path / "a").endswith("train/good and test/<defect>" + hint)
    assert refused(read_folder, tmp_path / "b").endswith("move other folders to test/" + hint)
    assert "--held-out" not in refused(read_folder, tmp_path / "c")
    write(tmp_path, "b/train/good/0.png")
    assert "--held-out" not in refused(read_folder, tmp_path / "b")
