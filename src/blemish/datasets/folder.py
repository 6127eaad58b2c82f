"""Data sets that are folders of images."""

from os import PathLike
from pathlib import Path

from blemish.datasets.checks import check_dataset
from blemish.datasets.sample import GOOD, Dataset, Sample
from blemish.errors import DatasetError
from blemish.images import find_images

FolderPath = str | PathLike[str]


def read_folder(root: FolderPath) -> Dataset:
    """Read a folder of images; its layout is told by what it holds.

    With a `train` or `test` folder inside, the MVTec layout: `train/good`, `test/good`, `test/<defect>` and,
    optionally, `ground_truth/<defect>/<name>_mask.png`. Otherwise the images directly in the folder, or in
    its only subfolder `good`, are all good ones to learn from.

    Raises:
        DatasetError: no images, good and defective ones mixed up, or masks that do not match.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; give the folder that holds the images.")
    name = folder.resolve().name
    if (folder / "train").is_dir() or (folder / "test").is_dir():
        dataset = Dataset(name, _read_train(folder), _read_test(folder))
    else:
        dataset = Dataset(name, [Sample(path, label=0) for path in _plain_good(folder)])
    check_dataset(dataset, str(folder))
    return dataset


def read_good_bad(good: FolderPath, bad: FolderPath) -> Dataset:
    """Read a folder of good and one of defective images, to measure on: both become `test`.

    Images directly in `bad` have the folder's name as their kind of defect, those in a subfolder the
    subfolder's. To learn from `good`, use `read_folder(good)`.

    Raises:
        DatasetError: one of them is not a folder or holds no images.
    """
    good_folder, bad_folder = Path(good), Path(bad)
    good_samples = [Sample(path, label=0) for path in find_images(good_folder)]
    bad_samples = _defective(bad_folder, bad_folder.resolve().name)
    for folder in _image_folders(bad_folder):
        bad_samples += _defective(folder, folder.name)
    for folder, samples in ((good_folder, good_samples), (bad_folder, bad_samples)):
        if not samples:
            raise DatasetError(f"{folder} holds no images; give a folder with PNG, JPEG, BMP, TIFF or WebP.")
    dataset = Dataset(good_folder.resolve().parent.name, [], good_samples + bad_samples)
    check_dataset(dataset, str(good_folder))
    return dataset


def _defective(folder: Path, kind: str) -> list[Sample]:
    return [Sample(path, label=1, defect=kind) for path in find_images(folder)]


def _image_folders(folder: Path) -> list[Path]:
    """The subfolders that hold images, sorted; none where there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(
        child
        for child in folder.iterdir()
        if child.is_dir() and not child.name.startswith(".") and find_images(child)
    )


def _plain_good(folder: Path) -> list[Path]:
    images = find_images(folder)
    kinds = [child.name for child in _image_folders(folder)]
    others = [kind for kind in kinds if kind != GOOD]
    if GOOD in kinds and (images or others):
        beside = ", ".join(others) or "images of unknown kind"
        raise DatasetError(
            f"{folder} holds {GOOD!r} beside {beside}; give {folder / GOOD} to learn from, "
            "or sort the images into train/good and test/<defect>."
        )
    if GOOD in kinds:
        return find_images(folder / GOOD)
    if not images and kinds:
        raise DatasetError(
            f"{folder} holds images only in its subfolders ({', '.join(kinds)}); "
            "give the subfolder with the good ones, or sort them into train/good and test/<defect>."
        )
    return images


def _read_train(root: Path) -> list[Sample]:
    train = root / "train"
    if not train.is_dir():
        return []
    stray = [folder.name for folder in _image_folders(train) if folder.name != GOOD]
    if stray:
        raise DatasetError(
            f"{train} holds {', '.join(stray)}, but a model learns from good images only; "
            "move other folders to test/."
        )
    if find_images(train):
        raise DatasetError(f"{train} holds images outside {train / GOOD}; move the good ones there.")
    if not (train / GOOD).is_dir():
        raise DatasetError(f"{train / GOOD} is missing; put the good images to learn from there.")
    return [Sample(path, label=0) for path in find_images(train / GOOD)]


def _read_test(root: Path) -> list[Sample]:
    test = root / "test"
    if test.is_dir() and find_images(test):
        raise DatasetError(f"{test} holds images of unknown kind; move them to test/good or test/<defect>.")
    masks = _masks(root / "ground_truth")
    samples = [
        Sample(path, int(folder.name != GOOD), folder.name, masks.get((folder.name, path.stem)))
        for folder in _image_folders(test)
        for path in find_images(folder)
    ]
    images = {(sample.defect, sample.path.stem) for sample in samples}
    for (kind, stem), mask in masks.items():
        if (kind, stem) not in images:
            raise DatasetError(f"{mask} has no image {test / kind / stem}.*; add it or remove the mask.")
    return samples


def _masks(root: Path) -> dict[tuple[str, str], Path]:
    """Mask files by kind of defect and image name: `000_mask.png` or `000.png` belongs to `000.*`."""
    return {
        (folder.name, path.stem.removesuffix("_mask")): path
        for folder in _image_folders(root)
        if folder.name != GOOD
        for path in find_images(folder)
    }
