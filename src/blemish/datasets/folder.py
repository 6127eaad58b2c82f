"""Data sets that are folders of images."""

from pathlib import Path

from blemish.datasets.checks import check_dataset, check_disjoint
from blemish.datasets.sample import GOOD, Dataset, Sample
from blemish.errors import DatasetError
from blemish.images.finding import FilePath, find_images, list_folder, path_errors

GOOD_FOLDERS = (GOOD, "0.normal")
ABNORMAL_FOLDER = "1.abnormal"


def read_folder(root: FilePath) -> Dataset:
    """Read a folder of images; its layout is told by what it holds.

    With a `train` or `test` folder inside, the MVTec layout: `train/good`, `test/good`, `test/<defect>` and,
    optionally, `ground_truth/<defect>/<name>_mask.png`. Otherwise the images directly in the folder, or in
    its only subfolder `good`, are all good ones to learn from.

    In both, `0.normal` may stand for `good` throughout, as in the layout of LBOT and Skip-GANomaly; the kind
    of defect in a folder `1.abnormal` is "abnormal".

    Raises:
        DatasetError: no images, good and defective ones mixed up, or masks that do not match.
    """
    folder = Path(root)
    list_folder(folder)
    name = folder.resolve().name
    if is_folder(folder / "train") or is_folder(folder / "test"):
        dataset = Dataset(name, _read_train(folder, _good_name(folder)), _read_test(folder))
    else:
        dataset = Dataset(name, [Sample(path, label=0) for path in _plain_good(folder)])
    check_dataset(dataset, str(folder))
    return dataset


def read_good_bad(good: FilePath, bad: FilePath) -> Dataset:
    """Read a folder of good and one of defective images, to measure on: both become `test`.

    Both are read with all their subfolders. Images directly in `bad` have the folder's name as their kind of
    defect, the others that of the subfolder of `bad`. To learn from `good`, use `read_folder(good)`.

    Raises:
        DatasetError: one of them is not a folder, holds no images, or shares images with the other.
    """
    good_folder, bad_folder = Path(good), Path(bad)
    good_samples = [Sample(path, label=0) for _, path in _by_subfolder(good_folder)]
    bad_samples = [Sample(path, label=1, defect=_kind(name)) for name, path in _by_subfolder(bad_folder)]
    good_root, bad_root = good_folder.resolve(), bad_folder.resolve()
    if good_root.is_relative_to(bad_root) or bad_root.is_relative_to(good_root):
        raise DatasetError(f"{good_folder} and {bad_folder} overlap; give two folders side by side.")
    for folder, samples in ((good_folder, good_samples), (bad_folder, bad_samples)):
        if not samples:
            raise DatasetError(f"{folder} holds no images; give a folder with PNG, JPEG, BMP, TIFF or WebP.")
    for sample in bad_samples:
        if sample.defect.lower() in GOOD_FOLDERS:
            raise DatasetError(
                f"{sample.path} is in a folder {sample.defect!r} but given as bad; rename that."
            )
    check_disjoint((good_samples, "the good folder"), (bad_samples, "the bad folder"))
    return Dataset(good_root.parent.name, [], good_samples + bad_samples)


def _by_subfolder(folder: Path) -> list[tuple[str, Path]]:
    """All images below a folder, each with the name of the subfolder it is in, or else of the folder."""
    images = [(folder.resolve().name, path) for path in find_images(folder)]
    for child in list_folder(folder)[1]:
        images += [(child.name, path) for path in find_images(child, recursive=True)]
    return images


def is_folder(path: Path) -> bool:
    """Whether there is a folder.

    Raises:
        DatasetError: the system will not say (the path is forbidden or too long).
    """
    with path_errors(path, DatasetError):
        return path.is_dir()


def image_folders(folder: Path) -> list[Path]:
    """The subfolders that hold images, sorted; none where there is no such folder.

    Raises:
        DatasetError: a folder may not be listed.
    """
    if not is_folder(folder):
        return []
    return [child for child in list_folder(folder)[1] if find_images(child)]


