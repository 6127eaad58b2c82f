"""A fitted model, ready to judge images."""

import os
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Self, overload

import numpy as np

from blemish.calibration import Calibration
from blemish.errors import ConfigError, ImageError, ModelFileError
from blemish.images.alignment import check_opencv
from blemish.images.drawing import HeatScale
from blemish.images.finding import FilePath
from blemish.images.frame import Frame
from blemish.images.in_memory import AnyImage
from blemish.images.known_part import KnownPart
from blemish.images.reading import Framed
from blemish.inference.applied_rules import AppliedRules, apply_rules
from blemish.inference.batchnorm import check_statistics, choose_statistics
from blemish.inference.engines import open_engine
from blemish.inference.engines.base import Engine
from blemish.inference.inputs import Loaded, images_of, is_several, load, path_of
from blemish.inference.model_file import Metadata
from blemish.inference.result import Result
from blemish.inference.rules import Rules, rules_for
from blemish.inference.scoring import BATCH_SIZE, explain_images, score_images
from blemish.inference.streaming import stream
from blemish.inference.verdict import decide
from blemish.progress import progress_bar, show_messages_to_people

TILED_THREADS = 4  # at most load pictures that are cut into tiles, since each may be large


class Detector:
    """Scores images and gives verdicts at a kept false-alarm rate.

    Its methods may be used by several threads, and while a `predict_many` is unfinished; they take turns.
    Forked processes may use it too: PyTorch then has one thread, and ONNX Runtime lets them end by `os._exit`
    only, as those of multiprocessing do. It can be pickled: one of an .onnx or .xml file opens it again.

    Attributes:
        path: its model file; None where there is none.
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
        self._options: dict[str, Any] = {}
        self.path: Path | None = None
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
    ) -> Self:
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
        check_statistics(path, batchnorm_at_test)
        options: dict[str, Any] = {"engine": engine, "threads": threads, "device": device}
        opened, metadata = open_engine(path, **options)
        detector = cls(opened, metadata)
        detector.path, detector._options = path.absolute(), options
        detector.warning = choose_statistics(opened, metadata, batchnorm_at_test)
        if detector.warning and batchnorm_at_test == "batch":
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
        again = self.path and self.engine.name != "torch"  # the others cannot give away their graph
        return self.__dict__ | {"_locks": {}} | ({"engine": None} if again else {})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.engine is None and self.path:
            self.engine, found = open_engine(self.path, **self._options)
            if found.model_dump(mode="json") != self.metadata:
                raise ModelFileError(f"{self.path} is no longer the model that was pickled; load it again.")

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

    @overload
    def predict(self, image: AnyImage) -> Result: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, image: Sequence[AnyImage]) -> list[Result]: ...
    def predict(self, image: Any) -> Result | list[Result]:
        """Judge one image, or several.

        Args:
            image: a file, the bytes of one, a PIL image, an array or a PyTorch tensor, with colours in RGB
                order (`blemish.images.in_memory.rgb_pixels`); or several: a sequence of these, a folder, or
                a pattern such as "new/*.png".

        Returns:
            A result; of several a list, as `predict_many` gives them. To type checkers a path is one image.

        Raises:
            ImageError: the one image cannot be used.
            DatasetError: a folder or a pattern holds no images.
            ConfigError: it is no image at all.
        """
        if is_several(image):
            show_messages_to_people()
            images, results = list(images_of(image)), []
            with progress_bar("Scoring", len(images)) as advance:
                for result in self.predict_many(images):
                    results.append(result)
                    advance()
            return results
        loaded = load(image, self.frame)
        (scored,) = self.score_framed([loaded.framed.pixels])
        return self._result(loaded, *scored)

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
        images: FilePath | Iterable[AnyImage],
        *,
        batch_size: int | None = None,
        explain: bool = False,
        consecutive: bool = False,
    ) -> Generator[Result, None, None]:
        """Judge many images. Threads decode and score ahead of the caller; memory stays constant.

        A result comes as soon as it and all before it are ready, however slowly `images` goes on. Which ones
        share a batch depends on the time each takes to decode, and may change the last digits of a score.
        Close the generator to stop early.

        Args:
            images: a folder or a pattern, or an iterable of what `predict` takes for one image, each an
                object of its own: another thread takes them, ahead of the results.
            batch_size: images scored at once at most; None takes the detector's own.
            explain: also give reconstructions and Grad-CAM maps, where there are any (`can_explain`).
            consecutive: batches are always consecutive images: the same ones give the same last digits.

        Yields:
            One result per image, in order. One that cannot be used gives a result with `error`.

        Raises:
            DatasetError: a folder or a pattern holds no images.
            ConfigError: `batch_size` is below 1, or something is no image at all.
        """
        if batch_size is None:
            batch_size = self.batch_size
        if batch_size < 1:
            raise ConfigError(f"batch_size is at least 1, not {batch_size}; leave it out for the detector's.")

        def score(batch: list[Loaded]) -> Sequence[tuple[Any, ...]]:
            pixels = [loaded.framed.pixels for loaded in batch]
            with self._turn:
                scored = score_images(self.engine, self.frame, pixels, batch_size)
                return explain_images(self.engine, self.frame, pixels, scored) if explain else scored

        items = stream(
            images_of(images),
            partial(load, frame=self.frame),
            score,
            1 if self.frame.tile else batch_size,  # one large picture fills batches by itself
            threads=min(TILED_THREADS, self.loaders) if self.frame.tile else self.loaders,
            consecutive=consecutive or self.consecutive,
        )
        with closing(items):
            for given, loaded, scored in items:
                if isinstance(loaded, ImageError):
                    yield Result(path_of(given), error=str(loaded), rules=self.rules)
                else:
                    yield self._result(loaded, *scored)

    def _result(
        self,
        loaded: Loaded,
        score: float,
        anomaly_map: np.ndarray,
        reconstruction: np.ndarray | None = None,
        attention: np.ndarray | None = None,
    ) -> Result:
        path, framed, array = loaded
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
