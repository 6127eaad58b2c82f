"""Folders of images: both layouts, and every sentence about one that cannot be used."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blemish.datasets import GOOD, Dataset, Sample, check_trainable, read_dataset, read_folder, read_good_bad
from blemish.errors import DatasetError, ImageError

SCREW = Path(__file__).parents[3] / "shared" / "data" / "mvtec" / "screw"


def write(root: Path, *names: str, size: tuple[int, int] = (40, 40)) -> Path:
    """Different images of the same size; each name is a path below the root."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        seed = list(str(name).encode())
        pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), np.uint8)
        Image.fromarray(pixels).save(path)
    return root


def write_mask(path: Path, size: tuple[int, int] = (40, 40)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, 255).save(path)
    return path


def refused(read, *arguments: object) -> str:
    with pytest.raises(DatasetError) as caught:
        read(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_mvtec_layout(parts_folder: Path) -> None:
    dataset = read_dataset(parts_folder)
    assert dataset.name == "parts"
    assert dataset.train == [
        Sample(parts_folder / "train/good" / f"{index:03}.png", label=0) for index in range(8)
    ]
    kinds = [sample.defect for sample in dataset.test]
    assert kinds == [kind for kind in ("good", "hole", "missing", "scratch", "stain") for _ in range(2)]
    for sample in dataset.test:
        assert sample.label == (sample.defect != GOOD)
        name = f"{sample.path.stem}_mask.png"
        expected = parts_folder / "ground_truth" / sample.defect / name if sample.label else None
        assert sample.mask == expected


def test_masks_may_be_absent_or_named_like_their_image(tmp_path: Path) -> None:
    write(tmp_path, "train/good/0.png", "test/dent/a.jpg", "test/dent/b.png", "test/dent/c_mask.png")
    masks = tmp_path / "ground_truth" / "dent"
    write_mask(masks / "a.png")
    write_mask(masks / "c_mask_mask.png")
    dataset = read_folder(tmp_path)
    assert [sample.mask and sample.mask.name for sample in dataset.test] == ["a.png", None, "c_mask_mask.png"]


def test_only_a_test_folder_is_enough_to_measure(tmp_path: Path) -> None:
    dataset = read_folder(write(tmp_path, "test/good/0.png", "test/dent/0.png"))
    assert (len(dataset.train), len(dataset.test)) == (0, 2)


def test_a_plain_folder_is_all_good(tmp_path: Path) -> None:
    write(tmp_path / "nuts", "b.png", "a.bmp", ".hidden.png")
    (tmp_path / "nuts" / "notes.txt").touch()
    dataset = read_folder(str(tmp_path / "nuts"))
    assert dataset == Dataset(
        "nuts", [Sample(tmp_path / "nuts" / name, label=0) for name in ("a.bmp", "b.png")], []
    )


def test_a_folder_with_only_good_inside(tmp_path: Path) -> None:
    dataset = read_folder(write(tmp_path, "good/a.png", "good/b.png"))
    assert [sample.path.name for sample in dataset.train] == ["a.png", "b.png"]


def test_good_and_bad_folders(tmp_path: Path) -> None:
    write(tmp_path / "line", "fine/0.png", "rejects/1.png", "rejects/dent/2.png")
    dataset = read_good_bad(tmp_path / "line/fine", tmp_path / "line/rejects")
    assert dataset.name == "line"
    assert dataset.train == []
    assert [(sample.path.name, sample.label, sample.defect) for sample in dataset.test] == [
        ("0.png", 0, "good"),
        ("1.png", 1, "rejects"),
        ("2.png", 1, "dent"),
    ]


def test_the_layout_of_lbot(tmp_path: Path) -> None:
    """A hundredth of its 4000 training, 500 normal and 500 abnormal images."""
    counts = {"train/0.normal": 40, "test/0.normal": 5, "test/1.abnormal": 5}
    write(
        tmp_path, *(f"{folder}/{index:02}.png" for folder, count in counts.items() for index in range(count))
    )
    mask = write_mask(tmp_path / "ground_truth/1.abnormal/03_mask.png")
    dataset = read_dataset(tmp_path)
    assert [(sample.label, sample.defect) for sample in dataset.train] == [(0, GOOD)] * 40
    measured = [(sample.label, sample.defect) for sample in dataset.test]
    assert measured == [(0, GOOD)] * 5 + [(1, "abnormal")] * 5
    assert [sample.mask for sample in dataset.test] == [None] * 8 + [mask, None]
    assert [sample.path.parent.name for sample in read_folder(tmp_path / "train").train] == ["0.normal"] * 40
    bad = read_good_bad(tmp_path / "test/0.normal", tmp_path / "test/1.abnormal")
    assert [sample.defect for sample in bad.test] == [GOOD] * 5 + ["abnormal"] * 5


def test_other_kinds_beside_0_normal_keep_their_names(tmp_path: Path) -> None:
    write(tmp_path, "train/0.normal/0.png", "test/0.normal/1.png", "test/dent/2.png", "test/2.bent/3.png")
    assert [sample.defect for sample in read_folder(tmp_path).test] == [GOOD, "2.bent", "dent"]


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    assert "empty holds no images" in refused(read_dataset, tmp_path / "empty")
    assert "gone does not exist; give a folder of images or a .csv table" in refused(
        read_dataset, tmp_path / "gone"
    )
    assert "neither a folder nor a .csv table" in refused(read_dataset, tmp_path / "notes.txt")
    assert "gone is not a folder" in refused(read_folder, tmp_path / "gone")
    write(tmp_path, "fine/0.png")
    assert "empty holds no images" in refused(read_good_bad, tmp_path / "fine", tmp_path / "empty")
    assert "empty holds no images" in refused(read_good_bad, tmp_path / "empty", tmp_path / "fine")
    assert "gone is not a folder" in refused(read_good_bad, tmp_path / "fine", tmp_path / "gone")


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["train/good/0.png", "train/dent/0.png"], "holds dent, but a model learns from good images only"),
        (["train/good/0.png", "train/1.png"], "holds images outside"),
        (["train/dent/x/0.png"], "good is missing"),
        (["train/good/0.png", "test/1.png"], "holds images of unknown kind"),
        (["good/0.png", "dent/0.png"], "holds 'good' beside dent"),
        (["good/0.png", "1.png"], "holds 'good' beside images of unknown kind"),
        (["0.normal/0.png", "1.abnormal/0.png"], "holds '0.normal' beside 1.abnormal; give"),
        (["good/0.png", "0.normal/0.png"], "holds 'good' beside 0.normal"),
        (["train/good/0.png", "test/0.normal/1.png"], "holds folders named 'good' and '0.normal'; use one"),
        (["train/good/0.png", "train/0.normal/1.png"], "holds folders named 'good' and '0.normal'; use one"),
        (
            ["train/0.normal/0.png", "train/1.abnormal/0.png"],
            "holds 1.abnormal, but a model learns from good",
        ),
        (["train/0.normal/0.png", "test/0.Normal/1.png"], "a kind of defect; rename it to '0.normal'"),
        (["monday/0.png", "tuesday/0.png"], "holds images only in its subfolders (monday, tuesday)"),
    ],
)
def test_mixed_up_folders(tmp_path: Path, names: list[str], sentence: str) -> None:
    assert sentence in refused(read_folder, write(tmp_path, *names))


