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
from blemish.errors import BlemishError, ImageError
from blemish.images import Frame, load_frame, to_frame
from blemish.modelfile import Metadata, read_metadata
from blemish.result import Result

BATCH_SIZE = 16


class Detector:
    """Scores images and gives verdicts at a kept false-alarm rate.

    Attributes:
        engine: runs the model's graph.
        frame: how an image becomes the network's input.
        calibration: p-values and verdicts; replace it by `calibration.with_rate(rate)` for another rate.
        metadata: the model file's description as plain JSON values.
    """

    def __init__(self, engine: Engine, metadata: Metadata) -> None:
        self.engine = engine
        self.frame: Frame = metadata.frame
        self.calibration = Calibration.from_dict(metadata.calibration)
        self.metadata: dict[str, Any] = metadata.model_dump(mode="json")

    @classmethod
    def load(cls, path: str | Path) -> "Detector":
        """Load a model file.

        Raises:
            ModelFileError: missing, foreign, damaged or of a newer format.
        """
        path = Path(path)
        if path.suffix.lower() == ".onnx":
            from blemish.engines.onnx import OnnxEngine

            return cls(*OnnxEngine.load(path))
        metadata = read_metadata(path)
        try:
            from blemish.engines.torch import TorchEngine
        except ImportError as error:
            raise BlemishError(
                f'{path} needs PyTorch: pip install "blemish[train]", or use the model exported to .onnx.'
            ) from error
        return cls(TorchEngine.load(path, metadata), metadata)

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

    def predict_many(self, paths: Iterable[str | Path], *, batch_size: int = BATCH_SIZE) -> Iterator[Result]:
        """Judge many files: decoding runs ahead in threads, memory stays constant however many there are.

        Args:
            paths: image files; read as they are needed.
            batch_size: images scored at once.

        Yields:
            One result per path, in order. A file that cannot be used gives a result with `error`.
        """
        remaining = iter(paths)
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
                yield from self._judge(loaded)

    def _judge(self, loaded: list[tuple[str, np.ndarray | ImageError]]) -> Iterator[Result]:
        frames = [frame for _, frame in loaded if isinstance(frame, np.ndarray)]
        scored = iter(zip(*self.engine(np.stack(frames)), strict=True)) if frames else iter(())
        for path, frame in loaded:
            if isinstance(frame, ImageError):
                yield Result(path, error=str(frame))
            else:
                score, anomaly_map = next(scored)
                yield self._result(path, frame, float(score), anomaly_map)

    def _result(self, path: str, framed: np.ndarray, score: float, anomaly_map: np.ndarray) -> Result:
        if math.isnan(score):
            return Result(path, error=f"{path or 'The image'} has no score: the model gave NaN.")
        return Result(
            path=path,
            score=score,
            p_value=self.calibration.p_value(score),
            is_anomalous=self.calibration.is_anomalous(score),
            anomaly_map=anomaly_map,
            image=framed,
        )


def _outcome(future: "Future[np.ndarray]") -> np.ndarray | ImageError:
    try:
        return future.result()
    except ImageError as error:
        return error
