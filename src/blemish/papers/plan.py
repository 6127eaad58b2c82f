"""Which experiments a table asks for, and what cannot be measured; and what there is, as text."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import NamedTuple

from blemish.datasets import Dataset
from blemish.errors import DatasetError, ImageError, WeightsError
from blemish.experiments.experiment import Experiment, digest_of_samples, fit_settings, teacher_digest
from blemish.images.reading import image_size
from blemish.papers.configs import config_of, values_of
from blemish.papers.sources import read_category
from blemish.papers.table import METRIC_NAMES, Row, Section, Table, find_table, load_tables


class Task(NamedTuple):
    """A row of a table on a category with a seed, and the experiment that measures it."""

    table: str
    row: str
    data: str
    category: str
    seed: int
    experiment: Experiment


class Missing(NamedTuple):
    """A result that is not there, and why not, in a sentence."""

    table: str
    row: str
    data: str
    category: str
    seed: int
    reason: str


class Planner:
    """Collects tasks and what cannot be measured.

    Args:
        weights: files, or "random", by backbone.
        overrides: as `blemish.papers.configs.config_of` takes them.
        seeds: how many.
    """

    def __init__(self, weights: dict[str, str], overrides: Sequence[str], seeds: int) -> None:
        self.weights, self.overrides, self.seeds = weights, overrides, seeds
        self.tasks: list[Task] = []
        self.missing: list[Missing] = []
        self._read: dict[tuple[str, str], tuple[Dataset, str, str]] = {}

    def plan(self, table: Table, categories: Sequence[str], sources: dict[str, Path | None]) -> None:
        """Add the tasks of a table's rows, on these categories or on all."""
        for section in table.sections:
            wanted = [category for category in section.categories if not categories or category in categories]
            for category, row in product(wanted, table.measured):
                try:
                    self._add(table, section, row, category, sources[section.data])
                except (DatasetError, ImageError, WeightsError) as error:
                    cell = table.name, row.id, section.data, category
                    self.missing += [Missing(*cell, seed, str(error)) for seed in range(self.seeds)]

    def other_images(self, table: Table) -> list[str]:
        """How the images that were read differ in number from the published ones, in sentences."""
        found: dict[str, list[str]] = {}
        for section in table.sections:
            for (data, category), (dataset, *_) in self._read.items():
                if data != section.data or category not in section.categories or section.images is None:
                    continue
                defective = sum(sample.label == 1 for sample in dataset.test)
                counts = (len(dataset.train), len(dataset.test) - defective, defective)
                if counts != section.images:
                    train, good, bad = (
                        f"{one:,} (instead of {published:,})"
                        for one, published in zip(counts, section.images, strict=True)
                    )
                    text = f"{train} images to learn from, {good} good and {bad} defective ones to measure on"
                    found.setdefault(f"{data}: {text}", []).append(category)
        return [
            f"{text}." if len(found) == 1 else f"{text}; {', '.join(categories)}."
            for text, categories in found.items()
        ]

    def _add(self, table: Table, section: Section, row: Row, category: str, source: Path | None) -> None:
        config = config_of(section, row, self.overrides)
        backbone = getattr(config.model, "backbone", None)
        weights = self.weights.get(backbone) if backbone else None
        teacher = teacher_digest(backbone, weights) if backbone else ""
        images = self._images(section, category, source)
        for seed in range(self.seeds):
            one = Experiment("", config.with_seed(seed), images[0], weights, teacher, *images[1:])
            stem = f"{config.method}-{section.data}-{category}-seed{seed}-{one.fit[:12]}"
            self.tasks.append(Task(table.name, row.id, section.data, category, seed, replace(one, stem=stem)))

    def _images(self, section: Section, category: str, source: Path | None) -> tuple[Dataset, str, str]:
        """A category's images and the digests of those to learn from and to measure on."""
        key = (section.data, category)
        if key not in self._read:
            dataset = read_category(section, category, source)
            for sample in dataset.test:
                image_size(sample.path)  # before any training
            self._read[key] = (dataset, digest_of_samples(dataset.train), digest_of_samples(dataset.test))
        return self._read[key]


def backbones_of(tables: Sequence[Table], overrides: Sequence[str]) -> list[str]:
    """The backbones of the rows, each once."""
    found = [
        getattr(config_of(section, row, overrides).model, "backbone", None)
        for table in tables
        for section, row in product(table.sections, table.measured)
    ]
    return list(dict.fromkeys(filter(None, found)))


def list_tables() -> str:
    """One line per table: name, data, results and trainings for each seed, and what it shows."""
    lines = []
    for table in load_tables().values():
        results, trainings = 0, 0
        for section in table.sections:
            configs = [config_of(section, row) for row in table.measured]
            results += len(configs) * len(section.categories)
            trainings += len({fit_settings(config) for config in configs}) * len(section.categories)
        data = ", ".join(section.data for section in table.sections)
        work = f"{results} results of {trainings} trainings"
        lines.append(f"{table.name:11} {data:15} {work:27} {table.title}")
    return "\n".join(lines)


def list_cells(name: str) -> str:
    """A table's rows with their settings, and its categories.

    Raises:
        ConfigError: there is no such table.
    """
    table = find_table(name)
    metrics = ", ".join(METRIC_NAMES[metric] for metric in table.metrics)
    lines = [f"{table.name}: {table.title}", f"{table.source}; {metrics}"]
    lines += [f"{section.data}: {', '.join(section.categories)}" for section in table.sections]
    width = max(len(row.id) for row in table.rows)
    for row in table.rows:
        settings = "quoted only"
        if row.config is not None:
            fields = values_of(table.sections[0], row)["model"].items()
            settings = ", ".join([row.config["method"], *(f"{key} {value}" for key, value in fields)])
        lines.append(f"  {row.id:{width}}  {row.name}: {settings}")
    return "\n".join(lines)
