"""A fitted model, ready to judge images."""

import os
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from blemish.calibration import Calibration
from blemish.errors import ConfigError, ImageError, ModelFileError
from blemish.images.alignment import check_opencv
from blemish.images.drawing import HeatScale
from blemish.images.frame import Frame
from blemish.images.known_part import KnownPart
from blemish.images.reading import Framed, load_framed, to_frame
from blemish.inference.applied_rules import AppliedRules, apply_rules
from blemish.inference.engines import open_engine
from blemish.inference.engines.base import Engine
from blemish.inference.model_file import Metadata
from blemish.inference.result import Result
from blemish.inference.rules import Rules, rules_for
from blemish.inference.scoring import BATCH_SIZE, explain_images, score_images
from blemish.inference.streaming import stream
from blemish.inference.verdict import decide

TILED_THREADS = 4  # at most load pictures that are cut into tiles, since each may be large

UNCALIBRATED = "The threshold was calibrated otherwise, so verdicts and false alarms mean nothing here."
WARNINGS = {
    "eval": f"Scored with running BatchNorm statistics. {UNCALIBRATED}",
    "instance": f"Scored with the BatchNorm statistics of each image alone. {UNCALIBRATED}",
    "batch": (
        "Not comparable: scored with the BatchNorm statistics of each batch of the ordered test set. Good "
        f"and defective images hardly ever share a batch, so the label leaks into the scores. {UNCALIBRATED}"
    ),
}


