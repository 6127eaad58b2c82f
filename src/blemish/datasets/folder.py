"""Data sets that are folders of images."""

import logging
import unicodedata
from collections.abc import Collection
from pathlib import Path

from blemish.datasets.checks import check_dataset, check_disjoint
from blemish.datasets.sample import GOOD, Dataset, Sample, is_good
from blemish.errors import DatasetError
from blemish.images.finding import GROUND_TRUTH, FilePath, find_images, list_folder, passed_over, path_errors

ABNORMAL_FOLDER = "1.abnormal"
PARTS = ("train", "test", GROUND_TRUTH)

Images = dict[str, list[Path]]

log = logging.getLogger(__name__)


def read_folder(root: FilePath) -> Dataset:
    """Read a folder of images; its layout is told by what it holds.

    With a `train` or `test` folder inside, the MVTec layout: `train/good`, `test/good`, `test/<defect>` and,
    optionally, `ground_truth/<defect>/<name>_mask.png`, or as MVTec LOCO has them
    `ground_truth/<defect>/<name>/*.png`. Subfolders of these belong to them, and masks lie as their images
    do. Otherwise the images directly in the folder, or all in its only subfolder `good`, or all in a folder
    that is itself called `good`, are good ones to learn from.

    For `good` may stand every name of `GOOD_NAMES`; the kind of defect in a folder `1.abnormal`, as in the
    layout of LBOT and Skip-GANomaly, is "abnormal".

    Raises:
        DatasetError: no images, good and defective ones mixed up, or masks that do not match.
    """
    folder = Path(root)
    images = by_folder(find_all(folder), folder)
    name = folder.resolve().name
    if is_folder(folder / "train") or is_folder(folder / "test"):
        train, test, masks = (by_folder(images.get(part, []), folder / part) for part in PARTS)
        tested = _read_test(folder / "test", test, folder / GROUND_TRUTH, masks)
        dataset = Dataset(name, _read_train(folder / "train", train), tested)
        tell_unused(images, PARTS)
    else:
        dataset = Dataset(name, [Sample(path, label=0) for path in _plain_good(folder, images)])
    check_dataset(dataset, str(folder))
    return dataset


def read_kinds(root: FilePath) -> Dataset:
    """Read a folder that holds `good` and a folder for each kind of defect, to measure on: all become `test`.

    Further sub-folders name the part that their pictures show; `ground_truth` may hold masks.

    Raises:
        DatasetError: images lie outside of these folders.
    """
    folder = Path(root)
    images = by_folder(find_all(folder), folder)
    ground_truth = folder / GROUND_TRUTH
    masks = by_folder(images.pop(GROUND_TRUTH, []), ground_truth)
    return Dataset(folder.resolve().name, test=_read_test(folder, images, ground_truth, masks))


def read_good_bad(good: FilePath, bad: FilePath) -> Dataset:
    """Read a folder of good and one of defective images, to measure on: both become `test`.

    Both are read with all their subfolders. Images directly in `bad` have the folder's name as their kind of
    defect, the others that of the subfolder of `bad`. To learn from `good`, use `read_folder(good)`.

    Raises:
        DatasetError: one of them is not a folder, holds no images, or shares images with the other.
    """
    good_folder, bad_folder = Path(good), Path(bad)
    good_samples = [Sample(path, label=0) for path in find_all(good_folder)]
    bad_samples = [
        Sample(path, label=1, defect=_kind(name or bad_folder.resolve().name))
        for name, paths in by_folder(find_all(bad_folder), bad_folder).items()
        for path in paths
    ]
    good_root, bad_root = good_folder.resolve(), bad_folder.resolve()
    if good_root.is_relative_to(bad_root) or bad_root.is_relative_to(good_root):
        raise DatasetError(f"{good_folder} and {bad_folder} overlap; give two folders side by side.")
    for folder, samples in ((good_folder, good_samples), (bad_folder, bad_samples)):
        if not samples:
            raise DatasetError(f"{folder} holds no images; give a folder with PNG, JPEG, BMP, TIFF or WebP.")
    for sample in bad_samples:
        if is_good(sample.defect):
            raise DatasetError(
                f"{sample.path} is in a folder {sample.defect!r} but given as bad; rename that."
            )
    check_disjoint((good_samples, "the good folder"), (bad_samples, "the bad folder"))
    return Dataset(good_root.parent.name, [], good_samples + bad_samples)


def find_all(folder: Path) -> list[Path]:
    """`find_images`; pictures in other formats are told.

    Raises:
        DatasetError: there is no such folder, or one below it may not be listed.
    """
    others: list[str] = []
    images = find_images(folder, others)
    if others:
        log.warning(passed_over(others))
    return images


def by_folder(images: list[Path], folder: Path) -> Images:
    """Images by the subfolder of `folder` below which they lie, sorted; "" has those directly in `folder`."""
    groups: Images = {}
    for path in images:
        parts = path.relative_to(folder).parts
        groups.setdefault(parts[0] if len(parts) > 1 else "", []).append(path)
    return dict(sorted(groups.items()))


def counted(images: list[Path]) -> str:
    """How many they are, and the first."""
    return (
        f"1 image ({images[0]})" if len(images) == 1 else f"{len(images)} images (the first is {images[0]})"
    )


def tell_unused(images: Images, parts: Collection[str]) -> None:
    """Tell how many images lie beside these parts of a data set."""
    if unused := [path for part, paths in images.items() if part not in parts for path in paths]:
        log.warning(f"Beside {', '.join(parts)} lie images that are not used: {counted(unused)}.")


