"""The whole thing in minutes: fit and evaluate on real photographs, or on generated parts with masks."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from blemish.api import evaluate, fit
from blemish.datasets import Dataset, read_folder
from blemish.errors import ConfigError, Interrupted
from blemish.progress import progress_bar

if TYPE_CHECKING:
    from blemish.evaluation import Evaluation

FALSE_ALARM_RATE = 0.05


def run_demo(
    out: Path,
    *,
    data: str = "solar-cells",
    method: str = "patchcore",
    epochs: int | None = None,
    quiet: bool = False,
    say: Callable[[str], None] = lambda message: None,
) -> tuple["Evaluation", Path]:
    """Fit, evaluate and report.

    Args:
        out: folder for the model, its log and the report; made if need be.
        data: "solar-cells" or "parts".
        method: name of the model to fit; the default is done in seconds.
        epochs: passes over the images, for methods that train; None takes the method's own.
        quiet: no progress bars and no remarks.
        say: called with each sentence that the user should read; the licence of the photographs is said
            even when quiet.

    Returns:
        What was measured, and the report's path.

    Raises:
        ConfigError: no such data.
        DatasetError: the package with the photographs is not installed.
    """
    from blemish.report import write_report

    dataset = _dataset(data, out, say)
    out.mkdir(parents=True, exist_ok=True)
    model = out / f"{data}-{method}.safetensors"
    try:
        detector = fit(
            dataset,
            out=model,
            method=method,
            epochs=epochs,
            false_alarm_rate=FALSE_ALARM_RATE,
            resume=model.with_suffix(".checkpoint").exists(),
            quiet=quiet,
            say=lambda message: None if quiet else say(message),
        )
    except Interrupted as stop:
        raise Interrupted("Stopped; run the same command to go on.") from stop
    with progress_bar("Scoring", len(dataset.test), quiet=quiet) as advance:
        evaluation = evaluate(detector, dataset, progress=lambda done, total: advance())
    report = out / f"{data}.html"
    write_report(evaluation, detector, report)
    return evaluation, report


def _dataset(data: str, out: Path, say: Callable[[str], None]) -> Dataset:
    if data == "solar-cells":
        from blemish.datasets.elpv import CITATION, LICENCE, elpv

        dataset = elpv()
        say(f"Photographs of solar cells (elpv-dataset), licence {LICENCE}")
        say(f"Please cite: {CITATION}")
        return dataset
    if data == "parts":
        from blemish.datasets.generator import generate

        parts = out / "parts"
        return read_folder(parts if parts.exists() else generate(parts))
    raise ConfigError(f"There is no demo data {data!r}; choose solar-cells or parts.")
