"""From rows to configurations: what the user wants otherwise wins, and is told."""

import pytest

from blemish.errors import ConfigError
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


@pytest.mark.parametrize(
    ("table", "overrides", "told"),
    [
        ("gtrans-4", [], ""),
        ("gtrans-4", ["model.backbone=resnet18"], "model.backbone is resnet18 instead of resnet34."),
        ("gtrans-4", ["training.epochs=20"], "training.epochs is 20 instead of 300."),
        ("anotrans-3", ["training.epochs=25"], ""),  # as printed
        (
            "anotrans-3",
            ["model.heads=2"],
            "Proposed with CBAM module, Proposed with SAC: model.heads is 2 instead of 4.",
        ),
    ],
)
def test_the_changes_are_told_with_the_rows_that_they_concern(
    table: str, overrides: list[str], told: str
) -> None:
    assert "".join(changes(find_table(table), overrides)) == told


@pytest.mark.parametrize("field", ["method=padim", "training.seed=3", "preset=improved"])
def test_what_the_table_says_cannot_be_set(field: str) -> None:
    with pytest.raises(ConfigError, match=f"{field.partition('=')[0]} cannot be set"):
        configs("gtrans-4", field)