def is_folder(path: Path) -> bool:
    """Whether there is a folder.

    Raises:
        DatasetError: the system will not say (the path is forbidden or too long).
    """
    with path_errors(path, DatasetError):
        return path.is_dir()


def _kind(folder_name: str) -> str:
    return "abnormal" if folder_name == ABNORMAL_FOLDER else folder_name


def _plain_good(folder: Path, images: Images) -> list[Path]:
    everything = [path for paths in images.values() for path in paths]
    if is_good(folder.resolve().name):
        return everything
    direct = images.get("", [])
    good = [name for name in images if is_good(name)]
    others = [name for name in images if name and name not in good]
    if good and (direct or others):
        beside = ", ".join(others) or "images of unknown kind"
        raise DatasetError(
            f"{folder} holds {good[0]!r} beside {beside}; give {folder / good[0]} to learn from, "
            "or sort the images into train/good and test/<defect>."
        )
    if direct and others:
        deeper = counted([path for name in others for path in images[name]])
        raise DatasetError(
            f"{folder} holds images and, in its subfolders, {deeper}; "
            f"move the good ones into {folder / GOOD}, or sort them into train/good and test/<defect>."
        )
    if others:
        raise DatasetError(
            f"{folder} holds images only in its subfolders ({', '.join(others)}); "
            "give the subfolder with the good ones, or sort them into train/good and "
            f"test/<defect>{_classes(others)}."
        )
    return everything


def _classes(folders: list[str]) -> str:
    """How a sentence ends where the folders may be classes."""
    return ", or, if these are classes, hold one out with --held-out" if len(folders) > 1 else ""


def _read_train(train: Path, images: Images) -> list[Sample]:
    if not is_folder(train):
        return []
    good = [folder.name for folder in list_folder(train)[1] if is_good(folder.name)]
    stray = [name for name in images if name and name not in good]
    if stray:
        hint = "" if good else _classes(stray)
        raise DatasetError(
            f"{train} holds {', '.join(stray)}, but a model learns from good images only; "
            f"move other folders to test/{hint}."
        )
    if "" in images:
        raise DatasetError(
            f"{train} holds {counted(images[''])} outside {train / GOOD}; move the good ones there."
        )
    if not good:
        raise DatasetError(f"{train / GOOD} is missing; put the good images to learn from there.")
    return [Sample(path, label=0) for name in good for path in images.get(name, [])]


def _read_test(test: Path, images: Images, ground_truth: Path, masks: Images) -> list[Sample]:
    if "" in images:
        raise DatasetError(
            f"{test} holds {counted(images[''])} of unknown kind; "
            f"move them to {test / GOOD} or {test / '<defect>'}."
        )
    if "0" in images and not any(map(is_good, images)):
        raise DatasetError(
            f"{test / '0'} may hold good images or defects; rename it to good, or to the kind."
        )
    by_key: Images = {}
    for path in (path for paths in images.values() for path in paths):
        by_key.setdefault(_key(path, test), []).append(path)
    files = [path for kind, paths in masks.items() if not is_good(kind) for path in paths]
    mask_of = _match(files, by_key, ground_truth, test)
    return [
        Sample(path, label=0, part=_part(path, test))
        if is_good(kind)
        else Sample(path, 1, _kind(kind), mask_of.get(_key(path, test)), _part(path, test))
        for kind, paths in images.items()
        for path in paths
    ]


def _part(path: Path, test: Path) -> str:
    """The sub-folders below the kind, or ""."""
    return "/".join(path.relative_to(test).parts[1:-1])


def _key(path: Path, folder: Path) -> str:
    """What an image and its mask have in common; systems differ in how they compose the accents of a name."""
    return unicodedata.normalize("NFC", path.relative_to(folder).with_suffix("").as_posix())


def _match(files: list[Path], images: Images, ground_truth: Path, test: Path) -> dict[str, Path]:
    """The mask of each image, by key: `000_mask.png`, `000.png` or the folder `000` belongs to `000.*`."""
    masks: dict[str, Path] = {}

    def give(mask: Path, key: str) -> None:
        other = masks.setdefault(key, mask)
        if other != mask:
            raise DatasetError(f"{other} and {mask} are masks of the same image; remove one.")
        if len(images[key]) > 1:
            first, second = images[key][:2]
            raise DatasetError(f"{first} and {second} share the mask {mask}; rename one of them.")

    doubtful: list[tuple[Path, list[str]]] = []
    for path in files:
        key = _key(path, ground_truth)
        bare = key.removesuffix("_mask")
        owners = [owner for owner in dict.fromkeys((key, bare)) if owner in images]
        if len(owners) > 1:
            doubtful.append((path, owners))
        elif owners:
            give(path, owners[0])
        elif (folder := key.rpartition("/")[0]) in images:
            give(path.parent, folder)
        else:
            raise DatasetError(f"{path} has no image {test / bare}.*; add it or remove the mask.")
    for path, owners in reversed(doubtful):  # of 0_mask and 0_mask_mask, say, the latter is clear first
        free = [owner for owner in owners if owner not in masks]
        if len(free) > 1:
            first, second = (images[owner][0] for owner in owners)
            raise DatasetError(f"{path} may be the mask of {first} or of {second}; rename it or one of them.")
        give(path, (free or owners)[0])
    return masks
