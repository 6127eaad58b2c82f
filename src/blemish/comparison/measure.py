"""What one fitted model is measured to do, as plain JSON values."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blemish.comparison.overlap import Overlaps, overlaps
from blemish.comparison.record import replacing
from blemish.datasets import Sample
from blemish.evaluation import evaluate
from blemish.images import mask_to_frame, read_mask
from blemish.result import Result

if TYPE_CHECKING:
    from blemish.detector import Detector

IMAGE_FIELDS = ("path", "score", "is_anomalous", "label", "defect", "mask")


class _Watched:
    """A detector that keeps the maps of good and of masked images, for `blemish.evaluation.evaluate`."""

    def __init__(self, detector: "Detector", samples: list[Sample]) -> None:
        self.detector, self.samples = detector, samples
        self.frame, self.calibration = detector.frame, detector.calibration
        self.metadata, self.warning = detector.metadata, detector.warning
        self.paths: list[str] = []
        self.maps: list[np.ndarray] = []
        self.masks: list[np.ndarray] = []

    def predict_many(self, paths: Iterable[str | Path], *, consecutive: bool) -> Iterator[Result]:
        results = self.detector.predict_many(paths, consecutive=consecutive)
        for sample, result in zip(self.samples, results, strict=True):
            if result.anomaly_map is not None and (sample.mask or not sample.label):
                self._keep(sample, result.anomaly_map)
            yield result

    def _keep(self, sample: Sample, anomaly_map: np.ndarray) -> None:
        mask = np.zeros(anomaly_map.shape, bool)
        if sample.label and sample.mask:
            drawn = read_mask(sample.mask)
            if not drawn.any():
                return
            mask = mask_to_frame(drawn, self.frame)
        self.paths.append(str(sample.path))
        self.maps.append(anomaly_map)
        self.masks.append(mask)


def measure(
    detector: "Detector",
    samples: list[Sample],
    *,
    name: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, Any], Overlaps | None]:
    """Evaluate on labelled images.

    Args:
        detector: at the false-alarm rate to judge at.
        samples: each with a label; good ones among them.
        name: of the data set.
        progress: called with (images done, images in all).

    Returns:
        What `Evaluation.to_dict` gives, without the model and with fewer fields per image, and with "masked",
        the paths of the images whose pixels count; and the curves of those images, None where there are no
        masks.

    Raises:
        BlemishError: as `blemish.evaluation.evaluate`.
    """
    if not any(sample.mask for sample in samples):
        measured = evaluate(detector, samples, name=name, progress=progress).to_dict()
        return _reduced(measured, []), None
    watched = _Watched(detector, samples)
    measured = evaluate(watched, samples, name=name, progress=progress).to_dict()  # type: ignore[arg-type]
    return _reduced(measured, watched.paths), overlaps(watched.maps, watched.masks)


def save_overlaps(path: Path, curves: Overlaps | None) -> None:
    """Write curves to a .npz file, or remove it where there are none."""
    if curves is None:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **curves._asdict())


def load_overlaps(path: Path) -> Overlaps | None:
    """The curves that `save_overlaps` wrote, None where there is no file."""
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as arrays:
        return Overlaps(**{name: arrays[name] for name in Overlaps._fields})


def _reduced(measured: dict[str, Any], masked: list[str]) -> dict[str, Any]:
    del measured["model"], measured["speed"]
    measured["images"] = [{key: row[key] for key in IMAGE_FIELDS} for row in measured["images"]]
    return measured | {"masked": masked}
