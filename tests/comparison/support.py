"""Fitted models that never were, measured as real ones are."""

from itertools import product
from pathlib import Path

import numpy as np

from blemish.comparison.fitting import FittedModel, Measurement, Models
from blemish.comparison.methods import Method
from blemish.comparison.ranking import differences, method_table, rank_by_defects, rank_by_synthetic
from blemish.comparison.recommendation import recommend
from blemish.comparison.result import Comparison
from blemish.datasets import Dataset, Sample
from blemish.evaluation.evaluate import evaluate
from blemish.experiments.result import Result
from blemish.experiments.worker import MEASURED
from blemish.training.config import build_config
from tests.reports.support import NASTY, FakeDetector

LABELS = ("gtrans", "gtrans:paper", "patchcore", "padim", "spade")


def synthetic_samples(originals: int) -> list[Sample]:
    made = []
    for number in range(originals):
        made.append(Sample(Path(f"{number}.png"), 0))
        for kind, strength in product(("patch", "blob", "scratch"), ("faint", "medium", "strong")):
            made.append(Sample(Path(f"{number}-{kind}-{strength}.png"), 1, f"{kind}, {strength}"))
    return made


def measurement(detector: FakeDetector, test: list[Sample]) -> Measurement:
    evaluation = evaluate(detector, test)  # type: ignore[arg-type]
    measured = {name: getattr(evaluation, name) for name in MEASURED} | {"calibrated_on": 99}
    images = [
        {key: row[key] for key in ("score", "p_value", "is_anomalous")} | {"error": ""}
        for row in evaluation.images
    ]
    result = Result("", "", "", measured, images, 1.0, 60.0, 900.0, 10**7, [], {})
    return Measurement(result, result.rows(Dataset("parts", test=test)))


def fitted_models(
    test: list[Sample],
    synthetic: list[Sample] | None = None,
    *,
    seeds: int = 1,
    labels: tuple[str, ...] = LABELS,
) -> tuple[Models, dict[str, FakeDetector]]:
    """Models of falling quality, and the detectors of the first seed."""
    everything = test + (synthetic or [])
    shared = np.random.default_rng(99).normal(0, 0.5, len(everything))
    models: Models = {}
    detectors = {}
    for number, label in enumerate(labels):
        name, _, preset = label.partition(":")
        method = Method(label, build_config(values={"method": name, "preset": preset or None}), None)
        models[label] = []
        for seed in range(seeds):
            rng = np.random.default_rng(10 * number + seed)
            scores = {
                str(sample.path): 1e-9
                * np.exp(rng.normal((2 - 0.3 * number) * (sample.label or 0), 0.5) + noise)
                for sample, noise in zip(everything, shared, strict=True)
            }
            detector = FakeDetector(scores)
            detectors.setdefault(label, detector)
            real = measurement(detector, test)
            ranked = measurement(detector, synthetic) if synthetic else real
            models[label].append(FittedModel(method, seed, Path(f"{label}.safetensors"), real, ranked))
    return models, detectors


def compared(models: Models, name: str = "parts") -> Comparison:
    first = next(iter(models.values()))[0]
    synthetic = first.ranked is not first.test
    ranking = rank_by_synthetic(models) if synthetic else rank_by_defects(models)
    measure = ("synthetic AUROC" if synthetic else "image AUROC") if ranking else ""
    table = method_table(
        models, ranking, {label: [10.0 * (index + 1)] * 5 for index, label in enumerate(models)}
    )
    pairs = differences(list(models), ranking) if ranking else []
    labels = [row["label"] for row in first.test.rows.values()]
    images = {"train": 80, "good": labels.count(0), "defective": labels.count(1), "kept_out": 0}
    advice = recommend(table, pairs, measure=measure, images=images)
    machine = {"device": "CPU", "threads": 2}
    return Comparison(name, images, measure, table, pairs, advice, machine, ["Note " * 20 + NASTY])