def _good_name(root: Path) -> str:
    """What the folders of good images are called."""
    parts = (root / "train", root / "test")
    names = [name for name in GOOD_FOLDERS if any(is_folder(part / name) for part in parts)]
    if len(names) > 1:
        raise DatasetError(
            f"{root} holds folders named {' and '.join(map(repr, names))}; use one name for all."
        )
    return names[0] if names else GOOD


def _kind(folder_name: str) -> str:
    return "abnormal" if folder_name == ABNORMAL_FOLDER else folder_name


def _plain_good(folder: Path) -> list[Path]:
    images = find_images(folder)
    kinds = [child.name for child in image_folders(folder)]
    good = next((name for name in GOOD_FOLDERS if name in kinds), None)
    others = [kind for kind in kinds if kind != good]
    if good and (images or others):
        beside = ", ".join(others) or "images of unknown kind"
        raise DatasetError(
            f"{folder} holds {good!r} beside {beside}; give {folder / good} to learn from, "
            "or sort the images into train/good and test/<defect>."
        )
    if good:
        return find_images(folder / good)
    if not images and kinds:
        raise DatasetError(
            f"{folder} holds images only in its subfolders ({', '.join(kinds)}); "
            "give the subfolder with the good ones, or sort them into train/good and "
            f"test/<defect>{_classes(kinds)}."
        )
    return images


def _classes(folders: list[str]) -> str:
    """How a sentence ends where the folders may be classes."""
    return ", or, if these are classes, hold one out with --held-out" if len(folders) > 1 else ""


def _read_train(root: Path, good: str) -> list[Sample]:
    train = root / "train"
    if not is_folder(train):
        return []
    stray = [folder.name for folder in image_folders(train) if folder.name != good]
    if stray:
        hint = "" if is_folder(train / good) else _classes(stray)
        raise DatasetError(
            f"{train} holds {', '.join(stray)}, but a model learns from good images only; "
            f"move other folders to test/{hint}."
        )
    if find_images(train):
        raise DatasetError(f"{train} holds images outside {train / good}; move the good ones there.")
    if not is_folder(train / good):
        raise DatasetError(f"{train / good} is missing; put the good images to learn from there.")
    return [Sample(path, label=0) for path in find_images(train / good)]


def _read_test(root: Path) -> list[Sample]:
    test = root / "test"
    if is_folder(test):
        if find_images(test):
            raise DatasetError(
                f"{test} holds images of unknown kind; move them to test/good or test/<defect>."
            )
        for folder in list_folder(test)[1]:
            name = folder.name.lower()
            if name in GOOD_FOLDERS and name != folder.name:
                raise DatasetError(f"{folder} would count as a kind of defect; rename it to {name!r}.")
    masks = _masks(root / "ground_truth")
    samples = [
        Sample(path, label=0)
        if folder.name in GOOD_FOLDERS
        else Sample(path, 1, _kind(folder.name), masks.get((folder.name, path.stem)))
        for folder in image_folders(test)
        for path in find_images(folder)
    ]
    images: dict[tuple[str, str], Path] = {}
    for sample in samples:
        other = images.setdefault((sample.path.parent.name, sample.path.stem), sample.path)
        if sample.mask and other != sample.path:
            raise DatasetError(f"{other} and {sample.path} share the mask {sample.mask}; rename one of them.")
    for (kind, stem), mask in masks.items():
        if (kind, stem) not in images:
            raise DatasetError(f"{mask} has no image {test / kind / stem}.*; add it or remove the mask.")
    return samples


def _masks(root: Path) -> dict[tuple[str, str], Path]:
    """Mask files by kind of defect and image name: `000_mask.png` or `000.png` belongs to `000.*`."""
    masks: dict[tuple[str, str], Path] = {}
    for folder in image_folders(root):
        if folder.name in GOOD_FOLDERS:
            continue
        for path in find_images(folder):
            other = masks.setdefault((folder.name, path.stem.removesuffix("_mask")), path)
            if other != path:
                raise DatasetError(f"{other} and {path} are masks of the same image; remove one.")
    return masks
