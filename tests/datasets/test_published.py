"""CIFAR10 and STL10: torchvision's own readers over tiny archives in the published formats."""

import hashlib
import http.server
import io
import pickle
import sys
import tarfile
import threading
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blemish.datasets import read_dataset
from blemish.datasets.published import ARCHIVES, CLASSES, PUBLISHED, unpack
from blemish.errors import DatasetError
from tests.datasets.support import refused as sentence_of

datasets = pytest.importorskip("torchvision.datasets")

Pictures = dict[tuple[str, str, str], np.ndarray]


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def archive(path: Path, folder: str, files: dict[str, bytes]) -> str:
    """Write the archive; its checksum."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return md5(path.read_bytes())


def pictures(name: str, per_class: dict[str, int]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each split random pictures, uint8 [N, 3, S, S], and their labels, the classes in turn."""
    side = 32 if name == "cifar10" else 96
    rng = np.random.default_rng(0)
    return {
        part: (rng.integers(0, 256, (10 * count, 3, side, side), np.uint8), np.tile(np.arange(10), count))
        for part, count in per_class.items()
    }


def cifar10_files(parts: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, bytes]:
    files = {
        file: pickle.dumps({"data": parts[part][0].reshape(-1, 3072), "labels": parts[part][1].tolist()})
        for part, file in (("train", "data_batch_1"), ("test", "test_batch"))
    }
    return files | {"batches.meta": pickle.dumps({"label_names": list(CLASSES["cifar10"])})}


