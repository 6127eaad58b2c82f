"""Golden sets: which pictures show the same part, and what is refused."""

from pathlib import Path

import pytest
from PIL import Image

from blemish.datasets.golden import read_golden
from blemish.errors import DatasetError


def draw(folder: Path, *names: str) -> Path:
    """Pictures that differ, of these names."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 9), number * 9).save(folder / name)
    return folder


def parts(source: Path) -> dict[str, str]:
    golden = read_golden(source)
    return {golden.relative(sample.path): sample.part for sample in golden.samples}


def test_a_sub_folder_is_a_part_and_so_is_a_picture_without_one(tmp_path: Path) -> None:
    draw(tmp_path, "good/07/1.png", "good/07/2.png", "good/a.png", "dent/b.png", "dent/09/1.png")
    (tmp_path / "ground_truth/dent").mkdir(parents=True)
    Image.new("L", (9, 9), 255).save(tmp_path / "ground_truth/dent/b.png")
    assert parts(tmp_path) == {
        **{"good/07/1.png": "07", "good/07/2.png": "07", "good/a.png": "good/a.png"},
        **{"dent/b.png": "dent/b.png", "dent/09/1.png": "09"},
    }
    (masked,) = (sample for sample in read_golden(tmp_path).samples if sample.mask)
    assert masked.path.name == "b.png" and masked.defect == "dent"


def test_what_evaluate_reads_is_a_golden_set_too(parts_folder: Path) -> None:
    assert len(parts(parts_folder)) == 10
    assert "hole/000.png" in parts(parts_folder)


def test_a_table_names_parts_and_all_of_its_rows_count(tmp_path: Path) -> None:
    draw(tmp_path, "1.png", "2.png", "3.png")
    table = tmp_path / "golden.csv"
    table.write_text("path,label,part\n1.png,good,P1\n2.png,good,P1\n3.png,dent,\n")
    assert parts(table) == {"1.png": "P1", "2.png": "P1", "3.png": "3.png"}
    table.write_text("path,label,part\n1.png,good,P1\n2.png,dent,P1\n")
    with pytest.raises(DatasetError, match="Part P1 has two reference labels, good and dent"):
        read_golden(table)


def test_one_part_or_picture_is_not_good_and_defective(tmp_path: Path) -> None:
    draw(tmp_path / "part", "good/07/1.png", "dent/07/2.png")
    with pytest.raises(DatasetError, match="Part 07 has two reference labels"):
        read_golden(tmp_path / "part")
    for name in ("good/a.png", "dent/b.png"):
        draw(tmp_path / "picture", name)
    with pytest.raises(DatasetError, match="in the defective parts is the same image as"):
        read_golden(tmp_path / "picture")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["good/1.png"], "holds no defective part"),
        (["dent/1.png"], "holds no good part"),
        (["1.png"], "holds 1 image .* of unknown kind"),
    ],
)
def test_good_and_defective_parts_are_both_needed(tmp_path: Path, names: list[str], words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        read_golden(draw(tmp_path, *names))
    with pytest.raises(DatasetError, match="neither a folder nor a"):
        read_golden(tmp_path / "nowhere")
