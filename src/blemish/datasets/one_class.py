"""Data sets of classes, one of which is held out as the abnormal one."""

import random
from pathlib import Path

from blemish.datasets.checks import check_disjoint
from blemish.datasets.folder import by_folder, counted, find_all, is_folder, tell_unused
from blemish.datasets.sample import Dataset, Sample, is_good
from blemish.errors import DatasetError, choice
from blemish.images.finding import FilePath

Classes = dict[str, list[Path]]


def leave_one_class_out(name: str, train: Classes, test: Classes, held_out: str) -> Dataset:
    """Make one class abnormal and all others normal.

    To learn from are the training images of the other classes. To measure on are, in this order, the test
    images of the other classes (good), the training images and the test images of the held-out class (its
    name is the kind of defect). Classes are taken by name, images in the order given. The held-out class may
    be missing in one of `train` and `test`.

    Raises:
        DatasetError: fewer than two classes, no such class, or another class without training or test images.
    """
    classes = sorted(key for key in train.keys() | test.keys() if train.get(key) or test.get(key))
    if len(classes) < 2:
        raise DatasetError(
            f"{name} holds images of {classes[0] if classes else 'nothing'} alone, but holding one class out "
            "needs at least two classes; make a folder for each."
        )
    if held_out not in classes:
        raise DatasetError(f"{name} has no class {held_out!r} to hold out; {choice(held_out, classes)}")
    if is_good(held_out):
        raise DatasetError(
            f"The class {held_out!r} of {name} cannot be the abnormal one; hold out another, or rename it."
        )
    normal = [key for key in classes if key != held_out]
    for split, images in (("training", train), ("test", test)):
        for key in normal:
            if not images.get(key):
                raise DatasetError(
                    f"{name} has no {split} images of class {key!r}; every class but the one held out "
                    "needs some to learn from and some to measure on."
                )
    abnormal = [*train.get(held_out, []), *test.get(held_out, [])]
    return Dataset(
        f"{name} without {held_out}",
        train=[Sample(path, label=0) for key in normal for path in train[key]],
        test=[Sample(path, label=0) for key in normal for path in test[key]]
        + [Sample(path, label=1, defect=held_out) for path in abnormal],
    )


def read_one_class(root: FilePath, held_out: str) -> Dataset:
    """Read a folder of class folders (see `read_classes`) with one class held out.

    Abnormal images that are also training images, byte for byte, are refused. Normal test images are not
    checked: published sets hold duplicates across their own splits (CIFAR10 does), and `evaluate` notes the
    images that a model was fitted to.

    Raises:
        DatasetError: the classes cannot be used (see `leave_one_class_out`), images lie beside the class
            folders, or one is both normal and abnormal.
    """
    folder = Path(root)
    dataset = leave_one_class_out(folder.resolve().name, *read_classes(folder), held_out)
    abnormal = [sample for sample in dataset.test if sample.label == 1]
    check_disjoint((dataset.train, "the training set"), (abnormal, "the class held out"))
    return dataset


def read_classes(root: Path) -> tuple[Classes, Classes]:
    """Training and test images of a folder, by class; within a class they are sorted by path.

    With a `train` or `test` folder inside, `train/<class>` and `test/<class>`. Otherwise each folder inside
    is a class, and of each class one image in five is for testing: see `split`.

    Raises:
        DatasetError: not a folder, only one of `train` and `test`, or images beside the class folders.
    """
    parts, found = (root / "train", root / "test"), by_folder(find_all(root), root)
    if not any(is_folder(part) for part in parts):
        splits = {key: split(images) for key, images in _classes(root, found).items()}
        return {key: pair[0] for key, pair in splits.items()}, {key: pair[1] for key, pair in splits.items()}
    for part in parts:
        if not is_folder(part):
            raise DatasetError(
                f"{part} is missing; give both train/<class> and test/<class>, or class folders only."
            )
    tell_unused(found, [part.name for part in parts])
    train, test = (_classes(part, by_folder(found.get(part.name, []), part)) for part in parts)
    return train, test


def split(images: list[Path]) -> tuple[list[Path], list[Path]]:
    """Divide a class's images into training and test: every fifth of a fixed permutation is for testing.

    The permutation depends on the number of images alone, so the same folder is divided alike to fit and to
    evaluate, whichever class is held out.
    """
    order = list(range(len(images)))
    random.Random(0).shuffle(order)
    test = set(order[::5])
    return (
        [image for index, image in enumerate(images) if index not in test],
        [image for index, image in enumerate(images) if index in test],
    )


def _classes(folder: Path, found: Classes) -> Classes:
    if beside := found.get(""):
        raise DatasetError(
            f"{folder} holds {counted(beside)} beside its class folders; move them into one of these."
        )
    return found