def test_a_mask_of_another_size(tmp_path: Path) -> None:
    write(tmp_path, "train/good/0.png", "test/dent/0.png", size=(40, 50))
    write_mask(tmp_path / "ground_truth/dent/0_mask.png", (50, 40))
    sentence = refused(read_folder, tmp_path)
    assert "0_mask.png is 50 x 40 pixels, but" in sentence
    assert "0.png is 40 x 50; give the mask the size of its image." in sentence


def test_a_mask_without_its_image(tmp_path: Path) -> None:
    write(tmp_path, "train/good/0.png", "test/dent/0.png", "test/bend/1.png")
    write_mask(tmp_path / "ground_truth/dent/1_mask.png")
    assert "1_mask.png has no image" in refused(read_folder, tmp_path)
    shutil.rmtree(tmp_path / "test")
    assert str(Path("test/dent/1.*; add it or remove the mask.")) in refused(read_folder, tmp_path)


def test_an_unreadable_mask_is_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, "train/good/0.png", "test/dent/0.png")
    write_mask(tmp_path / "ground_truth/dent/0_mask.png").write_text("no mask")
    with pytest.raises(ImageError, match=r"0_mask\.png is not a PNG"):
        read_folder(tmp_path)


def test_an_unreadable_image_is_left_for_loading(tmp_path: Path) -> None:
    write(tmp_path, "train/good/0.png")
    write_mask(tmp_path / "ground_truth/dent/0_mask.png")
    (tmp_path / "test/dent").mkdir(parents=True)
    (tmp_path / "test/dent/0.png").write_text("no image")
    assert len(read_folder(tmp_path).test) == 1


def test_the_same_image_in_train_and_test(tmp_path: Path) -> None:
    write(tmp_path, "train/good/0.png", "test/good/1.png")
    shutil.copy(tmp_path / "train/good/0.png", tmp_path / "test/good/2.png")
    sentence = refused(read_folder, tmp_path)
    assert "2.png in the test set is the same image as" in sentence
    assert "0.png in the training set; remove one." in sentence


def test_empty_files_are_no_twins(tmp_path: Path) -> None:
    write(tmp_path, "train/good/0.png", "test/good/1.png")
    (tmp_path / "train/good/9.png").touch()
    (tmp_path / "test/good/9.png").touch()
    assert len(read_folder(tmp_path).test) == 2


