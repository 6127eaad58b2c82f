"""Fitted models and what was measured with them, by method."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from blemish.comparison.entries import Entry
from blemish.datasets import Dataset, Sample
from blemish.errors import BlemishError
from blemish.experiments.experiment import Experiment
from blemish.experiments.result import Result, Store
from blemish.experiments.run import Place, run_experiments
from blemish.experiments.worker import CHECKPOINT, LOG, MODEL, RECORD, read_record


@dataclass(frozen=True)
class Run:
    """A method fitted with one seed, and what was measured.

    Attributes:
        entry, seed: which method.
        model: the .safetensors file.
        experiment, result: on the test images.
        synthetic: the same on synthetic defects, None where there are real ones.
    """

    entry: Entry
    seed: int
    model: Path
    experiment: Experiment
    result: Result
    synthetic: tuple[Experiment, Result] | None

    @property
    def ranked(self) -> dict[str, Any]:
        """What the methods are ranked by: measured on synthetic defects, where there are no real ones."""
        return (self.synthetic[1] if self.synthetic else self.result).measured

    @cached_property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The scored test images, as `Result.rows` gives them, by path."""
        return {row["path"]: row for row in self.result.rows(self.experiment.dataset)}

    @cached_property
    def ranked_rows(self) -> dict[str, dict[str, Any]]:
        """Those that `ranked` was measured on."""
        if self.synthetic is None:
            return self.rows
        experiment, result = self.synthetic
        return {row["path"]: row for row in result.rows(experiment.dataset)}


Runs = dict[str, list[Run]]  # by method, in the order of the seeds


def run_all(
    entries: Sequence[Entry], seeds: int, data: Dataset, synthetic: list[Sample], out: Path
) -> tuple[Runs, dict[str, str]]:
    """Fit and measure what is not done yet.

    Args:
        entries: the methods.
        seeds: each is fitted with the seeds 0 to `seeds` - 1.
        data: to learn from and to measure on.
        synthetic: synthetic defects to measure on, or none.
        out: folder for model files and results.

    Returns:
        The runs of each method that could be fitted with all seeds; and why others could not.

    Raises:
        BlemishError: no method could.
        KeyboardInterrupt: stopped; the next call goes on from there.
    """
    first: dict[tuple[str, int], list[Experiment]] = {}
    for seed in range(seeds):  # the first models of all methods come first
        for entry in entries:
            one = Experiment.of(entry.stem(seed), entry.config.with_seed(seed), data, entry.weights)
            first[entry.label, seed] = [one, one.tested(synthetic)] if synthetic else [one]
    store = Store(out / "results")
    everything = [one for of in first.values() for one in of]
    place = Place(workers=1, cpus=None)  # one at a time has the machine, and its time, to itself
    failures = run_experiments(everything, store, out, place, keep=["weights"])
    runs: Runs = {}
    failed: dict[str, str] = {}
    for entry in entries:
        for seed in range(seeds):
            of = first[entry.label, seed]
            if of[0].fit in failures:
                failed[entry.label] = failures[of[0].fit]
                runs.pop(entry.label, None)
                break
            results = [store.read(one) for one in of]
            assert results[0] is not None
            drawn = (of[1], results[1]) if len(of) > 1 and results[1] is not None else None
            model = out / f"{entry.stem(seed)}{MODEL}"
            runs.setdefault(entry.label, []).append(Run(entry, seed, model, of[0], results[0], drawn))
    if not runs:
        label, reason = next(iter(failed.items()))
        raise BlemishError(f"{label} cannot be fitted: {reason}")
    return runs, failed


def check_unclaimed(entries: Sequence[Entry], seeds: int, out: Path) -> None:
    """Refuse to write over files that no comparison made: with each model there lies a record of it.

    Raises:
        BlemishError: with the first one.
    """
    stems = [entry.stem(seed) for entry in entries for seed in range(seeds)]
    mine = {stem for stem in stems if read_record(out / f"{stem}{RECORD}")}
    files = [out / f"{stem}{ending}" for stem in stems if stem not in mine for ending in ENDINGS]
    if not (out / "results").is_dir() and _has_files(out / "synthetic"):
        files.append(out / "synthetic")
    for path in files:
        if path.exists():
            raise BlemishError(
                f"{path} was not made by a comparison; choose another folder, or move it away."
            )


ENDINGS = (MODEL, CHECKPOINT, LOG, RECORD)  # of the files of a run


def _has_files(folder: Path) -> bool:
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
