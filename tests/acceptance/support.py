"""Golden sets whose scores a test chooses."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from blemish.acceptance.measure import Acceptance, measure
from blemish.datasets.golden import GoldenSet, read_golden
from blemish.evaluation.evaluate import Evaluation
from tests.reports.support import FakeDetector

LOW, HIGH = 1e-10, 1e-8  # scores far below and far above the threshold


def detector_of(folder: Path, scores: dict[str, float], rate: float = 0.05) -> FakeDetector:
    """A detector that gives these scores, for which pictures of these names in a folder are drawn."""
    rng = np.random.default_rng(0)
    for name in scores:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / name)
    detector = FakeDetector({str(folder / name): score for name, score in scores.items()}, rate)
    detector.metadata |= {"preset": "improved", "precision": "int8", "tolerate": []}
    detector.engine = SimpleNamespace(name="onnxruntime")
    return detector


def measured(
    folder: Path, scores: dict[str, float], labels: Path | None = None
) -> tuple[Acceptance, Evaluation, FakeDetector, GoldenSet]:
    detector = detector_of(folder, scores)
    golden = read_golden(folder)
    model = folder.parent / "parts.onnx"
    model.write_bytes(b"model")
    return *measure(detector, model, golden, labels), detector, golden


def plain(good: int, bad: int, *, alarms: int = 0, missed: int = 0) -> dict[str, float]:
    """Scores of parts seen once."""
    scores = {f"good/{n}.png": HIGH if n < alarms else LOW for n in range(good)}
    return scores | {f"dent/{n}.png": LOW if n < missed else HIGH for n in range(bad)}
