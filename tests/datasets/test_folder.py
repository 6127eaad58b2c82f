"""Folders of images: every layout, and every sentence about one that cannot be used."""

import shutil
from pathlib import Path

import pytest

from blemish.datasets import GOOD, Dataset, Sample, check_trainable, read_folder, read_good_bad
from blemish.errors import ImageError
from tests.datasets.support import refused, write, write_mask

SCREW = Path(__file__).parents[3] / "shared" / "data" / "mvtec" / "screw"


def test_the_mvtec_layout(parts_folder: Path) -> None:
    dataset = read_folder(parts_folder)
    assert dataset.name == "parts"
    good = parts_folder / "train" / "good"
    assert dataset.train == [Sample(good / f"{index:03}.png", label=0) for index in range(8)]
    kinds = [sample.defect for sample in dataset.test]
    assert kinds == [kind for kind in ("good", "hole", "missing", "scratch", "stain") for _ in range(2)]
    for sample in dataset.test:
        assert sample.label == (sample.defect != GOOD)
        mask = parts_folder / "ground_truth" / sample.defect / f"{sample.path.stem}_mask.png"
        assert sample.mask == (mask if sample.label else None)


def test_the_layout_of_lbot(tmp_path: Path) -> None:
    counts = {"train/0.normal": 4, "test/0.normal": 2, "test/1.abnormal": 3}
    files = [f"{folder}/{index}.png" for folder, count in counts.items() for index in range(count)]
    write(tmp_path, *files)
    mask = write_mask(tmp_path / "ground_truth/1.abnormal/1_mask.png")
    dataset = read_folder(tmp_path)
    assert [(sample.label, sample.defect) for sample in dataset.train] == [(0, GOOD)] * 4
    assert [(sample.label, sample.defect) for sample in dataset.test] == [(0, GOOD)] * 2 + [
        (1, "abnormal")
    ] * 3
    assert [sample.mask for sample in dataset.test] == [None, None, None, mask, None]
    assert [sample.path.parent.name for sample in read_folder(tmp_path / "train").train] == ["0.normal"] * 4
    bad = read_good_bad(tmp_path / "test/0.normal", tmp_path / "test/1.abnormal")
    assert [sample.defect for sample in bad.test] == [GOOD] * 2 + ["abnormal"] * 3


MIXED = ["train/0.normal/0.png", "test/0.normal/1.png", "test/dent/2.png", "test/2.bent/3.png"]


@pytest.mark.parametrize(
    ("files", "train", "kinds"),
    [
        (["a.bmp", "b.png", ".hidden.png"], ["a.bmp", "b.png"], []),
        (["good/a.png", "good/b.png"], ["a.png", "b.png"], []),
        (["good/a.png", "good/day0/b.png", "OK/day1/deep/c.png"], ["c.png", "a.png", "b.png"], []),
        (["test/good/0.png", "test/dent/0.png"], [], ["dent", GOOD]),
        (
            ["train/good/0.png", *(f"train/good/day{day}/1.png" for day in range(2))],
            ["0.png", "1.png", "1.png"],
            [],
        ),
        (["train/ok/0.png", "test/OK/1.png", "test/ko/2.png"], ["0.png"], [GOOD, "ko"]),
        (["train/Normal/0.png", "test/normal/1.png", "test/good/3.png"], ["0.png"], [GOOD, GOOD]),
        (
            ["train/good/0.png", "test/0/1.png", "test/good/2.png", "test/dent/cam1/3.png"],
            ["0.png"],
            ["0", "dent", GOOD],
        ),
        (MIXED, ["0.png"], [GOOD, "2.bent", "dent"]),
    ],
)
def test_other_layouts(tmp_path: Path, files: list[str], train: list[str], kinds: list[str]) -> None:
    write(tmp_path / "nuts", *files)
    (tmp_path / "nuts" / "notes.txt").touch()
    dataset = read_folder(str(tmp_path / "nuts"))
    assert dataset.name == "nuts"
    assert [sample.path.name for sample in dataset.train] == train
    assert [sample.defect for sample in dataset.test] == kinds
    assert all(sample.label == (sample.defect != GOOD) for sample in dataset.train + dataset.test)


