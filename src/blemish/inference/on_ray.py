"""A fitted model on the workers of a Ray cluster, fed by Ray Data."""

import logging
import os
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray

from blemish.calibration import Calibration
from blemish.errors import BlemishError, ConfigError
from blemish.inference.cluster import machines, room
from blemish.inference.detector import Detector
from blemish.inference.engines import read_metadata
from blemish.inference.parquet import row_schema
from blemish.inference.result import Result

IMAGES = 256  # that a worker takes at once, and another one does again if it is lost
LOADERS = 8  # threads of a worker that read and decode files, since an object store answers slowly
RETRIES = 2  # for images whose worker dies; without a bound one that kills workers would never end
PATIENCE = 60  # seconds without a word
GPU_DEVICES = ("cuda", "tensorrt")

NAMES = ("path", "error")  # bytes on the way: file names, which sentences name too, need not be text
SCHEMA = pa.schema([field.with_type(pa.binary()) if field.name in NAMES else field for field in row_schema()])

log = logging.getLogger(__name__)


class DetectorOnRay:
    """Judges images on the cluster that this program is connected to (`blemish.inference.cluster`).

    Each worker loads the model once, sent to it whatever files it sees, and reads images itself: their paths
    or URLs must mean the same there. Blocks of a lost worker are done again, twice at most. Batches are
    consecutive images of a block, so scores do not depend on the number of workers.

    Args:
        model: a model file.
        workers: processes at once; None is as many as fit on its machines, whoever uses them now;
            those that others occupy join when they are free.
        engine, device, false_alarm_rate: see `Detector.load`. With "cuda" or "tensorrt" each worker has a
            GPU of its own.
        threads: cores of each worker, and CPU threads of its engine.

    Attributes:
        metadata, calibration: as of `blemish.inference.detector.Detector`.
        can_explain: False.
        rules: None: they are not applied here.

    Raises:
        ModelFileError: missing, foreign, damaged or of a newer format.
        ConfigError: the cluster has no room for the workers.
        BlemishError: a worker cannot load the model.
    """

    can_explain = False
    rules = None

    def __init__(
        self,
        model: Path,
        *,
        workers: int | None = None,
        engine: str | None = None,
        threads: int = 1,
        device: str = "auto",
        false_alarm_rate: float | None = None,
    ) -> None:
        metadata = read_metadata(model)
        self.calibration = Calibration.from_dict(metadata.calibration)
        if false_alarm_rate is not None:
            self.calibration = self.calibration.with_rate(false_alarm_rate)
        self.metadata: dict[str, Any] = metadata.model_dump(mode="json")
        self.needs: dict[str, Any] = {"num_cpus": threads, "num_gpus": int(device in GPU_DEVICES)}
        self.workers = _room(self.needs, workers)
        files = [model, model.with_suffix(".bin")] if model.suffix.lower() == ".xml" else [model]
        self.job = {
            "files": ray.put([(file.name, file.read_bytes()) for file in files]),
            "options": {
                "engine": engine,
                "threads": None if device == "gpu" else threads,  # threads are of the CPU
                "device": device,
                "false_alarm_rate": false_alarm_rate,
            },
            "folder": str(Path.cwd()),
        }
        with _failures():
            trial = ray.remote(**self.needs)(_try_to_load).remote(self.job)
            if not ray.wait([trial], timeout=PATIENCE)[0]:
                log.info("Waiting until the cluster has a free worker and the model is loaded.")
            refused = ray.get(trial)
        if refused:
            raise BlemishError(refused)

    def predict_many(
        self, paths: Iterable[str], *, batch_size: int, explain: bool = False
    ) -> Generator[Result, None, None]:
        """Judge many files; all paths are taken before the first is scored.

        Args:
            paths: image files and URLs.
            batch_size: images scored at once.
            explain: False.

        Yields:
            One result per path, in order, without map and image.

        Raises:
            BlemishError: the cluster fails.
        """
        with _failures():
            run: Any = ray.remote(num_cpus=0)(_Run).remote()
            rest = iter(paths)
            while block := list(islice(rest, IMAGES)):
                ray.get(run.add.remote([os.fsencode(path) for path in block]))
            ray.get(run.start.remote(self.job | {"batch_size": batch_size}, self.workers, self.needs))
        while True:
            with _failures():
                rows: pa.Table | None = ray.get(run.next.remote())
            if rows is None:
                return
            for row in rows.to_pylist():
                yield Result(**row | {name: os.fsdecode(row[name]) for name in NAMES})


