"""From rows to configurations: what the user wants otherwise wins, and is told."""

import pytest

from blemish.errors import ConfigError
from blemish.papers.configs import changes, config_of
from blemish.papers.table import find_table
from blemish.training.config import RunConfig


def configs(table: str, *overrides: str) -> dict[str, RunConfig]:
    found = find_table(table)
    return {row.id: config_of(found.sections[0], row, overrides) for row in found.rows if row.config}


def test_overrides_go_to_the_methods_they_concern() -> None:
    built = configs(
        "gtrans-1", "training.epochs=7", "model.backbone=resnet18", "training.batch_size=8", "model.tokens=4"
    )
    assert built["gtrans-r34"].training.epochs == 7 and built["gtrans-r34"].training.batch_size == 8
    assert built["gtrans-r34"].model.model_dump()["tokens"] == 4
    assert built["padim"].model.model_dump()["backbone"] == "resnet18"
    assert built["ganomaly"].training.epochs == 7
    assert "backbone" not in built["ganomaly"].model.model_dump()


def test_they_win_over_the_table() -> None:
    combined = {one.model.model_dump()["combine"] for one in configs("gtrans-7", "model.combine=P4").values()}
    assert combined == {"P4"}


def test_the_changes_are_told() -> None:
    table = find_table("gtrans-4")
    assert changes(table, table.rows, ()) == []
    assert changes(table, table.rows, ("training.epochs=20", "model.backbone=resnet18")) == [
        "model.backbone is resnet18 instead of resnet34.",
        "training.epochs is 20 instead of 300.",
    ]
    same = find_table("anotrans-3")
    assert changes(same, same.rows, ["training.epochs=25"]) == []


def test_a_change_of_some_rows_names_them() -> None:
    table = find_table("anotrans-3")
    (told,) = changes(table, table.rows, ["model.heads=2"])
    assert told == "Proposed with CBAM module, Proposed with SAC: model.heads is 2 instead of 4."


@pytest.mark.parametrize("field", ["method=padim", "training.seed=3", "preset=improved"])
def test_what_the_table_says_cannot_be_set(field: str) -> None:
    with pytest.raises(ConfigError, match=f"{field.partition('=')[0]} cannot be set"):
        configs("gtrans-4", field)
