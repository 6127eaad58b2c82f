"""URLs: what they list and hold, and Parquet files written to them, without Ray."""

import os
from pathlib import Path

import pytest

from blemish.errors import BlemishError, DatasetError, ImageError
from blemish.images.reading import read_image
from blemish.images.urls import find_urls
from blemish.inference.detector import Detector
from blemish.inference.inputs import expand_inputs
from blemish.inference.outputs import predict_to_files
from tests.inference.predicted import BATCH, same_scores
from tests.inference.predicted import expected as expected
from tests.inference.predicted import folder as folder
from tests.inference.predicted import model as model

pytest.importorskip("ray", reason="the extra blemish[ray] is not installed")
pytest.importorskip("pyarrow", reason="the extra blemish[ray] is not installed")

import pyarrow.parquet as pq
from fsspec.implementations.memory import MemoryFileSystem


def test_parquet_goes_without_ray_and_is_never_half_written(
    model: Path, folder: Path, expected: list[dict[str, object]], tmp_path: Path
) -> None:
    detector, paths = Detector.load(model), list(expand_inputs([str(folder)]))
    out = tmp_path / "rows.parquet"
    predict_to_files(detector, paths, batch_size=BATCH, parquet_file=str(out))
    assert same_scores(pq.read_table(out).to_pylist(), expected)

    def fail() -> None:
        raise BlemishError("no more")

    other = tmp_path / "other.parquet"
    with pytest.raises(BlemishError, match="no more"):
        predict_to_files(detector, paths, batch_size=BATCH, parquet_file=str(other), advance=fail)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.parquet.part", "rows.parquet"]
    os.mkfifo(tmp_path / "pipe")
    bad = [str(tmp_path), "nobody://knows", str(tmp_path / "gone" / "rows.parquet"), "", "file://"]
    bad += [str(tmp_path / "pipe"), (tmp_path / "pipe").as_uri(), str(tmp_path / "new.parquet") + "/"]
    for name in bad:
        with pytest.raises(BlemishError):
            predict_to_files(detector, paths, batch_size=BATCH, parquet_file=name)
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("method", ["exists", "_open", "mv"])
def test_whatever_a_storage_raises_is_one_sentence(
    model: Path, folder: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError("no such thing\nat all")

    monkeypatch.setattr(MemoryFileSystem, method, refuse)
    image = [str(folder / "a" / "000.png")]
    with pytest.raises(BlemishError, match=r"^memory://o cannot be written \(no such thing\); choose"):
        predict_to_files(Detector.load(model), image, batch_size=BATCH, parquet_file="memory://o")


def test_a_name_that_looks_like_a_chain_is_a_local_file(
    model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    image = [str(folder / "a" / "000.png")]
    predict_to_files(Detector.load(model), image, batch_size=BATCH, parquet_file="a::b.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["a::b.parquet"]


def test_links_are_listed_like_folders(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link.png").symlink_to(folder / "a" / "000.png")
    (tmp_path / "broken.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "folder.png").symlink_to(folder)
    assert list(find_urls(f"file://{tmp_path}")) == [f"file://{tmp_path}/link.png"]
    with pytest.raises(DatasetError, match=r"^file:// cannot be read \(it names nothing\)"):
        list(find_urls("file://"))


def test_urls_are_listed_like_folders(folder: Path) -> None:
    urls = list(find_urls(folder.as_uri()))
    assert len(urls) == 300
    assert sorted(os.fsencode(url.removeprefix("file://")) for url in urls) == sorted(
        os.fsencode(path) for path in expand_inputs([str(folder)])
    )
    assert list(find_urls(urls[0])) == urls[:1]
    assert read_image(urls[0]).shape == (64, 64, 3)
    for gone in (f"{folder.as_uri()}/gone", "nobody://knows"):
        with pytest.raises(DatasetError):
            list(find_urls(gone))
    (folder.parent / "bare").mkdir()
    with pytest.raises(DatasetError, match="holds no images"):
        list(expand_inputs([(folder.parent / "bare").as_uri()]))
    with pytest.raises(ImageError, match=r"gone\.png does not exist; check the address"):
        read_image(f"{folder.as_uri()}/gone.png")
