"""From tables and wishes to tasks, each a pure function of its values, and to the trainings they share."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blemish.benchmark.fingerprint import code_version, digest_of
from blemish.benchmark.table import Row, Section, Table
from blemish.config import RunConfig, build_config
from blemish.datasets import Dataset
from blemish.errors import ConfigError
from blemish.fit_checks import applies
from blemish.models.registry import config_class

NO_PART = {"cache_gigabytes", "checkpoint_seconds", "tracker"}  # of training, in what it gives


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
    """One row on one category with one seed.

    Attributes:
        table, row, data, category, seed: which.
        arguments: for `blemish.config.build_config`.
        scoring: the fields of the model that concern scoring alone.
        fit: fingerprint of the training.
        fingerprint: of the result.
    """

    table: str
    row: str
    data: str
    category: str
    seed: int
    arguments: dict[str, Any]
    scoring: dict[str, Any]
    fit: str
    fingerprint: str


@dataclass
class Job:
    """One training, and everything to be measured with its weights.

    Attributes:
        tasks: of equal `fit`; those of equal `fingerprint` are measured once.
        dataset: to learn from and to measure on.
        weights: of the backbone, None to have them found or for a method without.
    """

    dataset: Dataset
    weights: str | None
    tasks: list[Task] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Names of the first row and of what it is trained on."""
        first = self.tasks[0]
        return f"{first.table} {first.row}, {first.category}, seed {first.seed}"

    def to_dict(self, folder: Path, cpus: int, keep_maps: bool) -> dict[str, Any]:
        """What `blemish.benchmark.job.run_job` takes, as plain JSON values; paths are absolute."""
        first = self.tasks[0]
        return {
            "code": code_version(),
            "name": self.dataset.name,
            "train": [str(sample.path.absolute()) for sample in self.dataset.train],
            "test": [
                (
                    str(sample.path.absolute()),
                    sample.label,
                    sample.defect,
                    str(sample.mask.absolute()) if sample.mask else None,
                )
                for sample in self.dataset.test
            ],
            "config": first.arguments,
            "weights": self.weights,
            "scorings": {task.fingerprint: task.scoring for task in self.tasks},
            "folder": str(folder.absolute() / self.stem),
            "cpus": cpus,
            "keep_maps": keep_maps,
        }

    @property
    def stem(self) -> str:
        """Name of the folder of its files."""
        first = self.tasks[0]
        return f"{first.arguments['method']}-{first.data}-{first.category}-seed{first.seed}-{first.fit[:12]}"


def arguments_of(section: Section, row: Row, wishes: Wishes = AS_PRINTED, seed: int = 0) -> dict[str, Any]:
    """A row's configuration on a section's data, for `blemish.config.build_config`.

    The user's wishes are stronger than the row's values, and these than the section's.

    Raises:
        ConfigError: a field that --set cannot give here.
    """
    assert row.config is not None
    method = config_class(row.config["method"])
    arguments: dict[str, Any] = {"method": row.config["method"], "preset": row.config.get("preset")}
    for part in (section.config, row.config):
        for name in part.keys() - {"method", "preset"}:
            for key, value in part[name].items():
                if part is row.config or applies(f"{name}.{key}", method):
                    arguments[f"{name}__{key}"] = value
    if wishes.epochs is not None and applies("training.epochs", method):
        arguments["training__epochs"] = wishes.epochs
    if wishes.backbone is not None and applies("model.backbone", method):
        arguments["model__backbone"] = wishes.backbone
    for text in wishes.assignments:
        key = text.partition("=")[0].strip()
        if key in ("method", "preset", "training.seed"):
            raise ConfigError(f"{key} cannot be set with --set here: the tables and --seeds say it.")
        if applies(key, method):
            arguments.pop(key.replace(".", "__"), None)  # else the row's value would win
    arguments["assignments"] = [text for text in wishes.assignments if applies(text, method)]
    arguments["training__seed"] = seed
    return arguments


def make_task(
    table: Table,
    section: Section,
    row: Row,
    category: str,
    arguments: dict[str, Any],
    *,
    learned_from: str,
    tested_on: str,
    teacher: str,
) -> Task:
    """A task with its fingerprints.

    Args:
        table, section, row, category: which.
        arguments: as `arguments_of` gives them.
        learned_from, tested_on: digests of the images.
        teacher: digest or name of the backbone's weights, "" for a method without.

    Raises:
        ConfigError: the configuration cannot be.
    """
    values, scoring = split_config(build_config(**arguments))
    fit = digest_of([code_version(), values, teacher, learned_from])
    return Task(
        table.name,
        row.id,
        section.data,
        category,
        arguments["training__seed"],
        arguments,
        scoring,
        fit,
        digest_of([fit, scoring, tested_on]),
    )


def split_config(config: RunConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """What decides a training, and the fields of the model that concern scoring alone; plain JSON values."""
    values = config.model_dump(mode="json", exclude={"preset": True, "false_alarm_rate": True})
    scoring = {key: values["model"].pop(key) for key in sorted(config.model.scoring_only)}
    values["training"] = {key: values["training"][key] for key in values["training"].keys() - NO_PART}
    return values, scoring


def changes(table: Table, rows: Iterable[Row], wishes: Wishes) -> list[str]:
    """How the rows are measured otherwise than the table says: "training.epochs 20 instead of 300".

    Rows that differ in the same way share a sentence.
    """
    found: dict[str, list[str]] = {}
    measured = [row for row in rows if row.config is not None]
    for section in table.sections:
        for row in measured:
            asked, papers = (
                _flat(build_config(**arguments_of(section, row, one))) for one in (wishes, AS_PRINTED)
            )
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
    return {
        f"{section}.{key}": value
        for section in ("frame", "model", "training")
        for key, value in values[section].items()
    }
