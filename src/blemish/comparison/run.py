"""Fits, measures and compares several methods, and writes the page."""

import importlib.util
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from blemish.comparison.data import draw_synthetic, split_dataset
from blemish.comparison.fitting import Models, check_unclaimed, fit_all, scoring_speed
from blemish.comparison.methods import DEFAULT_METHODS, Method, read_methods
from blemish.comparison.page import write_comparison
from blemish.comparison.ranking import differences, method_table, rank_by_defects, rank_by_synthetic
from blemish.comparison.recommendation import recommend
from blemish.comparison.result import Comparison
from blemish.datasets import Dataset, Sample, Source, read_dataset, without_listed
from blemish.errors import BlemishError, ConfigError, Interrupted
from blemish.extras import install_command
from blemish.files import make_folder
from blemish.models.registry import config_class
from blemish.progress import show_messages_to_people

log = logging.getLogger(__name__)


def compare(
    data: Source,
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    seeds: int | None = None,
    held_out: str | None = None,
    data_root: str | Path | None = None,
    out: str | Path = "comparison",
    page: str | Path | None = None,
    assignments: Iterable[str] = (),
    weights: str | Path | None = None,
    backbone: str | None = None,
    epochs: int | None = None,
    false_alarm_rate: float | None = None,
    exclude: str | Path | None = None,
) -> Comparison:
    """Fit several methods on the same good images, measure them on the same test images, and recommend one.

    Each fit has a process of its own. What is finished stays in `out`; the same call does not do it again.
    Without defective images the methods are measured on good images kept out of fitting and on synthetic
    defects.

    Args:
        data: as for `blemish.fit`.
        methods: names of methods, each perhaps with a preset, as in "gtrans:paper".
        seeds: fit each method with the seeds 0 to `seeds` - 1; None means one, or two without defective
            images.
        held_out, data_root: as for `blemish.fit`.
        out: folder for model files, records and synthetic images; made if need be.
        page: HTML file to write; None is comparison.html in `out`.
        assignments: as for `blemish.fit`; fields of the model go to the methods that have them.
        weights: of the backbones.
        backbone: for the methods that have one.
        epochs: passes over the images, for methods that train.
        false_alarm_rate: share of good images that may be called anomalous, in (0, 1).
        exclude: as for `blemish.fit`.

    Raises:
        BlemishError: something given cannot be used, or no method can be fitted; one that cannot is left out
            with a note.
        Interrupted: stopped with Ctrl-C; the same call goes on from there.
    """
    show_messages_to_people()
    chosen = read_methods(
        methods,
        assignments=list(assignments),
        backbone=backbone,
        weights=weights,
        epochs=epochs,
        false_alarm_rate=false_alarm_rate,
    )
    if seeds is not None and seeds < 1:
        raise ConfigError(f"--seeds must be at least 1, not {seeds}; leave it out for the default.")
    if importlib.util.find_spec("torch") is None:
        raise BlemishError(f"Comparing needs PyTorch: {install_command('train')}.")
    out = Path(out)
    page = out / "comparison.html" if page is None else Path(page)
    if page.is_dir() or page.suffix.lower() != ".html":
        raise BlemishError(f"The page {page} must be a file that ends in .html.")
    whole = read_dataset(data, held_out=held_out, data_root=data_root)
    dataset, kept_out = split_dataset(without_listed(whole, exclude))
    make_folder(out)
    make_folder(page.parent)
    images = {
        "train": len(dataset.train),
        "good": sum(sample.label == 0 for sample in dataset.test),
        "defective": sum(sample.label == 1 for sample in dataset.test),
        "kept_out": kept_out,
    }
    seeds = seeds or (1 if images["defective"] else 2)
    check_unclaimed(chosen, seeds, out)
    try:
        return _compare(chosen, seeds, dataset, images, out, page)
    except KeyboardInterrupt:
        raise Interrupted("Stopped; the same command goes on from there.") from None


def _compare(
    methods: list[Method], seeds: int, data: Dataset, images: dict[str, int], out: Path, page: Path
) -> Comparison:
    import torch

    from blemish.inference.detector import Detector

    synthetic = []
    if not images["defective"]:
        sides = [method.config.frame.resize for method in methods]
        side = None if None in sides else max(map(int, filter(None, sides)))
        synthetic = draw_synthetic(data.test, out / "synthetic", side, methods[0].config.frame.bit_depth)
    models, failed = fit_all(methods, seeds, data, synthetic, out)
    rate = methods[0].config.false_alarm_rate
    detectors = {label: Detector.load(of[0].file, false_alarm_rate=rate) for label, of in models.items()}
    log.info("Measuring the speed of scoring.")
    scored = next(iter(models.values()))[0].test.rows
    speeds = scoring_speed(detectors, [Sample(Path(path)) for path in scored])

    ranking = rank_by_synthetic(models) if synthetic else rank_by_defects(models)
    measure = ("synthetic AUROC" if synthetic else "image AUROC") if ranking else ""
    table = method_table(models, ranking, speeds)
    pairs = differences(list(models), ranking) if ranking else []
    comparison = Comparison(
        name=data.name,
        images=images,
        measure=measure,
        methods=table,
        differences=pairs,
        recommendation=recommend(table, pairs, measure=measure, images=images),
        machine={"device": "GPU" if torch.cuda.is_available() else "CPU", "threads": torch.get_num_threads()},
        notes=_notes(images, models, failed, seeds, synthetic),
    )
    write_comparison(comparison, models, detectors, page)
    return comparison


def _notes(
    images: dict[str, int], models: Models, failed: dict[str, str], seeds: int, synthetic: list[Sample]
) -> list[str]:
    notes = [f"{label} could not be fitted and is left out: {reason}" for label, reason in failed.items()]
    if images["kept_out"]:
        notes.append(
            f"{images['kept_out']} of the good images were kept out of fitting and calibration, to measure "
            "on; there were no good test images."
        )
    if synthetic:
        originals = sum(not sample.label for sample in synthetic)
        notes.append(
            f"Synthetic defects were drawn onto {originals} good test images, each kind at each strength. "
            "They are not your defects. Speed, memory, false alarms and stability do not depend on them."
        )
    if seeds > 1:
        notes.append(
            f"Each method was fitted with {seeds} seeds. AUROC and AUPRO are means over these, ± their "
            "standard deviation; false alarms, defects found, speed and pictures are of the first."
        )
    for label, of in models.items():
        config = of[0].method.config
        if len(config_class(config.method).presets) > 1 and ":" not in label:
            notes.append(f"{label} was fitted with its preset {config.preset}.")
    measured = [model.test.result.measured for of in models.values() for model in of]
    for note in [note for one in measured for note in (one["calibration_note"], *one["notes"])]:
        if note and not (synthetic and note.startswith("There are no defective")):
            notes.append(note)
    return list(dict.fromkeys(notes))
