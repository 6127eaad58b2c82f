"""Fitting and measuring one method with one seed, unless an earlier call has done it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blemish.apart import Apart
from blemish.comparison.data import Parts
from blemish.comparison.entries import Entry
from blemish.comparison.measure import load_overlaps, measure, save_overlaps
from blemish.comparison.overlap import Overlaps
from blemish.comparison.record import digest, fingerprint, read_record, write_record
from blemish.comparison.statistics import false_alarm_p
from blemish.datasets import Sample
from blemish.errors import BlemishError
from blemish.models.weights import RANDOM
from blemish.progress import progress_bar

Say = Callable[[str], None]

ENDINGS = (".safetensors", ".checkpoint", ".log.jsonl", ".json", ".npz")  # of the files of a run


@dataclass(frozen=True)
class Run:
    """A method fitted with one seed, and what was measured.

    Attributes:
        entry, seed: which method.
        model: the .safetensors file.
        fit: "seconds", "peak_memory_mb" and "model_bytes".
        measured: on the test images; see `blemish.comparison.measure.measure`.
        synthetic: the same on synthetic defects, None where there are real ones.
        curves: of the test images, None without masks.
    """

    entry: Entry
    seed: int
    model: Path
    fit: dict[str, Any]
    measured: dict[str, Any]
    synthetic: dict[str, Any] | None
    curves: Overlaps | None


class Runner:
    """Runs of several methods on the same data, kept in one folder.

    Args:
        parts: the data.
        synthetic: synthetic defects to measure on, or none.
        out: the folder.
        quiet: no progress bars.
        say: called with each sentence that the user should read.
    """

    def __init__(self, parts: Parts, synthetic: list[Sample], out: Path, *, quiet: bool, say: Say) -> None:
        self.data, self.synthetic, self.out = parts.data, synthetic, out
        self.quiet, self.say = quiet, say
        self.learned_from = digest(sample.path for sample in self.data.train)
        self.tested_on = [
            digest(sample.path for sample in samples)
            + digest(sample.mask for sample in samples if sample.mask)
            + "".join(f"{sample.path} {sample.label} {sample.defect} {sample.mask}," for sample in samples)
            for samples in (self.data.test, synthetic)
        ]

    def run(self, entry: Entry, seed: int) -> Run:
        """Fit and measure what is not done yet.

        Raises:
            BlemishError: the method cannot be fitted, or no image scored.
            KeyboardInterrupt: stopped; the next call goes on from there.
        """
        stem = entry.stem(seed)
        path, model, curves_file = (self.out / f"{stem}{end}" for end in (".json", ".safetensors", ".npz"))
        record = self._fitted(entry, seed, path, model)
        rate = entry.config(seed).false_alarm_rate
        measured_on = fingerprint(record["model"], rate, self.tested_on)
        if record.get("measured_on") != measured_on or record["curves"] != _file_digest(curves_file):
            measured, synthetic, curves = self._measured(f"Scoring {stem}", model, rate)
            save_overlaps(curves_file, curves)
            record |= {"measured_on": measured_on, "measured": measured, "synthetic": synthetic}
            record["curves"] = _file_digest(curves_file)
            write_record(path, record)
        return Run(
            entry,
            seed,
            model,
            record["fit"],
            record["measured"],
            record["synthetic"],
            load_overlaps(curves_file),
        )

    def _fitted(self, entry: Entry, seed: int, path: Path, model: Path) -> dict[str, Any]:
        config = entry.config(seed)
        weights = entry.weights if entry.weights in (None, RANDOM) else digest([Path(str(entry.weights))])
        settings = config.model_dump_json(exclude={"false_alarm_rate"})
        made_from = fingerprint(config.method, settings, weights, self.learned_from)
        checkpoint = model.with_suffix(".checkpoint")
        record = read_record(path)
        if record.get("made_from") != made_from:
            record = {"made_from": made_from, "seconds": 0.0}
            checkpoint.unlink(missing_ok=True)
            write_record(path, record)
        if "model" in record and model.is_file() and digest([model]) == record["model"]:
            self.say(f"{entry.stem(seed)}: already fitted.")
            return record
        job = {
            "name": self.data.name,
            "train": [str(sample.path) for sample in self.data.train],
            "config": entry.arguments | {"training__seed": seed},
            "weights": entry.weights,
            "out": str(model),
            "resume": checkpoint.is_file(),
            "quiet": self.quiet,
        }
        start = time.perf_counter()
        try:
            done = fit_apart(entry.stem(seed), job, self.say)
        except KeyboardInterrupt:
            if checkpoint.is_file():  # else nothing of this time was of use
                record["seconds"] += time.perf_counter() - start
                write_record(path, record)
            raise
        record["fit"] = {
            "seconds": record["seconds"] + done["seconds"],
            "peak_memory_mb": done["peak_memory_mb"],
            "model_bytes": model.stat().st_size,
        }
        record["model"] = digest([model])
        write_record(path, record)
        return record

    def _measured(
        self, title: str, model: Path, rate: float
    ) -> tuple[dict[str, Any], dict[str, Any] | None, Overlaps | None]:
        from blemish.api import load

        detector = load(model, false_alarm_rate=rate)
        with progress_bar(title, len(self.data.test) + len(self.synthetic), quiet=self.quiet) as advance:

            def progress(done: int, total: int) -> None:
                advance()

            measured, curves = measure(detector, self.data.test, name=self.data.name, progress=progress)
            alarms = measured["false_alarms"]
            alarms["p"] = false_alarm_p(
                alarms["flagged"],
                alarms["good_images"],
                len(detector.calibration.scores),
                alarms["in_force"],
            )
            synthetic = None
            if self.synthetic:
                synthetic, _ = measure(detector, self.synthetic, name="synthetic", progress=progress)
        return measured, synthetic, curves


def fit_apart(label: str, job: dict[str, Any], say: Say) -> dict[str, Any]:
    """Fit in a process of its own and wait for it. Ctrl-C stops it after it has written a checkpoint.

    Args:
        label: of the method, for the messages.
        job: for `blemish.comparison.child.fit`.
        say: called with each sentence that the user should read.

    Raises:
        BlemishError: the method cannot be fitted.
        KeyboardInterrupt: it was stopped.
    """
    call = Apart("blemish.comparison.child:fit", job)
    try:
        return call.wait(lambda message: say(f"{label}: {message}"))
    except BlemishError as error:
        raise BlemishError(f"{label} cannot be fitted: {error}") from None


def check_unclaimed(entries: list[Entry], seeds: int, out: Path) -> None:
    """Refuse to write over files that no comparison made: before its first one a comparison writes a record.

    Raises:
        BlemishError: with the first one.
    """
    for entry in entries:
        for seed in range(seeds):
            stem = entry.stem(seed)
            if not _is_ours(out / f"{stem}.json"):
                for ending in ENDINGS:
                    _refuse_existing(out / f"{stem}{ending}")


def claim_synthetic(out: Path) -> Path:
    """The folder for synthetic images, with a record that it is a comparison's.

    Raises:
        BlemishError: there is one with files in it, and no comparison has used `out`.
    """
    folder = out / "synthetic"
    if not any(map(_is_ours, out.glob("*.json"))):
        if not folder.is_dir() or any(folder.iterdir()):
            _refuse_existing(folder)
        _refuse_existing(out / "synthetic.json")
        write_record(out / "synthetic.json", {"made_from": "kept-out good images"})
    return folder


def _is_ours(record: Path) -> bool:
    return "made_from" in read_record(record)


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise BlemishError(f"{path} was not made by a comparison; choose another folder, or move it away.")


def _file_digest(path: Path) -> str | None:
    return digest([path]) if path.is_file() else None
