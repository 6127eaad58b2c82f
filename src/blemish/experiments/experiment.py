"""An experiment is a pure function of a configuration, a data set and the code that decides."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import blemish
from blemish.datasets import Dataset, Sample
from blemish.datasets.sample import mask_files
from blemish.errors import ImageError
from blemish.files import file_digest, value_digest
from blemish.images.finding import path_errors
from blemish.models.weights import RANDOM, find_weights
from blemish.training.config import RunConfig

# what decides a result; other rooms show, move or serve results
DECIDING = ("images", "datasets", "models", "training", "inference", "evaluation", "calibration.py")

NO_PART = {"cache_gigabytes", "checkpoint_seconds", "tracker"}  # of training, in what it gives


@dataclass(frozen=True)
class Experiment:
    """Fit a model to `dataset.train`, and measure it on `dataset.test`.

    Attributes:
        stem: name of its files, without an ending.
        config: of the run, whole.
        dataset: the images.
        weights: the backbone's file, "random", or None to have them found and for methods without.
        teacher: what these weights are: a digest or a name.
        learned_from, tested_on: digests of the images.
    """

    stem: str
    config: RunConfig
    dataset: Dataset
    weights: str | None
    teacher: str
    learned_from: str
    tested_on: str

    @classmethod
    def of(cls, stem: str, config: RunConfig, dataset: Dataset, weights: str | None = None) -> "Experiment":
        """The experiment, with the digests of all that it needs.

        Raises:
            ImageError: a file cannot be read.
            WeightsError: the backbone's weights are not there.
        """
        backbone = getattr(config.model, "backbone", None)
        return cls(
            stem,
            config,
            dataset,
            weights if backbone else None,
            teacher_digest(backbone, weights) if backbone else "",
            digest_of_samples(dataset.train),
            digest_of_samples(dataset.test),
        )

    def tested(self, samples: list[Sample]) -> "Experiment":
        """The same model on other test images."""
        dataset = replace(self.dataset, test=samples)
        return replace(self, dataset=dataset, tested_on=digest_of_samples(samples))

    @cached_property
    def scoring(self) -> dict[str, Any]:
        """The fields of the model that concern scoring alone: models that differ in them share their fit."""
        return self.config.model.model_dump(mode="json", include=set(self.config.model.scoring_only))

    @cached_property
    def fit(self) -> str:
        """Fingerprint of what decides the weights."""
        return value_digest([code_version(), fit_settings(self.config), self.teacher, self.learned_from])

    @cached_property
    def fingerprint(self) -> str:
        """Of what decides the result."""
        return value_digest([self.fit, self.scoring, self.config.false_alarm_rate, self.tested_on])


def fit_settings(config: RunConfig) -> str:
    """A digest of the part of a configuration that decides the weights."""
    without: Any = {"preset": True, "false_alarm_rate": True, "model": config.model.scoring_only}
    return value_digest(config.model_dump(mode="json", exclude=without | {"training": NO_PART}))


@cache
def code_version(package: Path = Path(blemish.__file__).parent) -> str:
    """The version of the program and a digest of those of its sources that decide results."""
    whole = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package)
        if relative.parts[0] in DECIDING:
            whole.update(f"{relative.as_posix()}\n".encode() + path.read_bytes())
    return f"{blemish.__version__}+{whole.hexdigest()[:12]}"


def teacher_digest(backbone: str, weights: str | None) -> str:
    """What the ImageNet weights of a backbone are: the digest of their file, or where the hub has them.

    Raises:
        WeightsError: they are not there.
    """
    if weights == RANDOM:
        return RANDOM
    source = find_weights(backbone, weights)
    return digest_of_file(source.path) if source.path else source.model


def digest_of_samples(samples: Iterable[Sample]) -> str:
    """A digest of images and masks by content, with their labels, in order; where they lie plays no part.

    Raises:
        ImageError: a file cannot be read.
    """
    whole = hashlib.sha256()
    for sample in samples:
        mask = " ".join(map(digest_of_file, mask_files(sample.mask)))
        line = f"{digest_of_file(sample.path)} {sample.label} {sample.defect} {mask}\n"
        whole.update(line.encode(errors="surrogateescape"))  # folders' names need not be text
    return whole.hexdigest()


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file; read once, although classes that are held out in turn share their images.

    Raises:
        ImageError: it cannot be read.
    """
    with path_errors(path, ImageError):
        state = path.stat()
        return _digest(path, state.st_mtime_ns, state.st_size)


@cache
def _digest(path: Path, changed: int, size: int) -> str:
    return file_digest(path)
