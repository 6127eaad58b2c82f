"""Fits all methods, keeps what was measured with each model, and measures how fast they score."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from blemish.comparison.methods import Method
from blemish.datasets import Dataset, Sample
from blemish.errors import BlemishError
from blemish.experiments.experiment import Experiment
from blemish.experiments.result import Result, Store
from blemish.experiments.run import Place, run_experiments
from blemish.experiments.worker import CHECKPOINT, LOG, MODEL, RECORD, read_record
from blemish.images.reading import load_frame
from blemish.inference.scoring import score_images

if TYPE_CHECKING:
    from blemish.inference.detector import Detector

TURNS = 5
LEAST_SECONDS = 0.5


class Measurement(NamedTuple):
    """What was measured on some test images, and the rows of those that could be scored, by path."""

    result: Result
    rows: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class FittedModel:
    """A method fitted with one seed.

    Attributes:
        method, seed: what was fitted.
        file: the .safetensors file.
        test: measured on the test images.
        ranked: what the methods are ranked by: the same, or without real defects measured on synthetic ones.
    """

    method: Method
    seed: int
    file: Path
    test: Measurement
    ranked: Measurement


Models = dict[str, list[FittedModel]]  # by label of the method, in the order of the seeds


def fit_all(
    methods: Sequence[Method], seeds: int, data: Dataset, synthetic: list[Sample], out: Path
) -> tuple[Models, dict[str, str]]:
    """Fit and measure what is not done yet.

    Args:
        methods, seeds: what to fit, each with the seeds 0 to `seeds` - 1.
        data: to learn from and to measure on.
        synthetic: synthetic defects to measure on too, or none.
        out: folder for model files and results.

    Returns:
        The models of each method that could be fitted with all seeds; and why others could not.

    Raises:
        BlemishError: no method could.
        KeyboardInterrupt: stopped; the next call goes on from there.
    """
    experiments: dict[tuple[str, int], list[Experiment]] = {}
    for seed in range(seeds):  # the first models of all methods come first
        for method in methods:
            one = Experiment.of(method.stem(seed), method.config.with_seed(seed), data, method.weights)
            experiments[method.label, seed] = [one, one.tested(synthetic)] if synthetic else [one]
    store = Store(out / "results")
    alone = Place(workers=1, cpus=None)  # one at a time has the machine, and its time, to itself
    everything = [one for of in experiments.values() for one in of]
    reasons = run_experiments(everything, store, out, alone, keep=["weights"])
    models: Models = {}
    failed: dict[str, str] = {}
    for method in methods:
        of_seeds = [experiments[method.label, seed] for seed in range(seeds)]
        why = [reasons[of[0].fit] for of in of_seeds if of[0].fit in reasons]
        if why:
            failed[method.label] = why[0]
            continue
        models[method.label] = []
        for seed, of in enumerate(of_seeds):
            results = [(one, result) for one in of if (result := store.read(one))]
            measured = [Measurement(result, result.rows(one.dataset)) for one, result in results]
            file = out / f"{method.stem(seed)}{MODEL}"
            models[method.label].append(FittedModel(method, seed, file, measured[0], measured[-1]))
    if not models:
        label, reason = next(iter(failed.items()))
        raise BlemishError(f"{label} cannot be fitted: {reason}")
    return models, failed


def check_unclaimed(methods: Sequence[Method], seeds: int, out: Path) -> None:
    """Refuse to write over files that no comparison made: with each model there lies a record of it.

    Raises:
        BlemishError: with the first one.
    """
    stems = [method.stem(seed) for method in methods for seed in range(seeds)]
    strange = [stem for stem in stems if not read_record(out / f"{stem}{RECORD}")]
    files = [out / f"{stem}{ending}" for stem in strange for ending in (MODEL, CHECKPOINT, LOG, RECORD)]
    drawn = out / "synthetic"
    if not (out / "results").is_dir() and drawn.exists() and (not drawn.is_dir() or any(drawn.iterdir())):
        files.append(drawn)
    for path in files:
        if path.exists():
            raise BlemishError(
                f"{path} was not made by a comparison; choose another folder, or move it away."
            )


def scoring_speed(detectors: Mapping[str, "Detector"], samples: Sequence[Sample]) -> dict[str, list[float]]:
    """Images per second in each turn, from decoded frames to scores and maps, in batches of the usual size.

    After a batch to warm up, the detectors take `TURNS` turns one after the other, so that a machine whose
    speed drifts treats all of them alike, each of at least one batch and half a second. Decoding is left out:
    it is the same for all.

    Args:
        detectors: by name, in the order of their turns.
        samples: readable images, repeated to fill a batch.
    """
    batches = {}
    for name, detector in detectors.items():
        count = 1 if detector.frame.tile else detector.batch_size  # a tiled picture makes a batch by itself
        frames = [load_frame(sample.path, detector.frame) for sample in samples[:count]]
        batches[name] = [frames[number % len(frames)] for number in range(count)]
        score_images(detector.engine, detector.frame, batches[name], detector.batch_size)
    rates: dict[str, list[float]] = {name: [] for name in detectors}
    for _ in range(TURNS):
        for name, detector in detectors.items():
            start, images, seconds = time.perf_counter(), 0, 0.0
            while seconds < LEAST_SECONDS:
                score_images(detector.engine, detector.frame, batches[name], detector.batch_size)
                images += len(batches[name])
                seconds = time.perf_counter() - start
            rates[name].append(images / seconds)
    return rates