def stl10_files(parts: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, bytes]:
    files = {"unlabeled_X.bin": b"not read", "class_names.txt": "\n".join(CLASSES["stl10"]).encode()}
    for part, (images, labels) in parts.items():
        files[f"{part}_X.bin"] = np.ascontiguousarray(images.transpose(0, 1, 3, 2)).tobytes()
        files[f"{part}_y.bin"] = (labels + 1).astype(np.uint8).tobytes()
    return files


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes an archive of a few images in `tmp_path`, and torchvision expect its checksums."""

    def make(name: str) -> Pictures:
        parts = pictures(name, {"train": 3, "test": 2})
        files = cifar10_files(parts) if name == "cifar10" else stl10_files(parts)
        kind = datasets.CIFAR10 if name == "cifar10" else datasets.STL10

        def checked(listed: list[list[str]]) -> list[list[str]]:
            return [[file, md5(files[file])] for file, _ in listed if file in files]

        monkeypatch.setattr(kind, "train_list", checked(kind.train_list))
        monkeypatch.setattr(kind, "test_list", checked(kind.test_list))
        monkeypatch.setattr(kind, "tgz_md5", archive(tmp_path / kind.filename, kind.base_folder, files))
        if name == "cifar10":
            monkeypatch.setattr(kind, "meta", kind.meta | {"md5": md5(files["batches.meta"])})
        return {
            (part, CLASSES[name][label], f"{index:05}.png"): image.transpose(1, 2, 0)
            for part, (images, labels) in parts.items()
            for index, (image, label) in enumerate(zip(images, labels, strict=True))
        }

    return make


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", unreachable)


def refused(name: str, root: Path) -> str:
    told = sentence_of(unpack, name, root)
    assert "--data DIR" in told
    return told


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_archive_becomes_folders_of_images_once(
    name: str,
    tiny,
    offline: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    expected = tiny(name)
    caplog.set_level("INFO", "blemish")
    folder = unpack(name, tmp_path)
    assert folder == tmp_path / f"{name}-images"
    assert caplog.messages == [f"Unpacking {name} to {folder}, once."]
    written = {path.relative_to(folder).parts: path for path in folder.rglob("*.png")}
    assert written.keys() == expected.keys()
    for key, path in written.items():
        assert np.array_equal(np.asarray(Image.open(path)), expected[key])
    assert names(tmp_path) == sorted([ARCHIVES[name], f"{name}-images"])
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert unpack(name, tmp_path) == folder
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_torchvision_extracted_is_used(name: str, tiny, offline: None, tmp_path: Path) -> None:
    tiny(name)
    with tarfile.open(tmp_path / ARCHIVES[name]) as tar:
        tar.extractall(tmp_path, filter="data")
    (tmp_path / ARCHIVES[name]).unlink()
    assert len(list(unpack(name, tmp_path).rglob("*.png"))) == 50


def test_the_archive_is_downloaded_and_kept(tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny("cifar10")
    content = (tmp_path / ARCHIVES["cifar10"]).read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}/{ARCHIVES['cifar10']}"
        monkeypatch.setattr(datasets.CIFAR10, "url", url)
        unpack("cifar10", tmp_path / "new" / "folder")
        monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", "0" * 32)
        sentence = refused("cifar10", tmp_path / "other")
        server.shutdown()
    assert names(tmp_path / "new" / "folder") == ["cifar-10-python.tar.gz", "cifar10-images"]
    assert "could not be downloaded (File not found or corrupted); put cifar-10-python.tar.gz" in sentence
    assert names(tmp_path / "other") == []


@pytest.mark.parametrize("name", PUBLISHED)
def test_no_network(name: str, offline: None, tmp_path: Path) -> None:
    sentence = refused(name, tmp_path / "cache")
    assert f"{name} could not be downloaded (<urlopen error no route to host>)" in sentence
    assert f"; put {ARCHIVES[name]} into {tmp_path / 'cache'}, or name the folder" in sentence
    assert names(tmp_path / "cache") == []


def test_a_damaged_archive_is_named_and_left_alone(tiny, offline: None, tmp_path: Path) -> None:
    tiny("cifar10")
    path = tmp_path / ARCHIVES["cifar10"]
    path.write_bytes(path.read_bytes()[:1000])
    sentence = refused("cifar10", tmp_path)
    assert f"{path} is damaged (not the published checksum); put a whole cifar-10-python.tar.gz" in sentence
    assert names(tmp_path) == [ARCHIVES["cifar10"]]


def test_a_full_disk_leaves_nothing_behind(
    tiny, offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny("cifar10")
    save = Image.Image.save

    def fail_midway(self: Image.Image, path: Path) -> None:
        if path.name == "00007.png":
            raise OSError(28, "No space left on device")
        save(self, path)

    monkeypatch.setattr(Image.Image, "save", fail_midway)
    assert f"{tmp_path} cannot be used (No space left on device); make room" in refused("cifar10", tmp_path)
    assert names(tmp_path) == [ARCHIVES["cifar10"]]
    monkeypatch.setattr(Image.Image, "save", save)
    assert len(list(unpack("cifar10", tmp_path).rglob("*.png"))) == 50


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "file cannot be used (" in refused("cifar10", tmp_path / "file")


def test_another_process_may_be_faster(tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny("cifar10")
    rename = Path.rename

    def late(self: Path, target: Path) -> Path:
        (target / "train").mkdir(parents=True)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    assert unpack("cifar10", tmp_path) == tmp_path / "cifar10-images"
    assert names(tmp_path / "cifar10-images") == ["train"]


def test_torchvision_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(DatasetError, match=r'run: pip install "blemish\[train\]"'):
        unpack("stl10", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_published_set_by_name(
    tiny, offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny("cifar10")
    dataset = read_dataset("cifar10", held_out="cat", data_root=tmp_path)
    assert dataset.name == "cifar10 without cat"
    assert len(dataset.train) == 27
    assert [sample.label for sample in dataset.test] == [0] * 18 + [1] * 5
    assert [sample.path.name for sample in dataset.test[18:]] == [
        f"{index:05}.png" for index in (3, 13, 23, 3, 13)
    ]
    unpack("cifar10", tmp_path).rename(tmp_path / "cifar10")
    monkeypatch.chdir(tmp_path)
    assert read_dataset("cifar10", held_out="dog").train[0].path == Path("cifar10/train/airplane/00000.png")
