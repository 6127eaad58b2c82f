"""A list of images to leave out."""

from pathlib import Path

import pytest

from blemish.datasets import without_listed
from blemish.errors import DatasetError
from tests.support import texture_dataset


def test_what_is_listed_is_left_out_however_its_path_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = texture_dataset(tmp_path / "images", 4)
    monkeypatch.chdir(tmp_path)
    listing = tmp_path / "list.txt"
    listing.write_text(f"images/000.png\n\n{tmp_path}/images/../images/002.png\n")
    assert [one.path.name for one in without_listed(data, listing).train] == ["001.png", "003.png"]
    assert without_listed(data, None) is data


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["other.png"], r"list\.txt names .*other\.png, which is none of the images of textures to learn"),
        (["000.png", "001.png"], r"names all images of textures"),
        (None, r"The list .*list\.txt cannot be read"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(
    names: list[str] | None, message: str, tmp_path: Path
) -> None:
    data, listing = texture_dataset(tmp_path, 2), tmp_path / "list.txt"
    if names is not None:
        listing.write_text("\n".join(str(tmp_path / name) for name in names))
    with pytest.raises(DatasetError, match=message):
        without_listed(data, listing)
