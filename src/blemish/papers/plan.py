"""Which tasks there are, and what cannot be done."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from blemish.datasets import Dataset
from blemish.errors import ConfigError, DatasetError, ImageError, WeightsError
from blemish.experiments.experiment import Experiment, digest_of_samples, teacher_digest
from blemish.images.reading import image_size
from blemish.models.weights import RANDOM
from blemish.papers.measured import Missing
from blemish.papers.sources import read_category
from blemish.papers.table import Row, Section, Table
from blemish.papers.tasks import Task, Wishes, config_of


class Planner:
    """Collects tasks and what cannot be done."""

    def __init__(self, weights: dict[str, str], wishes: Wishes, seeds: int) -> None:
        self.weights, self.wishes, self.seeds = weights, wishes, seeds
        self.tasks: list[Task] = []
        self.missing: list[tuple[str, Missing]] = []  # with the table's name
        self._read: dict[tuple[str, str, Path | None], tuple[Dataset, str, str]] = {}

    def plan(
        self, table: Table, rows: list[Row], categories: Sequence[str], sources: dict[str, Path | None]
    ) -> None:
        """Add the tasks of a table."""
        for section in table.sections:
            for category in section.categories:
                if categories and category not in categories:
                    continue
                for row in rows:
                    if row.config is None:
                        continue
                    try:
                        self._add(table, section, row, category, sources[section.data])
                    except (DatasetError, ImageError, WeightsError) as error:
                        self.missing += [
                            (table.name, Missing(row.id, section.data, category, seed, str(error)))
                            for seed in range(self.seeds)
                        ]

    def other_images(self, table: Table) -> list[str]:
        """How the images that were read differ in number from the published ones, in sentences."""
        found: dict[str, list[str]] = {}
        for section in table.sections:
            for (data, category, _), (dataset, *_) in self._read.items():
                if data != section.data or category not in section.categories or section.images is None:
                    continue
                defective = sum(sample.label == 1 for sample in dataset.test)
                counts = (len(dataset.train), len(dataset.test) - defective, defective)
                if counts != section.images:
                    train, good, bad = (
                        f"{one:,} (instead of {all_of_them:,})"
                        for one, all_of_them in zip(counts, section.images, strict=True)
                    )
                    text = f"{train} images to learn from, {good} good and {bad} defective ones to measure on"
                    found.setdefault(f"{data}: {text}", []).append(category)
        return [
            f"{text}." if len(found) == 1 else f"{text}; {', '.join(categories)}."
            for text, categories in found.items()
        ]

    def _add(self, table: Table, section: Section, row: Row, category: str, source: Path | None) -> None:
        config = config_of(section, row, self.wishes)
        backbone = getattr(config.model, "backbone", None)
        weights = self.weights.get(backbone) if backbone else None
        teacher = teacher_digest(backbone, weights) if backbone else ""
        dataset, learned_from, tested_on = self._data(section, category, source)
        for seed in range(self.seeds):
            one = Experiment("", config.with_seed(seed), dataset, weights, teacher, learned_from, tested_on)
            stem = f"{config.method}-{section.data}-{category}-seed{seed}-{one.fit[:12]}"
            self.tasks.append(Task(table.name, row.id, section.data, category, seed, replace(one, stem=stem)))

    def _data(self, section: Section, category: str, source: Path | None) -> tuple[Dataset, str, str]:
        """A category's images and the digests of those to learn from and to measure on."""
        key = (section.data, category, source)
        if key not in self._read:
            dataset = read_category(section, category, source)
            for sample in dataset.test:
                image_size(sample.path)  # before any training
            self._read[key] = (dataset, digest_of_samples(dataset.train), digest_of_samples(dataset.test))
        return self._read[key]


def parse_weights(given: Sequence[str], backbones: Collection[str]) -> dict[str, str]:
    """Files, or "random", by backbone.

    Args:
        given: each "BACKBONE=FILE"; FILE alone where there is one backbone, or "random" for all.
        backbones: of the rows.

    Raises:
        ConfigError: a backbone that no row has, one that comes twice, or a file that could be any one's.
    """
    found: dict[str, str] = {}
    for text in given:
        backbone, equals, file = text.partition("=")
        if not equals or Path(text).exists():
            if len(backbones) > 1 and text != RANDOM:
                raise ConfigError(
                    f"--weights {text}: say whose, of {', '.join(backbones)}, as in BACKBONE=FILE."
                )
            new = dict.fromkeys(backbones, text)
        else:
            new = {backbone: file}
        if not backbones or not new.keys() <= set(backbones):
            there = ", ".join(backbones) or "none"
            raise ConfigError(f"--weights {text}: no row has that backbone; the rows have {there}.")
        if found.keys() & new.keys():
            raise ConfigError(f"--weights are given twice for {backbone if equals else text}; give one file.")
        found |= new
    return found


def backbones_of(tables: Sequence[Table], rows: dict[str, list[Row]], wishes: Wishes) -> list[str]:
    """The backbones of the rows, each once."""
    configs = [
        config_of(section, row, wishes)
        for table in tables
        for section in table.sections
        for row in rows[table.name]
        if row.config is not None
    ]
    found = (getattr(config.model, "backbone", None) for config in configs)
    return list(dict.fromkeys(name for name in found if name))
