"""The demo's photographs: electroluminescence pictures of solar cells, from the package elpv-dataset."""

import random
from importlib.resources import files
from pathlib import Path
from typing import Literal

from blemish.datasets.sample import Dataset, Sample
from blemish.errors import DatasetError
from blemish.extras import install_command

LICENCE = "CC BY-NC-SA 4.0 (not for commercial use): https://creativecommons.org/licenses/by-nc-sa/4.0/"
CITATION = (
    "Buerhop-Lutz et al., A Benchmark for Visual Identification of Defective Solar Cells in "
    "Electroluminescence Imagery, EU PVSEC 2018, doi:10.4229/35thEUPVSEC20182018-5CV.3.15; "
    "Deitsch et al., Automatic classification of defective photovoltaic module cells in "
    "electroluminescence images, Solar Energy 185, 2019, doi:10.1016/j.solener.2019.02.067; "
    "Deitsch et al., Segmentation of photovoltaic module cells in uncalibrated electroluminescence "
    "images, Machine Vision and Applications 32(4), 2021, doi:10.1007/s00138-021-01191-9"
)


def elpv(
    kind: Literal["mono", "poly"] = "mono",
    *,
    train: int = 200,
    good: int = 100,
    bad: int = 150,
    seed: int = 0,
) -> Dataset:
    """Choose solar cells at random: `train` good ones to learn from, `good` and `bad` ones to measure on.

    Good are the cells with defect probability 0, bad those with 1; the doubtful ones between are left out.
    Images are 300 x 300 pixels, grey; there are no masks. The same seed gives the same choice.

    Raises:
        DatasetError: the package is not installed, or does not have that many cells.
    """
    try:
        folder = Path(str(files("elpv_dataset"))) / "data"
    except ModuleNotFoundError as error:
        raise DatasetError(f"The solar cells are not installed: {install_command('demo')}.") from error
    cells: dict[float, list[Path]] = {0.0: [], 1.0: []}
    for line in (folder / "labels.csv").read_text(encoding="utf-8").splitlines():
        path, probability, cell_kind = line.split()
        if cell_kind == kind and float(probability) in cells:
            cells[float(probability)].append(folder / path)
    if train + good > len(cells[0.0]) or bad > len(cells[1.0]):
        raise DatasetError(
            f"The {kind} solar cells are {len(cells[0.0])} good and {len(cells[1.0])} bad ones; "
            f"ask for fewer than {train} + {good} good and {bad} bad."
        )
    rng = random.Random(seed)
    rng.shuffle(cells[0.0])
    rng.shuffle(cells[1.0])
    return Dataset(
        f"elpv-{kind}",
        train=[Sample(path, label=0) for path in sorted(cells[0.0][:train])],
        test=[Sample(path, label=0) for path in sorted(cells[0.0][train : train + good])]
        + [Sample(path, label=1, defect="defect") for path in sorted(cells[1.0][:bad])],
    )
