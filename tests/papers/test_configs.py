"""From rows to configurations: what the user wants otherwise wins, and is told."""

from blemish.papers.configs import changes, config_of
from blemish.papers.table import find_table
from blemish.training.config import RunConfig


def configs(table: str, *overrides: str) -> dict[str, RunConfig]:
    found = find_table(table)
    return {row.id: config_of(found.sections[0], row, overrides) for row in found.measured}


def test_overrides_go_to_the_methods_they_concern_and_win_over_the_table() -> None:
    built = configs(
        "gtrans-1", "training.epochs=7", "model.backbone=resnet18", "training.batch_size=8", "model.tokens=4"
    )
    assert built["gtrans-r34"].training.epochs == 7 and built["gtrans-r34"].training.batch_size == 8
    assert built["gtrans-r34"].model.model_dump()["tokens"] == 4
    assert built["padim"].model.model_dump()["backbone"] == "resnet18"
    assert built["ganomaly"].training.epochs == 7
    assert "backbone" not in built["ganomaly"].model.model_dump()
    seven = configs("gtrans-7", "model.combine=P4").values()
    assert {one.model.model_dump()["combine"] for one in seven} == {"P4"}


def test_the_changes_are_told_with_the_rows_that_they_concern() -> None:
    def told(table: str, *overrides: str) -> list[str]:
        return changes(find_table(table), overrides)

    one, other = told("gtrans-4", "training.epochs=20", "model.backbone=resnet18")
    assert one == "model.backbone is resnet18 instead of resnet34."
    assert other == "training.epochs is 20 instead of 300."
    assert told("anotrans-3", "training.epochs=25") == [], "as printed"
    rows = "Proposed with CBAM module, Proposed with SAC"
    assert told("anotrans-3", "model.heads=2") == [f"{rows}: model.heads is 2 instead of 4."]
