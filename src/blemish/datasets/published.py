"""Published data sets of classes, by name: CIFAR10 and STL10, downloaded and checked by torchvision."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from blemish.errors import DatasetError, explained
from blemish.extras import install_command

CLASSES = {
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    "stl10": ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"),
}
ARCHIVES = {"cifar10": "cifar-10-python.tar.gz", "stl10": "stl10_binary.tar.gz"}
PUBLISHED = tuple(CLASSES)

log = logging.getLogger(__name__)


def unpack(name: str, root: Path) -> Path:
    """The folder below `root` with a published set's images, as PNG files in class folders.

    The first call uses what torchvision left in `root`, or else the archive there, or else downloads the
    archive into it. Only the labelled images are written, to `<name>-images/<train or test>/<class>`; a
    file's name is its number in that split. The folder takes its name when it is whole; later calls find it.

    CIFAR10's archive holds pickles, which torchvision opens after checking their published MD5 sums.

    Raises:
        DatasetError: torchvision is missing, the archive is damaged or cannot be downloaded, or the folder
            cannot be written or is full.
    """
    images = root / f"{name}-images"
    if images.is_dir():
        return images
    try:
        import torchvision.datasets  # noqa: F401
    except ImportError as error:
        raise DatasetError(f"{name} is read with torchvision: {install_command('train')}.") from error
    log.info(f"Unpacking {name} to {images}, once.")
    unusable = explained(
        DatasetError,
        lambda reason: f"{root} cannot be used ({reason}); make room or name another folder with --data DIR.",
        OSError,
    )
    with unusable:
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{name}-", dir=root) as folder:
            whole = Path(folder) / "images"
            for split, pictures in _splits(name, root, Path(folder)).items():
                _write(pictures, CLASSES[name], whole / split)
            try:
                whole.rename(images)
            except OSError:
                if not images.is_dir():  # else another process was faster
                    raise
    return images


def _splits(name: str, root: Path, temporary: Path) -> dict[str, Any]:
    """The labelled images, in torchvision's hands; what has to be extracted for that goes to `temporary`."""
    from torchvision.datasets.utils import check_integrity, extract_archive

    with suppress(RuntimeError):  # torchvision's word for not there, or not whole
        return _open(name, root, download=False)
    archive = root / ARCHIVES[name]
    if archive.exists():
        if not check_integrity(archive, _class(name).tgz_md5):
            raise DatasetError(
                f"{archive} is damaged (not the published checksum); put a whole {archive.name} there, or "
                "name the folder that holds one with --data DIR."
            )
        extract_archive(archive, temporary)
        return _open(name, temporary, download=False)
    unreachable = explained(
        DatasetError,
        lambda reason: (
            f"{name} could not be downloaded ({reason}); put {archive.name} into {root}, or name the folder "
            "that holds it with --data DIR."
        ),
        *(OSError, RuntimeError, HTTPException),
    )
    with unreachable:
        splits = _open(name, temporary, download=True)
    (temporary / archive.name).replace(archive)
    return splits


def _class(name: str) -> Any:
    from torchvision import datasets

    return datasets.CIFAR10 if name == "cifar10" else datasets.STL10


def _open(name: str, folder: Path, *, download: bool) -> dict[str, Any]:
    read = _class(name)
    if name == "cifar10":
        return {split: read(folder, train=split == "train", download=download) for split in ("train", "test")}
    return {split: read(folder, split=split, download=download) for split in ("train", "test")}


def _write(pictures: Any, classes: tuple[str, ...], folder: Path) -> None:
    """Write each picture of a torchvision data set into its class's folder."""
    for name in classes:
        (folder / name).mkdir(parents=True)

    def save(index: int) -> None:
        picture, label = pictures[index]
        picture.save(folder / classes[label] / f"{index:05}.png")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(save, range(len(pictures))):
            pass  # only for the error of one that fails, which also cancels the others
