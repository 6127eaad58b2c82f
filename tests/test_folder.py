"""Folders of images: both layouts, and every sentence about one that cannot be used."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blemish.datasets import GOOD, Dataset, Sample, check_trainable, read_dataset, read_folder, read_good_bad
from blemish.errors import DatasetError, ImageError

SCREW = Path(__file__).parents[2] / "shared" / "data" / "mvtec" / "screw"


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
    assert "nuts has 1 good images to learn from; give at least 2" in refused(check_trainable, dataset)
    assert "has 0 good images" in refused(check_trainable, Dataset("none"))
    check_trainable(read_folder(write(tmp_path / "nuts", "1.png")))


def test_the_real_screws() -> None:
    if not SCREW.is_dir():
        pytest.skip("the MVTec screw images are not beside the repository")
    dataset = read_folder(SCREW)
    assert len(dataset.train) == 320
    assert [sample.label for sample in dataset.test].count(0) == 41
    assert [sample.label for sample in dataset.test].count(1) == 119
    assert all((sample.mask is None) == (sample.label == 0) for sample in dataset.test)