def test_one_image_is_not_enough_to_learn_from(tmp_path: Path) -> None:
    dataset = read_folder(write(tmp_path / "nuts", "0.png"))
    assert "nuts has 1 good image to learn from; give at least 2" in refused(check_trainable, dataset)
    assert "has 0 good images" in refused(check_trainable, Dataset("none"))
    check_trainable(read_folder(write(tmp_path / "nuts", "1.png")))


@pytest.mark.parametrize("name", ["Good", "GOOD"])
def test_good_is_written_in_lower_case(tmp_path: Path, name: str) -> None:
    write(tmp_path, "train/good/0.png", f"test/{name}/1.png")
    assert f"{name} would count as a kind of defect; rename it to 'good'." in refused(read_folder, tmp_path)


def test_two_masks_of_one_image(tmp_path: Path) -> None:
    write(tmp_path, "test/dent/0.png")
    write_mask(tmp_path / "ground_truth/dent/0.png")
    write_mask(tmp_path / "ground_truth/dent/0_mask.png")
    assert "0_mask.png are masks of the same image; remove one." in refused(read_folder, tmp_path)


def test_two_images_of_one_mask(tmp_path: Path) -> None:
    write(tmp_path, "test/dent/0.png", "test/dent/0.jpg")
    assert len(read_folder(tmp_path).test) == 2
    write_mask(tmp_path / "ground_truth/dent/0_mask.png")
    sentence = refused(read_folder, tmp_path)
    assert "0.png share the mask" in sentence
    assert "0_mask.png; rename one of them." in sentence


def test_a_small_mask_is_of_another_size(tmp_path: Path) -> None:
    write(tmp_path, "test/dent/0.png")
    write_mask(tmp_path / "ground_truth/dent/0_mask.png", (20, 20))
    assert "0_mask.png is 20 x 20 pixels, but" in refused(read_folder, tmp_path)


def test_good_and_bad_are_read_with_all_their_subfolders(tmp_path: Path) -> None:
    write(tmp_path, "fine/0.png", "fine/monday/1.png", "bad/dent/deep/2.png")
    dataset = read_good_bad(tmp_path / "fine", tmp_path / "bad")
    kinds = [(sample.path.name, sample.defect) for sample in dataset.test]
    assert kinds == [("0.png", "good"), ("1.png", "good"), ("2.png", "dent")]


@pytest.mark.parametrize(("good", "bad"), [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a/b/../b", "a/b")])
def test_good_and_bad_that_overlap(tmp_path: Path, good: str, bad: str) -> None:
    write(tmp_path, "a/0.png", "a/b/1.png")
    sentence = refused(read_good_bad, tmp_path / good, tmp_path / bad)
    assert "overlap; give two folders side by side." in sentence


def test_the_same_image_in_good_and_bad(tmp_path: Path) -> None:
    write(tmp_path, "fine/0.png", "bad/dent/1.png")
    shutil.copy(tmp_path / "fine/0.png", tmp_path / "bad/dent/2.png")
    sentence = refused(read_good_bad, tmp_path / "fine", tmp_path / "bad")
    assert "2.png in the bad folder is the same image as" in sentence
    assert "0.png in the good folder; remove one." in sentence


def test_good_ones_among_the_bad(tmp_path: Path) -> None:
    write(tmp_path, "fine/0.png", "bad/Good/1.png")
    sentence = refused(read_good_bad, tmp_path / "fine", tmp_path / "bad")
    assert "1.png is in a folder 'Good' but given as bad; rename that." in sentence


@pytest.mark.parametrize("read", [read_dataset, read_folder])
def test_names_that_no_file_system_takes(tmp_path: Path, read) -> None:
    assert "cannot be opened (File name too long)" in refused(read, tmp_path / ("x" * 300))
    assert "; give " in refused(read, tmp_path / "a\0b")


def test_a_forbidden_folder(tmp_path: Path, monkeypatch) -> None:
    def forbidden(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    write(tmp_path, "train/good/0.png")
    monkeypatch.setattr(Path, "iterdir", forbidden)
    assert "cannot be opened (Permission denied); check the path" in refused(read_dataset, tmp_path)


def test_a_forbidden_image_is_left_for_loading(tmp_path: Path, monkeypatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    write(tmp_path, "train/good/0.png")
    (tmp_path / "test/good").mkdir(parents=True)
    shutil.copy(tmp_path / "train/good/0.png", tmp_path / "test/good/1.png")
    monkeypatch.setattr(Path, "open", forbidden)
    assert len(read_folder(tmp_path).test) == 1


def test_the_real_screws() -> None:
    if not SCREW.is_dir():
        pytest.skip("the MVTec screw images are not beside the repository")
    dataset = read_folder(SCREW)
    assert len(dataset.train) == 320
    assert [sample.label for sample in dataset.test].count(0) == 41
    assert [sample.label for sample in dataset.test].count(1) == 119
    assert all((sample.mask is None) == (sample.label == 0) for sample in dataset.test)
