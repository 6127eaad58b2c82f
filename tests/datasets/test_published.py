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
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blemish.datasets import read_dataset
from blemish.datasets.published import ARCHIVES, CLASSES, PUBLISHED, unpack
from blemish.extras import install_command
from tests.datasets.support import refused as sentence_of

datasets = pytest.importorskip("torchvision.datasets")

Make = Callable[[str], dict[tuple[str, str, str], np.ndarray]]


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes an archive in `tmp_path` of 30 pictures to learn from and 20 to test on, the classes in turn, and
    torchvision expect its checksums; gives the pictures by split, class and file name."""

    def make(name: str) -> dict[tuple[str, str, str], np.ndarray]:
        rng, cifar10 = np.random.default_rng(0), name == "cifar10"
        side, kind = (32, datasets.CIFAR10) if cifar10 else (96, datasets.STL10)
        files = {"class_names.txt": "\n".join(CLASSES[name]).encode(), "unlabeled_X.bin": b"not read"}
        files["batches.meta"] = pickle.dumps({"label_names": list(CLASSES[name])})
        expected = {}
        for part, batch, count in (("train", "data_batch_1", 30), ("test", "test_batch", 20)):
            pictures, labels = rng.integers(0, 256, (count, 3, side, side), np.uint8), np.arange(count) % 10
            data = {"data": pictures.reshape(count, -1), "labels": labels.tolist()}
            files[batch] = pickle.dumps(data)
            files[f"{part}_X.bin"] = pictures.transpose(0, 1, 3, 2).tobytes()
            files[f"{part}_y.bin"] = (labels + 1).astype(np.uint8).tobytes()
            for index, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
                expected[part, CLASSES[name][label], f"{index:05}.png"] = picture.transpose(1, 2, 0)
        archive = tmp_path / kind.filename
        with tarfile.open(archive, "w:gz") as tar:
            for file, content in files.items():
                entry = tarfile.TarInfo(f"{kind.base_folder}/{file}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        for listed in ("train_list", "test_list"):
            checked = [[file, md5(files[file])] for file, _ in getattr(kind, listed) if file in files]
            monkeypatch.setattr(kind, listed, checked)
        monkeypatch.setattr(kind, "tgz_md5", md5(archive.read_bytes()))
        if cifar10:
            monkeypatch.setattr(kind, "meta", kind.meta | {"md5": md5(files["batches.meta"])})
        return expected

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
    name: str, tiny: Make, offline: None, tmp_path: Path, monkeypatch, caplog
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
    assert unpack(name, tmp_path) == folder and len(caplog.messages) == 1


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_torchvision_extracted_is_used(name: str, tiny: Make, offline: None, tmp_path: Path) -> None:
    tiny(name)
    with tarfile.open(tmp_path / ARCHIVES[name]) as tar:
        tar.extractall(tmp_path, filter="data")
    (tmp_path / ARCHIVES[name]).unlink()
    assert len(list(unpack(name, tmp_path).rglob("*.png"))) == 50


def test_the_archive_is_downloaded_and_kept(tiny: Make, tmp_path: Path, monkeypatch) -> None:
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


def test_what_is_not_there_damaged_or_forbidden_is_named(
    tiny: Make, offline: None, tmp_path: Path, monkeypatch
) -> None:
    for name in PUBLISHED:
        sentence = refused(name, tmp_path / "cache")
        assert f"{name} could not be downloaded (<urlopen error no route to host>)" in sentence
        assert f"; put {ARCHIVES[name]} into {tmp_path / 'cache'}, or name the folder" in sentence
    assert names(tmp_path / "cache") == []
    tiny("cifar10")
    archive = tmp_path / ARCHIVES["cifar10"]
    assert f"{ARCHIVES['cifar10']} cannot be used (" in refused("cifar10", archive)
    archive.write_bytes(archive.read_bytes()[:1000])
    damaged = f"{archive} is damaged (not the published checksum); put a whole cifar-10-python.tar.gz"
    assert damaged in refused("cifar10", tmp_path)
    assert names(tmp_path) == ["cache", ARCHIVES["cifar10"]]
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    assert install_command("train") in sentence_of(unpack, "stl10", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_full_disk_leaves_nothing_behind(tiny: Make, offline: None, tmp_path: Path, monkeypatch) -> None:
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


def test_another_process_may_be_faster(tiny: Make, tmp_path: Path, monkeypatch) -> None:
    tiny("cifar10")
    rename = Path.rename

    def late(self: Path, target: Path) -> Path:
        (target / "train").mkdir(parents=True)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    assert unpack("cifar10", tmp_path) == tmp_path / "cifar10-images"
    assert names(tmp_path / "cifar10-images") == ["train"]


def test_a_published_set_by_name(tiny: Make, offline: None, tmp_path: Path, monkeypatch) -> None:
    tiny("cifar10")
    dataset = read_dataset("cifar10", held_out="cat", data_root=tmp_path)
    assert dataset.name == "cifar10 without cat"
    assert len(dataset.train) == 27
    assert [sample.label for sample in dataset.test] == [0] * 18 + [1] * 5
    abnormal = [f"{index:05}.png" for index in (3, 13, 23, 3, 13)]
    assert [sample.path.name for sample in dataset.test[18:]] == abnormal
    (tmp_path / ".cache" / "blemish").mkdir(parents=True)
    unpack("cifar10", tmp_path).rename(tmp_path / ".cache" / "blemish" / "cifar10-images")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert len(read_dataset("cifar10", held_out="cat").train) == 27
    (tmp_path / ".cache" / "blemish" / "cifar10-images").rename(tmp_path / "cifar10")
    monkeypatch.chdir(tmp_path)
    assert read_dataset("cifar10", held_out="dog").train[0].path == Path("cifar10/train/airplane/00000.png")
