"""From tables to experiments: what is equal is trained once."""

import shutil
from pathlib import Path

from blemish.datasets import Dataset
from blemish.experiments.experiment import Experiment
from blemish.papers.configs import config_of
from blemish.papers.plan import Planner, backbones_of, list_cells, list_tables
from blemish.papers.table import find_table, load_tables
from tests.support import BACKBONE, texture_files


def experiments(name: str) -> dict[str, Experiment]:
    """Of the rows of a table, on images that are not looked at."""
    table = find_table(name)
    configs = {row.id: config_of(table.sections[0], row) for row in table.measured}
    rest = (Dataset("d"), None, "teacher", "train", "test")
    return {row: Experiment("", config, *rest) for row, config in configs.items()}


def test_rows_that_differ_in_scoring_alone_share_a_training_across_tables() -> None:
    found = [one for name in ("gtrans-6", "gtrans-7") for one in experiments(name).values()]
    assert len(found) == 10 and len({one.fit for one in found}) == 1
    assert len({one.fingerprint for one in found}) == 9  # alpha in table 6 is P6 in table 7
    where = [
        *(("gtrans-1", "gtrans-r34"), ("gtrans-4", "with-tfm"), ("gtrans-5", "decoder-2")),
        *(("gtrans-6", "alpha-harmonic"), ("gtrans-7", "p6")),
    ]
    assert len({experiments(name)[row].fit for name, row in where}) == 1


def test_tasks_and_what_cannot_be_measured(tmp_path: Path, parts_folder: Path) -> None:
    shutil.copytree(parts_folder, tmp_path / "screw")
    planner = Planner({BACKBONE: "random"}, [f"model.backbone={BACKBONE}"], 2)
    planner.plan(find_table("gtrans-7"), ["screw", "bottle"], {"mvtec": tmp_path})
    first = [("gtrans-7", "p1", "mvtec", "screw", seed) for seed in (0, 1)]
    assert [task[:5] for task in planner.tasks[:2]] == first
    assert len(planner.tasks) == len(planner.missing) == 6 * 2
    assert {one.category for one in planner.missing} == {"bottle"}
    assert planner.missing[0].reason == f"{tmp_path} has no such folder."
    assert len({task.experiment.stem for task in planner.tasks}) == 2  # a file for each training
    assert planner.tasks[0].experiment.stem.startswith("gtrans-mvtec-screw-seed0-")
    planner = Planner({BACKBONE: "random"}, [f"model.backbone={BACKBONE}"], 1)
    planner.plan(find_table("gtrans-1"), ["screw"], {"mvtec": tmp_path})
    measured = ["ganomaly", "spade", "padim", "gtrans-r34", "gtrans-wr50"]
    assert [task.row for task in planner.tasks] == measured, "quoted rows are no tasks"


def test_fewer_images_than_published_are_told(tmp_path: Path) -> None:
    for number, name in enumerate(("cat", "frog", "ship")):
        texture_files(tmp_path / "train" / name, 3, seed=number)
        texture_files(tmp_path / "test" / name, 2, seed=10 + number)
    planner, table = Planner({}, (), 1), find_table("anotrans-3")
    planner.plan(table, ["cat"], {"cifar10": tmp_path})
    assert planner.other_images(table) == [
        "cifar10: 6 (instead of 45,000) images to learn from, 4 (instead of 9,000) good and "
        "5 (instead of 6,000) defective ones to measure on."
    ]
    assert len({task.experiment.fit for task in planner.tasks}) == len(planner.tasks) == 5


def test_lists() -> None:
    tables = list_tables().splitlines()
    assert len(tables) == len(load_tables()) and tables[0].startswith("gtrans-1 ")
    assert "90 results of 15 trainings" in tables[6]
    cells = list_cells("gtrans-5")
    assert "encoder-2" in cells and "tfm_depth 2" in cells and "screw" in cells
    assert "quoted only" in list_cells("gtrans-1")
    assert backbones_of([find_table("gtrans-1")], ()) == ["wide_resnet50_2", "resnet34"]