def test_a_folder_called_good_is_good_throughout_and_what_is_not_used_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, "train/good/0.png", "train/good/day0/1.png", "validation/good/2.png", "3.png")
    (tmp_path / "train/good/4.gif").touch()
    assert len(read_folder(tmp_path / "train/good").train) == 2
    (told,) = caplog.messages
    assert told.startswith("1 file is passed over") and f"{tmp_path}/train/good/4.gif" in told
    caplog.clear()
    assert len(read_folder(tmp_path).train) == 2
    unused = f"2 images (the first is {tmp_path / '3.png'})."
    assert caplog.messages[1:] == [f"Beside train, test, ground_truth lie images that are not used: {unused}"]


@pytest.mark.parametrize(
    ("images", "masks", "chosen"),
    [
        ("a.jpg b.png", "a.png", {"a.jpg": "a.png"}),
        ("0.png 0_mask.png", "0.png 0_mask.png", {"0.png": "0.png", "0_mask.png": "0_mask.png"}),
        (
            "0.png 0_mask.png",
            "0_mask.png 0_mask_mask.png",
            {"0.png": "0_mask.png", "0_mask.png": "0_mask_mask.png"},
        ),
        ("0_mask.png", "0_mask.png", {"0_mask.png": "0_mask.png"}),
        ("cam1/0.png cam2/0.png", "cam2/0_mask.png", {"cam2/0.png": "cam2/0_mask.png"}),
        ("0.png 1.png", "0/000.png 0/001.png 1/000.png", {"0.png": "0", "1.png": "1"}),
        ("scha\u0308den.png", "sch\u00e4den_mask.png", {"scha\u0308den.png": "sch\u00e4den_mask.png"}),
    ],
)
def test_each_image_has_its_mask(tmp_path: Path, images: str, masks: str, chosen: dict[str, str]) -> None:
    write(tmp_path, "train/good/9.png", *(f"test/dent/{name}" for name in images.split()))
    for name in (
        "good/0.png",
        *(f"dent/{name}" for name in masks.split()),
    ):  # of good images they say nothing
        write_mask(tmp_path / "ground_truth" / name)
    found = {
        str(sample.path.relative_to(tmp_path / "test/dent")): str(
            sample.mask.relative_to(tmp_path / "ground_truth/dent")
        )
        for sample in read_folder(tmp_path).test
        if sample.mask
    }
    assert found == chosen


@pytest.mark.parametrize(
    ("images", "masks", "side", "sentence"),
    [
        ("0.png", "0_mask.png", 50, "0_mask.png is 50 x 50 pixels, but"),
        ("0.png", "0_mask.png", 20, "0.png is 40 x 40; give the mask the size of its image."),
        ("0.png", "1_mask.png", 40, "test/dent/1.*; add it or remove the mask."),
        ("", "1_mask.png", 40, "1_mask.png has no image"),
        ("0.png", "0.png 0_mask.png", 40, "0_mask.png are masks of the same image; remove one."),
        ("0.png 0.jpg", "0_mask.png", 40, "0_mask.png; rename one of them."),
        ("0.png 0_mask.png", "0_mask.png", 40, "dent/0.png; rename it or one of them."),
        ("0.png", "0/000.png 0_mask.png", 40, "dent/0_mask.png are masks of the same image; remove one."),
        ("0.png", "0/000.png 0/001.png", 50, "0/000.png is 50 x 50 pixels, but"),
        ("0.png", "cam1/0.png", 40, "test/dent/cam1/0.*; add it or remove the mask."),
    ],
)
def test_masks_that_do_not_match(tmp_path: Path, images: str, masks: str, side: int, sentence: str) -> None:
    write(tmp_path, "train/good/9.png", *(f"test/dent/{name}" for name in images.split()))
    assert len(read_folder(tmp_path).test) == len(images.split())
    for name in masks.split():
        write_mask(tmp_path / "ground_truth/dent" / name, (side, side))
    assert sentence in refused(read_folder, tmp_path)


