"""Data sets that are folders of images."""

from os import PathLike
from pathlib import Path

from blemish.datasets.checks import check_dataset, check_disjoint
from blemish.datasets.sample import GOOD, Dataset, Sample
from blemish.errors import DatasetError
from blemish.images import find_images, list_folder, path_errors

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
    list_folder(folder)
    name = folder.resolve().name
    if _is_folder(folder / "train") or _is_folder(folder / "test"):
        dataset = Dataset(name, _read_train(folder), _read_test(folder))
    else:
        dataset = Dataset(name, [Sample(path, label=0) for path in _plain_good(folder)])
    check_dataset(dataset, str(folder))
    return dataset


def read_good_bad(good: FolderPath, bad: FolderPath) -> Dataset:
    """Read a folder of good and one of defective images, to measure on: both become `test`.

    Both are read with all their subfolders. Images directly in `bad` have the folder's name as their kind of
    defect, the others that of the subfolder of `bad`. To learn from `good`, use `read_folder(good)`.

    Raises:
        DatasetError: one of them is not a folder, holds no images, or shares images with the other.
    """
    good_folder, bad_folder = Path(good), Path(bad)
    good_samples = [Sample(path, label=0) for _, path in _by_subfolder(good_folder)]
    bad_samples = [Sample(path, label=1, defect=kind) for kind, path in _by_subfolder(bad_folder)]
    good_root, bad_root = good_folder.resolve(), bad_folder.resolve()
    if good_root.is_relative_to(bad_root) or bad_root.is_relative_to(good_root):
        raise DatasetError(f"{good_folder} and {bad_folder} overlap; give two folders side by side.")
    for folder, samples in ((good_folder, good_samples), (bad_folder, bad_samples)):
        if not samples:
            raise DatasetError(f"{folder} holds no images; give a folder with PNG, JPEG, BMP, TIFF or WebP.")
    for sample in bad_samples:
        if sample.defect.lower() == GOOD:
            raise DatasetError(
                f"{sample.path} is in a folder {sample.defect!r} but given as bad; rename that."
            )
    check_disjoint((good_samples, "the good folder"), (bad_samples, "the bad folder"))
    dataset = Dataset(good_root.parent.name, [], good_samples + bad_samples)
    check_dataset(dataset, str(good_folder))
    return dataset


def _by_subfolder(folder: Path) -> list[tuple[str, Path]]:
    """All images below a folder, each with the name of the subfolder it is in, or else of the folder."""
    images = [(folder.resolve().name, path) for path in find_images(folder)]
    for child in list_folder(folder)[1]:
        images += [(child.name, path) for path in find_images(child, recursive=True)]
    return images


def _is_folder(path: Path) -> bool:
    with path_errors(path, DatasetError):
        return path.is_dir()


def _image_folders(folder: Path) -> list[Path]:
    """The subfolders that hold images, sorted; none where there is no such folder."""
    if not _is_folder(folder):
        return []
    return [child for child in list_folder(folder)[1] if find_images(child)]


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
    if not _is_folder(train):
        return []
    stray = [folder.name for folder in _image_folders(train) if folder.name != GOOD]
    if stray:
        raise DatasetError(
            f"{train} holds {', '.join(stray)}, but a model learns from good images only; "
            "move other folders to test/."
        )
    if find_images(train):
        raise DatasetError(f"{train} holds images outside {train / GOOD}; move the good ones there.")
    if not _is_folder(train / GOOD):
        raise DatasetError(f"{train / GOOD} is missing; put the good images to learn from there.")
    return [Sample(path, label=0) for path in find_images(train / GOOD)]


def _read_test(root: Path) -> list[Sample]:
    test = root / "test"
    if _is_folder(test):
        if find_images(test):
            raise DatasetError(
                f"{test} holds images of unknown kind; move them to test/good or test/<defect>."
            )
        for folder in list_folder(test)[1]:
            if folder.name.lower() == GOOD != folder.name:
                raise DatasetError(f"{folder} would count as a kind of defect; rename it to {GOOD!r}.")
    masks = _masks(root / "ground_truth")
    samples = [
        Sample(path, int(folder.name != GOOD), folder.name, masks.get((folder.name, path.stem)))
        for folder in _image_folders(test)
        for path in find_images(folder)
    ]
    images: dict[tuple[str, str], Path] = {}
    for sample in samples:
        other = images.setdefault((sample.defect, sample.path.stem), sample.path)
        if sample.mask and other != sample.path:
            raise DatasetError(f"{other} and {sample.path} share the mask {sample.mask}; rename one of them.")
    for (kind, stem), mask in masks.items():
        if (kind, stem) not in images:
            raise DatasetError(f"{mask} has no image {test / kind / stem}.*; add it or remove the mask.")
    return samples


def _masks(root: Path) -> dict[tuple[str, str], Path]:
    """Mask files by kind of defect and image name: `000_mask.png` or `000.png` belongs to `000.*`."""
    masks: dict[tuple[str, str], Path] = {}
    for folder in _image_folders(root):
        if folder.name == GOOD:
            continue
        for path in find_images(folder):
            other = masks.setdefault((folder.name, path.stem.removesuffix("_mask")), path)
            if other != path:
                raise DatasetError(f"{other} and {path} are masks of the same image; remove one.")
    return masks