class _Run:
    """Ray Data on the cluster: it cannot run on this side of a Ray Client connection."""

    def __init__(self) -> None:
        self.blocks: list[pa.Table] = []
        self.tables: Iterator[pa.Table] = iter(())

    def add(self, paths: list[bytes]) -> None:
        self.blocks.append(pa.table({"path": pa.array(paths, pa.binary())}))

    def start(self, job: dict[str, Any], workers: int, needs: dict[str, Any]) -> None:
        import ray.data

        if not self.blocks:
            return
        paths = ray.data.from_arrow(self.blocks)
        paths.context.enable_progress_bars = False
        paths.context.execution_options.preserve_order = True
        scored = paths.map_batches(
            _Worker,
            fn_constructor_args=(job,),
            batch_size=None,
            batch_format="pyarrow",
            concurrency=workers,
            max_task_retries=RETRIES,
            **needs,
        )
        self.tables = iter(scored.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0))

    def next(self) -> pa.Table | None:
        return next(self.tables, None)


class _Worker:
    """One loaded detector."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.detector = _loaded(job)
        self.detector.loaders = LOADERS
        self.batch_size = job["batch_size"]
        with suppress(OSError):  # relative paths start where the user does
            os.chdir(job["folder"])

    def __call__(self, block: pa.Table) -> pa.Table:
        paths = [os.fsdecode(path) for path in block["path"].to_pylist()]
        results = self.detector.predict_many(paths, batch_size=self.batch_size, consecutive=True)
        rows = [result.to_row() for result in results]
        rows = [row | {name: os.fsencode(row[name]) for name in NAMES} for row in rows]
        return pa.Table.from_pylist(rows, SCHEMA)


def _loaded(job: dict[str, Any]) -> Any:
    """The detector, from files that are gone again once it is there."""
    with tempfile.TemporaryDirectory() as folder:
        files = ray.get(job["files"])
        for name, content in files:
            Path(folder, name).write_bytes(content)
        try:
            return Detector.load(Path(folder, files[0][0]), **job["options"])
        except BlemishError as error:
            raise BlemishError(str(error).replace(f"{folder}{os.sep}", "")) from error


def _try_to_load(job: dict[str, Any]) -> str:
    """Why a worker cannot load the model, or ""."""
    try:
        _loaded(job)
    except BlemishError as error:
        return str(error)
    return ""


def _room(needs: dict[str, Any], workers: int | None) -> int:
    """How many workers to have: no more than there is room for."""
    fits = room(needs["num_cpus"], needs["num_gpus"])
    if not 0 < (workers or 1) <= fits:
        cpus, gpus = (int(sum(machine.get(kind, 0) for machine in machines())) for kind in ("CPU", "GPU"))
        raise ConfigError(
            f"The cluster has {cpus} cores and {gpus} GPUs, room for {fits} such workers; "
            "give smaller --workers or --threads, or another --device."
        )
    return workers or fits


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what Ray raises into one sentence."""
    try:
        yield
    except ray.exceptions.RayError as error:
        if "ActorUnavailableError" in str(error) or "ActorDiedError" in str(error):
            raise BlemishError(
                f"Workers died {RETRIES + 1} times on the same {IMAGES} images; give them more memory, "
                "or look for an image there that a plain prediction dies of, too."
            ) from error
        *_, reason = str(error).strip().splitlines()
        raise BlemishError(
            f"Ray gave up ({reason.strip()}); every machine needs Blemish and its engine, and enough memory."
        ) from error