def test_an_unreadable_mask_is_told_at_once_and_an_image_when_it_is_loaded(tmp_path: Path) -> None:
    write(tmp_path, "train/good/0.png", "test/dent/0.png")
    mask = write_mask(tmp_path / "ground_truth/dent/0_mask.png")
    (tmp_path / "test/dent/0.png").write_text("no image")
    assert len(read_folder(tmp_path).test) == 1
    mask.write_text("no mask")
    with pytest.raises(ImageError, match=r"0_mask\.png is not a PNG"):
        read_folder(tmp_path)


def test_the_same_image_in_train_and_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "train/good/0.png", "test/good/1.png")
    for part in ("train", "test"):  # empty files are no twins
        (tmp_path / part / "good/9.png").touch()
    assert len(read_folder(tmp_path).test) == 2
    shutil.copy(tmp_path / "train/good/0.png", tmp_path / "test/good/2.png")
    sentence = refused(read_folder, tmp_path)
    assert "2.png in the test set is the same image as" in sentence
    assert "0.png in the training set; remove one." in sentence

    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)  # told when the image is loaded
    assert len(read_folder(tmp_path).test) == 3


def test_two_good_images_are_the_least_to_learn_from(tmp_path: Path) -> None:
    dataset = read_folder(write(tmp_path / "nuts", "0.png"))
    assert "nuts has 1 good image to learn from; give at least 2" in refused(check_trainable, dataset)
    assert "has 0 good images" in refused(check_trainable, Dataset("none"))
    check_trainable(read_folder(write(tmp_path / "nuts", "1.png")))
    dent = Dataset("nuts", [*dataset.train, Sample(tmp_path / "dent.png", label=1)])
    assert "dent.png is defective but meant for training; move it" in refused(check_trainable, dent)


def test_good_and_bad_are_read_with_all_their_subfolders(tmp_path: Path) -> None:
    write(tmp_path / "line", "fine/0.png", "fine/monday/1.png", "rejects/2.png", "rejects/dent/deep/3.png")
    dataset = read_good_bad(tmp_path / "line/fine", tmp_path / "line/rejects")
    assert (dataset.name, dataset.train) == ("line", [])
    seen = [(sample.path.stem, sample.label, sample.defect) for sample in dataset.test]
    assert seen == [("0", 0, "good"), ("1", 0, "good"), ("2", 1, "rejects"), ("3", 1, "dent")]


@pytest.mark.parametrize(
    ("good", "bad", "sentence"),
    [
        ("a", "a", "overlap; give two folders side by side."),
        ("a", "a/b", "overlap; give two folders side by side."),
        ("a/b", "a", "overlap; give two folders side by side."),
        ("a/b/../b", "a/b", "overlap; give two folders side by side."),
        ("a", "empty", "empty holds no images"),
        ("empty", "a", "empty holds no images"),
        ("a", "gone", "gone is not a folder"),
        ("a", "bad", "2.png is in a folder 'Good' but given as bad; rename that."),
        ("a", "twin", "2.png in the bad folder is the same image as"),
    ],
)
def test_good_and_bad_that_cannot_be_used(tmp_path: Path, good: str, bad: str, sentence: str) -> None:
    write(tmp_path, "a/0.png", "a/b/1.png", "bad/Good/2.png", "twin/dent/2.png", "empty/.hidden.png")
    shutil.copy(tmp_path / "a/0.png", tmp_path / "twin/dent/2.png")
    assert sentence in refused(read_good_bad, tmp_path / good, tmp_path / bad)


def test_the_real_screws() -> None:
    if not SCREW.is_dir():
        pytest.skip("the MVTec screw images are not beside the repository")
    dataset = read_folder(SCREW)
    assert len(dataset.train) == 320
    assert [sample.label for sample in dataset.test].count(0) == 41
    assert [sample.label for sample in dataset.test].count(1) == 119
    assert all((sample.mask is None) == (sample.label == 0) for sample in dataset.test)
