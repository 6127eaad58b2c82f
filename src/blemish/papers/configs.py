"""From the rows of a table, and what the user wants otherwise, to configurations."""

from collections.abc import Sequence
from itertools import product
from typing import Any

from blemish.errors import ConfigError
from blemish.models.registry import config_class
from blemish.papers.table import Row, Section, Table
from blemish.training.checks import applies
from blemish.training.config import RunConfig, build_config

PARTS = ("frame", "model", "training")  # of a `RunConfig`


def config_of(section: Section, row: Row, overrides: Sequence[str] = ()) -> RunConfig:
    """A row's configuration on a section's data.

    Args:
        section: the data; its values are weaker than the row's.
        row: which must not be quoted only.
        overrides: "part.field=value" texts, stronger than both; for rows whose method has no such field they
            say nothing.

    Raises:
        ConfigError: it cannot be, or a field that the table says.
    """
    values = values_of(section, row)
    method = config_class(values["method"])
    concerned = [text for text in overrides if applies(text, method)]
    for text in overrides:
        key = text.partition("=")[0].strip()
        if key in ("method", "preset", "training.seed"):
            raise ConfigError(f"{key} cannot be set with --set here: the tables and --seeds say it.")
        part, _, field = key.partition(".")
        if text in concerned and part in PARTS:
            values[part].pop(field, None)  # else the row's value would win
    return build_config(None, concerned, values)


def values_of(section: Section, row: Row) -> dict[str, Any]:
    """What a row says of its configuration on a section's data, as `build_config` takes it."""
    assert row.config is not None
    method = config_class(row.config["method"])
    values: dict[str, Any] = {"method": row.config["method"], "preset": row.config.get("preset")}
    for part in PARTS:
        shared = section.config.get(part, {}).items()
        values[part] = {key: value for key, value in shared if applies(f"{part}.{key}", method)}
        values[part] |= row.config.get(part, {})
    return values


def changes(table: Table, overrides: Sequence[str]) -> list[str]:
    """How rows are measured otherwise than the table says: "training.epochs is 20 instead of 300.".

    Rows that differ in the same way share a sentence.
    """
    found: dict[str, dict[str, None]] = {}  # names of rows by the change
    for section, row in product(table.sections, table.measured):
        asked, printed = (_flat(config_of(section, row, of)) for of in (overrides, ()))
        for key in asked.keys() | printed.keys():
            if asked.get(key) != printed.get(key):
                change = f"{key} is {asked.get(key)} instead of {printed.get(key)}"
                found.setdefault(change, {})[row.name] = None
    return [
        f"{change}." if len(names) == len(table.measured) else f"{', '.join(names)}: {change}."
        for change, names in sorted(found.items())
    ]


def _flat(config: RunConfig) -> dict[str, Any]:
    values = config.model_dump(mode="json")
    return {f"{part}.{key}": value for part in PARTS for key, value in values[part].items()}
