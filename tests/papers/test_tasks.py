"""From tables and wishes to tasks: what is equal is trained once, what differs is told."""

import re
import shutil
from pathlib import Path

import pytest
from blemish.experiments.fingerprint import NO_PART, code_version, digest_of_file, digest_of_samples

from blemish.datasets import read_folder
from blemish.errors import ConfigError, DatasetError
from blemish.papers.listing import list_cells, list_tables
from blemish.papers.plan import Planner, parse_weights
from blemish.papers.sources import parse_sources, read_category
from blemish.papers.table import Row, Section, Table, find_table, load_tables
from blemish.papers.tasks import AS_PRINTED, Task, Wishes, arguments_of, changes, make_task
from blemish.training.config import build_config
from tests.support import texture_files


def task(table: Table, row: Row, wishes: Wishes = AS_PRINTED, seed: int = 0, **digests: str) -> Task:
    section = table.sections[0]
    arguments = arguments_of(section, row, wishes, seed)
    given = {"learned_from": "train", "tested_on": "test", "teacher": "weights"} | digests
    return make_task(table, section, row, section.categories[0], arguments, **given)


class TestFingerprints:
    def test_rows_that_differ_in_scoring_alone_share_a_training(self) -> None:
        rows = [
            task(find_table(name), row) for name in ("gtrans-6", "gtrans-7") for row in find_table(name).rows
        ]
        assert len(rows) == 10 and len({one.fit for one in rows}) == 1
        assert len({one.fingerprint for one in rows}) == 9  # alpha in table 6 is P6 in table 7

    def test_one_training_serves_all_tables_with_it(self) -> None:
        where = [
            ("gtrans-1", "gtrans-r34"), ("gtrans-4", "with-tfm"), ("gtrans-5", "decoder-2"),
            ("gtrans-6", "alpha-harmonic"), ("gtrans-7", "p6"),
        ]  # fmt: skip
        found = set()
        for name, wanted in where:
            table = find_table(name)
            (row,) = [row for row in table.rows if row.id == wanted]
            found.add(task(table, row).fit)
        assert len(found) == 1

    @pytest.mark.parametrize("digest", ["learned_from", "teacher"])
    def test_other_images_or_another_teacher_are_another_training(self, digest: str) -> None:
        table = find_table("gtrans-4")
        one, other = task(table, table.rows[0]), task(table, table.rows[0], **{digest: "other"})
        assert one.fit != other.fit and one.fingerprint != other.fingerprint

    def test_other_test_images_are_another_result_of_the_same_training(self) -> None:
        table = find_table("gtrans-4")
        one, other = task(table, table.rows[0]), task(table, table.rows[0], tested_on="other")
        assert one.fit == other.fit and one.fingerprint != other.fingerprint

    def test_what_changes_no_result_is_no_part(self) -> None:
        table = find_table("gtrans-4")
        plain = task(table, table.rows[0])
        frequent = Wishes(assignments=("training.checkpoint_seconds=1", "training.cache_gigabytes=1"))
        assert task(table, table.rows[0], frequent).fingerprint == plain.fingerprint
        assert task(table, table.rows[0], Wishes(epochs=299)).fit != plain.fit
        assert task(table, table.rows[0], seed=1).fit != plain.fit

    def test_the_code_that_decides_results_is_a_part(self) -> None:
        import blemish

        package = Path(blemish.__file__).parent
        assert re.fullmatch(r"[\d.]+\+[0-9a-f]{12}", code_version())
        assert all((package / name).exists() for name in NO_PART)
        assert not NO_PART & {"training.py", "models", "metrics.py", "images.py", "datasets", "evaluation.py"}

    def test_images_count_by_content(self, tmp_path: Path, parts_folder: Path) -> None:
        moved = shutil.copytree(parts_folder, tmp_path / "elsewhere")
        one, other = (digest_of_samples(read_folder(folder).test) for folder in (parts_folder, moved))
        assert one == other
        (tmp_path / "elsewhere").rename(tmp_path / "changed")
        samples = read_folder(tmp_path / "changed").test
        mask = next(sample.mask for sample in samples if sample.mask)
        mask.write_bytes(mask.read_bytes() + b" ")
        assert digest_of_samples(samples) != one


class TestWishes:
    def test_they_go_to_the_methods_they_concern(self) -> None:
        table = find_table("gtrans-1")
        wishes = Wishes(7, "resnet18", ("training.batch_size=8", "model.tokens=4"))
        rows = {row.id: row for row in table.rows if row.config}
        built = {
            name: build_config(**arguments_of(table.sections[0], row, wishes)) for name, row in rows.items()
        }
        assert built["gtrans-r34"].training.epochs == 7 and built["gtrans-r34"].training.batch_size == 8
        assert built["gtrans-r34"].model.model_dump()["tokens"] == 4
        assert built["padim"].model.model_dump()["backbone"] == "resnet18"
        assert (
            built["ganomaly"].training.epochs == 7 and "backbone" not in built["ganomaly"].model.model_dump()
        )

    def test_they_win_over_the_table(self) -> None:
        table = find_table("gtrans-7")
        arguments = arguments_of(table.sections[0], table.rows[0], Wishes(assignments=("model.combine=P4",)))
        assert build_config(**arguments).model.model_dump()["combine"] == "P4"

    def test_the_changes_are_told(self) -> None:
        table = find_table("gtrans-4")
        assert changes(table, table.rows, AS_PRINTED) == []
        assert changes(table, table.rows, Wishes(20, "resnet18")) == [
            "model.backbone is resnet18 instead of resnet34.",
            "training.epochs is 20 instead of 300.",
        ]
        one = changes(find_table("anotrans-3"), find_table("anotrans-3").rows, Wishes(epochs=25))
        assert one == []

    def test_a_change_of_some_rows_names_them(self) -> None:
        table = find_table("anotrans-3")
        (told,) = changes(table, table.rows, Wishes(assignments=("model.heads=2",)))
        assert told == "Proposed with CBAM module, Proposed with SAC: model.heads is 2 instead of 4."

    @pytest.mark.parametrize("field", ["method=padim", "training.seed=3", "preset=improved"])
    def test_what_the_table_says_cannot_be_set(self, field: str) -> None:
        table = find_table("gtrans-4")
        with pytest.raises(ConfigError, match=f"{field.partition('=')[0]} cannot be set"):
            arguments_of(table.sections[0], table.rows[0], Wishes(assignments=(field,)))


