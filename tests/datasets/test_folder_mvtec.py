"""MVTec AD in its folders (CVPR 2019, table 1): every image is found, with its kind and its mask."""

import os
from pathlib import Path

import pytest
from PIL import Image

from blemish.datasets import read_folder
from blemish.papers.table import find_table

# category, training images, good test images, test images of each kind of defect
TABLE = """
carpet 280 28 color=19 cut=17 hole=17 metal_contamination=17 thread=19
grid 264 21 bent=12 broken=12 glue=11 metal_contamination=11 thread=11
leather 245 32 color=19 cut=19 fold=17 glue=19 poke=18
tile 230 33 crack=17 glue_strip=18 gray_stroke=16 oil=18 rough=15
wood 247 19 color=8 combined=11 hole=10 liquid=10 scratch=21
bottle 209 20 broken_large=20 broken_small=22 contamination=21
cable 224 58 bent_wire=13 cable_swap=12 combined=11 cut_inner_insulation=14 cut_outer_insulation=10\
 missing_cable=12 missing_wire=10 poke_insulation=10
capsule 219 23 crack=23 faulty_imprint=22 poke=21 scratch=23 squeeze=20
hazelnut 391 40 crack=18 cut=17 hole=18 print=17
metal_nut 220 22 bent=25 color=22 flip=23 scratch=23
pill 267 26 color=25 combined=17 contamination=21 crack=26 faulty_imprint=19 pill_type=9 scratch=24
screw 320 41 manipulated_front=24 scratch_head=24 scratch_neck=25 thread_side=23 thread_top=23
toothbrush 60 12 defective=30
transistor 213 60 bent_lead=10 cut_lead=10 damaged_case=10 misplaced=10
zipper 240 32 broken_teeth=19 combined=16 fabric_border=17 fabric_interior=16 rough=17 split_teeth=18\
 squeezed_teeth=16
"""
MVTEC = {
    category: (
        int(train),
        int(good),
        {kind: int(count) for kind, count in (part.split("=") for part in parts)},
    )
    for category, train, good, *parts in map(str.split, TABLE.strip().splitlines())
}
DEFECTIVE = [89, 57, 92, 84, 60, 63, 92, 109, 70, 93, 141, 119, 30, 40, 119]


def test_the_counts_are_those_of_the_paper() -> None:
    assert find_table("gtrans-1").sections[0].categories == tuple(MVTEC)
    assert [sum(defects.values()) for _, _, defects in MVTEC.values()] == DEFECTIVE
    assert sum(train for train, _, _ in MVTEC.values()) == 3629
    assert sum(good for _, good, _ in MVTEC.values()) == 467
    assert sum(DEFECTIVE) == 1258
    assert sum(len(defects) for _, _, defects in MVTEC.values()) == 73


@pytest.mark.parametrize("category", MVTEC)
def test_every_category_is_read_with_the_published_counts(tmp_path: Path, category: str) -> None:
    """Its folders and file names, but all files are links to three pictures of 32 x 32 pixels."""
    train, good, defects = MVTEC[category]
    root = tmp_path / category

    def fill(part: str, count: int, suffix: str = "") -> None:
        what = part.partition("/")[0]
        picture = tmp_path / f"{what}.png"
        Image.new("L", (32, 32), len(what)).save(picture)
        (root / part).mkdir(parents=True)
        for index in range(count):
            os.link(picture, root / part / f"{index:03}{suffix}.png")

    fill("train/good", train)
    fill("test/good", good)
    for defect, count in defects.items():
        fill(f"test/{defect}", count)
        fill(f"ground_truth/{defect}", count, "_mask")
    dataset = read_folder(root)
    assert (dataset.name, len(dataset.train)) == (category, train)
    kinds = [sample.defect for sample in dataset.test]
    assert {kind: kinds.count(kind) for kind in kinds} == {"good": good} | defects
    for sample in dataset.test:
        assert (sample.mask is not None) == (sample.label == 1) == (sample.defect != "good")
        assert sample.mask is None or sample.mask.name == f"{sample.path.stem}_mask.png"
