"""From a table's rows and the user's wishes to configurations and experiments."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from blemish.errors import ConfigError
from blemish.experiments.experiment import Experiment
from blemish.models.registry import config_class
from blemish.papers.table import Row, Section, Table
from blemish.training.checks import applies
from blemish.training.config import RunConfig, build_config

SECTIONS = ("frame", "model", "training")


@dataclass(frozen=True)
class Wishes:
    """What the user wants otherwise than the paper.

    Attributes:
        epochs: of all rows that train; None keeps the table's.
        backbone: of all rows that have one; None keeps the table's.
        assignments: "section.field=value" texts, for the rows that have the field.
    """

    epochs: int | None = None
    backbone: str | None = None
    assignments: tuple[str, ...] = ()


AS_PRINTED = Wishes()


@dataclass(frozen=True)
class Task:
    """One row on one category with one seed, and the experiment that measures it."""

    table: str
    row: str
    data: str
    category: str
    seed: int
    experiment: Experiment


def values_of(section: Section, row: Row, wishes: Wishes = AS_PRINTED) -> dict[str, Any]:
    """What a row says of its configuration on a section's data, for `blemish.training.config.build_config`.

    The user's wishes are stronger than the row's values, and these than the section's.

    Raises:
        ConfigError: a field that --set cannot give here.
    """
    assert row.config is not None
    method = config_class(row.config["method"])
    values: dict[str, Any] = {"method": row.config["method"], "preset": row.config.get("preset")}
    for name in SECTIONS:
        shared = section.config.get(name, {}).items()
        values[name] = {key: value for key, value in shared if applies(f"{name}.{key}", method)}
        values[name] |= row.config.get(name, {})
    if wishes.epochs is not None and applies("training.epochs", method):
        values["training"]["epochs"] = wishes.epochs
    if wishes.backbone is not None and applies("model.backbone", method):
        values["model"]["backbone"] = wishes.backbone
    for text in wishes.assignments:
        key = text.partition("=")[0].strip()
        if key in ("method", "preset", "training.seed"):
            raise ConfigError(f"{key} cannot be set with --set here: the tables and --seeds say it.")
        name, _, field = key.partition(".")
        if applies(key, method) and name in SECTIONS:
            values[name].pop(field, None)  # else the row's value would win
    return values


def config_of(section: Section, row: Row, wishes: Wishes = AS_PRINTED) -> RunConfig:
    """A row's configuration on a section's data.

    Raises:
        ConfigError: it cannot be, or a field that --set cannot give here.
    """
    values = values_of(section, row, wishes)
    method = config_class(values["method"])
    return build_config(None, [text for text in wishes.assignments if applies(text, method)], values)


def changes(table: Table, rows: Iterable[Row], wishes: Wishes) -> list[str]:
    """How the rows are measured otherwise than the table says: "training.epochs 20 instead of 300".

    Rows that differ in the same way share a sentence.
    """
    found: dict[str, list[str]] = {}
    measured = [row for row in rows if row.config is not None]
    for section in table.sections:
        for row in measured:
            asked, papers = (_flat(config_of(section, row, one)) for one in (wishes, AS_PRINTED))
            for key in asked.keys() | papers.keys():
                if asked.get(key) != papers.get(key):
                    text = f"{key} is {asked.get(key)} instead of {papers.get(key)}"
                    if row.name not in found.setdefault(text, []):
                        found[text].append(row.name)
    return [
        f"{text}." if len(names) == len(measured) else f"{', '.join(names)}: {text}."
        for text, names in sorted(found.items())
    ]


def _flat(config: RunConfig) -> dict[str, Any]:
    values = config.model_dump(mode="json")
    return {f"{section}.{key}": value for section in SECTIONS for key, value in values[section].items()}