class Detector:
    """Scores images and gives verdicts at a kept false-alarm rate.

    Its methods may be used by several threads, and while a `predict_many` is unfinished; they take turns.
    Forked processes may use it too: PyTorch then has one thread, and ONNX Runtime lets them end by `os._exit`
    only, as those of multiprocessing do. It can be pickled: one of an .onnx or .xml file opens it again.

    Attributes:
        engine: runs the model's graph.
        frame: how an image becomes the network's input.
        calibration: p-values and verdicts; replace it by `calibration.with_rate(rate)` for another rate.
        known_part: tells pictures of other parts; None where the good ones differ too much for that.
        metadata: the model file's description as plain JSON values.
        batch_size: images scored at once where nothing else is said.
        consecutive: whether a batch must be `batch_size` consecutive images, because it changes the scores.
        loaders: threads that load files, one per core.
        rules: what a person says of such parts, in force (`blemish.inference.rules`), or None.
        warning: a sentence that every measurement with this detector must carry, or "".
    """

    def __init__(self, engine: Engine, metadata: Metadata) -> None:
        self.engine = engine
        self._locks: dict[int, Lock] = {}
        self._opened: dict[str, Any] = {}
        self.frame: Frame = metadata.frame
        if self.frame.align:
            check_opencv()
        self.calibration = Calibration.from_dict(metadata.calibration)
        self._map_peaks = Calibration(np.array(metadata.map_peaks), self.calibration.false_alarm_rate)
        known = metadata.known_part
        self.known_part = KnownPart.from_dict(known) if known else None
        self.metadata: dict[str, Any] = metadata.model_dump(mode="json")
        self.batch_size = BATCH_SIZE
        self.consecutive = False
        self.loaders = os.cpu_count() or 1
        self.rules: AppliedRules | None = None
        self.warning = ""

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        engine: str | None = None,
        threads: int | None = None,
        device: str = "auto",
        false_alarm_rate: float | None = None,
        batchnorm_at_test: str | None = None,
        rules: Rules | str | Path | None = None,
    ) -> "Detector":
        """Load a model file.

        Args:
            path: a .safetensors file that `fit` wrote, or an .onnx or .xml file that `export` wrote.
            engine: "torch", "onnxruntime" or "openvino"; None takes the usual one for this kind of file.
            threads: CPU threads of the engine; None leaves that to the engine.
            device: "cpu", "cuda" (torch, onnxruntime), "tensorrt" (onnxruntime) or "gpu" (openvino); "auto"
                is the CPU, or for torch a CUDA GPU if there is one.
            false_alarm_rate: in (0, 1); None keeps that of the rules, or the model's own.
            batchnorm_at_test: "eval", "instance" or "batch": score a GAN with other BatchNorm statistics than
                it was calibrated with, to show what they do to the numbers ("batch" leaks the label into
                them); None keeps the model's own.
            rules: rules, a rules file, or "none"; None takes the file beside the model, if there is one.

        Raises:
            ModelFileError: missing, foreign, damaged or of a newer format.
            ConfigError: no such statistics, or the model has no BatchNorm to choose them for; rules that do
                not fit; an engine, threads or a device that cannot be had.
        """
        path = Path(path)
        if batchnorm_at_test is not None and batchnorm_at_test not in WARNINGS:
            raise ConfigError(
                f"batchnorm_at_test is one of {', '.join(WARNINGS)}, not {batchnorm_at_test!r}; choose one."
            )
        if batchnorm_at_test and path.suffix.lower() in (".onnx", ".xml"):
            raise ConfigError(
                f"{path} has its BatchNorm statistics built in; leave out --batchnorm-at-test, or give "
                "the .safetensors file."
            )
        options: dict[str, Any] = {"engine": engine, "threads": threads, "device": device}
        opened, metadata = open_engine(path, **options)
        detector = cls(opened, metadata)
        detector._opened = options | {"path": path.absolute()}
        if batchnorm_at_test and batchnorm_at_test != metadata.config.get("batchnorm_at_test"):
            from blemish.models.gan.layers import set_batchnorm_at_test

            if not set_batchnorm_at_test(opened.model, batchnorm_at_test):  # type: ignore[attr-defined, arg-type]
                raise ConfigError(
                    f"{metadata.method} has no BatchNorm whose statistics could be chosen; "
                    "leave out --batchnorm-at-test."
                )
            detector.warning = WARNINGS[batchnorm_at_test]
            if batchnorm_at_test == "batch":
                detector.batch_size = metadata.training.get("batch_size", BATCH_SIZE)
                detector.consecutive = True
        found = rules_for(path, rules)
        if found and detector.warning:
            raise ConfigError("Rules do not go with --batchnorm-at-test; give --rules none.")
        false_alarm_rate = found[0].defective if found and false_alarm_rate is None else false_alarm_rate
        if false_alarm_rate is not None:
            detector.calibration = detector.calibration.with_rate(false_alarm_rate)
        detector.rules = apply_rules(*found, path, metadata, detector.calibration) if found else None
        return detector

    def __getstate__(self) -> dict[str, Any]:
        again = self._opened and self.engine.name != "torch"  # the others cannot give away their graph
        return self.__dict__ | {"_locks": {}} | ({"engine": None} if again else {})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.engine is None:
            self.engine, found = open_engine(**self._opened)
            if found.model_dump(mode="json") != self.metadata:
                raise ModelFileError(
                    f"{self._opened['path']} is no longer the model that was pickled; load it again."
                )

    @property
    def _turn(self) -> Lock:
        """One thread at a time calls the engine; a lock held at a fork would stay so in the new process."""
        return self._locks.setdefault(os.getpid(), Lock())

    @property
    def map_peaks(self) -> Calibration:
        """By the largest map value of each held-out image, at the false-alarm rate in force."""
        return self._map_peaks.with_rate(self.calibration.false_alarm_rate)

    @property
    def heat_scale(self) -> HeatScale:
        """The colours of every heat map of this model, at the false-alarm rate in force."""
        return HeatScale.from_calibration(self.map_peaks)

    @property
    def can_explain(self) -> bool:
        """Whether results can carry a reconstruction and a Grad-CAM map; never where the frame has tiles."""
        if self.frame.tile:
            return False
        black = np.zeros((1, *self.frame.shape, 3), np.uint8)
        with self._turn:
            return self.engine.explain(black) is not None

    def predict(self, image: str | Path | np.ndarray) -> Result:
        """Judge one image.

        Args:
            image: a file, or an array uint8 [H, W, 3] in RGB order.

        Raises:
            ImageError: the file or array cannot be used.
        """
        if isinstance(image, np.ndarray):
            path, framed = "", to_frame(image, self.frame)
        else:
            path, framed = str(image), load_framed(image, self.frame)
        (scored,) = self.score_framed([framed.pixels])
        array = image if isinstance(image, np.ndarray) else None
        return self._result(path, framed, *scored, array=array)

    def score_framed(self, images: list[np.ndarray]) -> list[tuple[float, np.ndarray]]:
        """Raw score and anomaly map, float32 [H, W], of the pixels, uint8 [H, W, 3], of framed images."""
        with self._turn:
            return score_images(self.engine, self.frame, images, self.batch_size)

    def is_other_part(self, framed: Framed) -> bool | None:
        """Whether an image in the model's frame shows another part; None if unknown."""
        if not framed.is_alike:
            return True
        return None if self.known_part is None else self.known_part.is_other(framed.pixels)

    def predict_many(
        self,
        paths: Iterable[str | Path],
        *,
        batch_size: int | None = None,
        explain: bool = False,
        consecutive: bool = False,
    ) -> Generator[Result, None, None]:
        """Judge many files. Threads decode and score ahead of the caller; memory stays constant.

        A result comes as soon as it and all before it are ready, however slowly `paths` goes on. Which images
        share a batch depends on the time each takes to decode, and may change the last digits of a score.
        Close the generator to stop early.

        Args:
            paths: image files; taken in another thread, as they are needed.
            batch_size: images scored at once at most; None takes the detector's own.
            explain: also give reconstructions and Grad-CAM maps, where there are any (`can_explain`).
            consecutive: batches are always consecutive paths: the same ones give the same last digits.

        Yields:
            One result per path, in order. A file that cannot be used gives a result with `error`.

        Raises:
            ConfigError: `batch_size` is below 1.
        """
        if batch_size is None:
            batch_size = self.batch_size
        if batch_size < 1:
            raise ConfigError(f"batch_size is at least 1, not {batch_size}; leave it out for the detector's.")

        def score(loaded: list[Framed]) -> Sequence[tuple[Any, ...]]:
            images = [framed.pixels for framed in loaded]
            with self._turn:
                scored = score_images(self.engine, self.frame, images, batch_size)
                wanted = explain and not self.frame.tile
                explained = explain_images(self.engine, self.frame, images) if wanted else None
            if explained is None:
                return scored
            return [(*one, *pictures) for one, pictures in zip(scored, explained, strict=True)]

        items = stream(
            paths,
            partial(load_framed, frame=self.frame),
            score,
            1 if self.frame.tile else batch_size,  # one large picture fills batches by itself
            threads=min(TILED_THREADS, self.loaders) if self.frame.tile else self.loaders,
            consecutive=consecutive or self.consecutive,
        )
        with closing(items):
            for path, image, scored in items:
                if isinstance(image, ImageError):
                    yield Result(str(path), error=str(image), rules=self.rules)
                else:
                    yield self._result(str(path), image, *scored)

    def _result(
        self,
        path: str,
        framed: Framed,
        score: float,
        anomaly_map: np.ndarray,
        reconstruction: np.ndarray | None = None,
        attention: np.ndarray | None = None,
        array: np.ndarray | None = None,
    ) -> Result:
        rules, title = self.rules, path or "The image"
        try:
            decision = decide(score, anomaly_map, self.calibration, rules, title, framed.size)
        except ImageError as error:
            return Result(path, error=str(error), rules=rules)
        return Result(
            path,
            score,
            decision.p_value,
            decision.is_anomalous,
            framed.put_back(anomaly_map),
            framed.pixels,
            reconstruction if reconstruction is None else framed.put_back(reconstruction),
            attention if attention is None else framed.put_back(attention),
            frame=self.frame,
            size=framed.size,
            array=array,
            map_peaks=self.map_peaks,
            is_other_part=self.is_other_part(framed),
            verdict=decision.verdict,
            decided_by=decision.decided_by,
            rules=rules,
        )