class TestSources:
    def test_names(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        for name in ("mvtec", "a=b", "here"):
            (tmp_path / name).mkdir()
        one, two = find_table("gtrans-1"), find_table("anotrans-1")
        assert parse_sources([one], ["mvtec"]) == {"mvtec": Path("mvtec")}
        assert parse_sources([one], ["a=b"]) == parse_sources([one], ["mvtec=a=b"]) == {"mvtec": Path("a=b")}
        assert parse_sources([two], ["stl10=here"]) == {"cifar10": None, "stl10": Path("here")}
        assert parse_sources([one, two], ["mvtec=mvtec"])["mvtec"] == Path("mvtec")

    @pytest.mark.parametrize(
        ("tables", "given", "message"),
        [
            (["gtrans-1"], [], "gtrans-1 needs --data mvtec=FOLDER, the folder with MVTec AD's categories."),
            (["anotrans-1"], ["."], "say which one . is, as in --data cifar10=."),
            (["gtrans-1", "anotrans-3"], ["mvtec=.", "."], "say which one . is, as in --data mvtec=."),
            (["gtrans-1"], ["cifar10=."], "there is no cifar10 in these tables, but mvtec."),
            (["gtrans-1"], ["mvtec=.", "."], "--data says twice where mvtec lies"),
            (["gtrans-1"], ["nowhere/"], "there is no folder nowhere/; check the path."),
        ],
    )
    def test_what_cannot_be_had_or_told_apart(
        self, tables: list[str], given: list[str], message: str
    ) -> None:
        with pytest.raises(ConfigError) as error:
            parse_sources([find_table(name) for name in tables], given)
        assert message in str(error.value)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (["file.pth"], "--weights file.pth: say whose, of resnet34, wide_resnet50_2"),
            (["resnet43=file.pth"], "no row has that backbone; the rows have resnet34, wide_resnet50_2."),
            (["random", "resnet34=file.pth"], "--weights are given twice for resnet34"),
        ],
    )
    def test_weights_that_are_nobodys(self, given: list[str], message: str) -> None:
        with pytest.raises(ConfigError) as error:
            parse_weights(given, ["resnet34", "wide_resnet50_2"])
        assert message in str(error.value)
        assert parse_weights(["a.pth"], ["resnet34"]) == {"resnet34": "a.pth"}

    def test_changed_images_are_noticed(self, tmp_path: Path) -> None:
        (path, _) = texture_files(tmp_path, 2)
        before = digest_of_file(path)
        path.write_bytes(path.read_bytes() + b" ")
        assert digest_of_file(path) != before

    def test_a_category(self, parts_folder: Path) -> None:
        section = Section(data="mvtec", categories=(parts_folder.name, "other"))
        dataset = read_category(section, parts_folder.name, parts_folder.parent)
        assert len(dataset.train) == 8 and {sample.label for sample in dataset.test} == {0, 1}
        with pytest.raises(DatasetError, match="has no such folder"):
            read_category(section, "other", parts_folder.parent)

    def test_classes_in_folders(self, tmp_path: Path) -> None:
        for number, name in enumerate(("cat", "frog", "ship")):
            texture_files(tmp_path / "train" / name, 3, seed=number)
            texture_files(tmp_path / "test" / name, 2, seed=10 + number)
        dataset = read_category(Section(data="cifar10", categories=("cat",)), "cat", tmp_path)
        assert len(dataset.train) == 6
        assert [sample.label for sample in dataset.test] == [0] * 4 + [1] * 5

    def test_good_images_alone_measure_nothing(self, tmp_path: Path) -> None:
        texture_files(tmp_path / "train" / "good", 3)
        texture_files(tmp_path / "test" / "good", 2, seed=1)
        with pytest.raises(DatasetError, match="good and defective ones to measure on"):
            read_category(Section(data="lbot", categories=("lbot",)), "lbot", tmp_path)


def test_lists() -> None:
    tables = list_tables().splitlines()
    assert len(tables) == len(load_tables()) and tables[0].startswith("gtrans-1 ")
    assert "90 results of 15 trainings" in tables[6]
    cells = list_cells("gtrans-5")
    assert "encoder-2" in cells and "tfm_depth 2" in cells and "screw" in cells
    assert "quoted only" in list_cells("gtrans-1")


def test_fewer_images_than_published_are_told(tmp_path: Path) -> None:
    for number, name in enumerate(("cat", "frog", "ship")):
        texture_files(tmp_path / "train" / name, 3, seed=number)
        texture_files(tmp_path / "test" / name, 2, seed=10 + number)
    table = find_table("anotrans-3")
    planner = Planner({}, AS_PRINTED, 1, print)
    planner.plan(table, list(table.rows), ["cat"], {"cifar10": tmp_path})
    assert planner.other_images(table) == [
        "cifar10: 6 (instead of 45,000) images to learn from, 4 (instead of 9,000) good and "
        "5 (instead of 6,000) defective ones to measure on."
    ]
    assert len(planner.tasks) == len(planner.jobs) == 5
