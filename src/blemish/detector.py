"""A fitted model, ready to judge images."""

import math
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from blemish.calibration import Calibration
from blemish.engines.base import Engine
from blemish.errors import BlemishError, ConfigError, ImageError
from blemish.images import Frame, load_frame, to_frame
from blemish.modelfile import Metadata, read_metadata
from blemish.pictures import HeatScale
from blemish.result import Result

BATCH_SIZE = 16

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

    Attributes:
        engine: runs the model's graph.
        frame: how an image becomes the network's input.
        calibration: p-values and verdicts; replace it by `calibration.with_rate(rate)` for another rate.
        metadata: the model file's description as plain JSON values.
        batch_size: images scored at once where nothing else is said.
        warning: a sentence that every measurement with this detector must carry, or "".
    """

    def __init__(self, engine: Engine, metadata: Metadata) -> None:
        self.engine = engine
        self.frame: Frame = metadata.frame
        self.calibration = Calibration.from_dict(metadata.calibration)
        self.metadata: dict[str, Any] = metadata.model_dump(mode="json")
        self.batch_size = BATCH_SIZE
        self.warning = ""

    @classmethod
    def load(cls, path: str | Path, *, batchnorm_at_test: str | None = None) -> "Detector":
        """Load a model file.

        Args:
            path: a .safetensors or .onnx file.
            batchnorm_at_test: "eval", "instance" or "batch": score with other BatchNorm statistics than the
                model was calibrated with, to show what they do to the numbers; None keeps the model's own.

        Raises:
            ModelFileError: missing, foreign, damaged or of a newer format.
            ConfigError: no such statistics, or the model has no BatchNorm to choose them for.
        """
        path = Path(path)
        if batchnorm_at_test is not None and batchnorm_at_test not in WARNINGS:
            raise ConfigError(
                f"batchnorm_at_test is one of {', '.join(WARNINGS)}, not {batchnorm_at_test!r}; choose one."
            )
        if path.suffix.lower() == ".onnx":
            if batchnorm_at_test:
                raise ConfigError(
                    f"{path} has its BatchNorm statistics built in; leave out --batchnorm-at-test, or give "
                    "the .safetensors file."
                )
            from blemish.engines.onnx import OnnxEngine

            return cls(*OnnxEngine.load(path))
        metadata = read_metadata(path)
        try:
            from blemish.engines.torch import TorchEngine
        except ImportError as error:
            raise BlemishError(
                f'{path} needs PyTorch: pip install "blemish[train]", or use the model exported to .onnx.'
            ) from error
        engine = TorchEngine.load(path, metadata)
        detector = cls(engine, metadata)
        if batchnorm_at_test and batchnorm_at_test != metadata.config.get("batchnorm_at_test"):
            if not engine.set_batchnorm(batchnorm_at_test):
                raise ConfigError(
                    f"{metadata.method} has no BatchNorm whose statistics could be chosen; "
                    "leave out --batchnorm-at-test."
                )
            detector.warning = WARNINGS[batchnorm_at_test]
            if batchnorm_at_test == "batch":
                detector.batch_size = metadata.training.get("batch_size", BATCH_SIZE)
        return detector

    @property
    def heat_scale(self) -> HeatScale:
        """The colours of every heat map of this model, at the false-alarm rate in force."""
        peaks = np.array(self.metadata["map_peaks"])
        return HeatScale.from_calibration(Calibration(peaks, self.calibration.false_alarm_rate))

    @property
    def can_explain(self) -> bool:
        """Whether results can carry a reconstruction and a Grad-CAM map; tried on a black image."""
        size = self.frame.size
        return self.engine.explain(np.zeros((1, size, size, 3), np.uint8)) is not None

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
            path, framed = str(image), load_frame(image, self.frame)
        scores, maps = self.engine(framed[None])
        return self._result(path, framed, float(scores[0]), maps[0])

    def predict_many(
        self, paths: Iterable[str | Path], *, batch_size: int | None = None, explain: bool = False
    ) -> Iterator[Result]:
        """Judge many files: decoding runs ahead in threads, memory stays constant however many there are.

        Args:
            paths: image files; read as they are needed.
            batch_size: images scored at once; None takes the detector's own.
            explain: also give reconstructions and Grad-CAM maps, where there are any (`can_explain`).

        Yields:
            One result per path, in order. A file that cannot be used gives a result with `error`.
        """
        remaining, batch_size = iter(paths), batch_size or self.batch_size
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            pending: deque[tuple[str, Future[np.ndarray]]] = deque()

            def read_ahead() -> None:
                for path in islice(remaining, 2 * batch_size - len(pending)):
                    pending.append((str(path), pool.submit(load_frame, path, self.frame)))

            read_ahead()
            while pending:
                batch = [pending.popleft() for _ in range(min(batch_size, len(pending)))]
                loaded = [(path, _outcome(future)) for path, future in batch]
                read_ahead()
                yield from self._judge(loaded, explain)

    def _judge(self, loaded: list[tuple[str, np.ndarray | ImageError]], explain: bool) -> Iterator[Result]:
        frames = [frame for _, frame in loaded if isinstance(frame, np.ndarray)]
        scored: Iterator[tuple[Any, ...]] = iter(())
        if frames:
            images = np.stack(frames)
            pictures = self.engine.explain(images) if explain else None
            scored = zip(*self.engine(images), *(pictures or ()), strict=True)
        for path, frame in loaded:
            if isinstance(frame, ImageError):
                yield Result(path, error=str(frame))
            else:
                score, *arrays = next(scored)
                yield self._result(path, frame, float(score), *arrays)

    def _result(
        self,
        path: str,
        framed: np.ndarray,
        score: float,
        anomaly_map: np.ndarray,
        reconstruction: np.ndarray | None = None,
        attention: np.ndarray | None = None,
    ) -> Result:
        if math.isnan(score):
            return Result(path, error=f"{path or 'The image'} has no score: the model gave NaN.")
        return Result(
            path=path,
            score=score,
            p_value=self.calibration.p_value(score),
            is_anomalous=self.calibration.is_anomalous(score),
            anomaly_map=anomaly_map,
            image=framed,
            reconstruction=reconstruction,
            attention=attention,
        )


def _outcome(future: "Future[np.ndarray]") -> np.ndarray | ImageError:
    try:
        return future.result()
    except ImageError as error:
        return error
