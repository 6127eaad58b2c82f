"""What scoring one image gives."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from blemish.images.drawing import HeatScale, attention_overlay, overlay

COLUMNS = ("path", "score", "p_value", "is_anomalous", "error")  # of a result as a row


@dataclass(frozen=True)
class Result:
    """The verdict on one image.

    Attributes:
        path: the image's path as given, or "" for an image handed over as an array.
        score: image-level anomaly score on the model's raw scale, higher is more anomalous;
            None when the image could not be scored.
        p_value: share of held-out normal images expected to score at least this high, in (0, 1].
        is_anomalous: True when `p_value` is at most the false-alarm rate in force.
        anomaly_map: float32 [H, W], on the model's raw scale, in the frame the network saw
            (after resize and crop), or of the whole picture with tiles, blended from theirs, and with `pad`;
            None when the image could not be scored.
        image: uint8 [H, W, 3], the picture in that same frame, for drawing.
        reconstruction: uint8 [H, W, 3], the image as the model redraws it; None unless asked for.
        attention: float32 [H, W] in [0, 1], where the features lie that raise the score (Grad-CAM), on this
            image's own scale; None unless asked for.
        error: one sentence when the image could not be scored, else "".
    """

    path: str
    score: float | None = None
    p_value: float | None = None
    is_anomalous: bool | None = None
    anomaly_map: np.ndarray | None = None
    image: np.ndarray | None = None
    reconstruction: np.ndarray | None = None
    attention: np.ndarray | None = None
    error: str = ""

    def __post_init__(self) -> None:
        if (self.score is None) != bool(self.error):
            raise ValueError("a result has either a score or an error")
        if self.anomaly_map is not None and self.anomaly_map.ndim != 2:
            raise ValueError(f"an anomaly map is [H, W], not {self.anomaly_map.shape}")

    def to_row(self) -> dict[str, Any]:
        """The plain, JSON-able part: path, score, p_value, is_anomalous, error."""
        return {name: getattr(self, name) for name in COLUMNS}

    def overlay(self, scale: HeatScale, mask: np.ndarray | None = None) -> np.ndarray:
        """The image with its heat map on a fixed scale, uint8 [H, W, 3] (`blemish.images.drawing.overlay`).

        Raises:
            ValueError: the image could not be scored.
        """
        if self.image is None or self.anomaly_map is None:
            raise ValueError(f"nothing to draw: {self.error or 'the result carries no image'}")
        return overlay(self.image, self.anomaly_map, scale, mask)

    def pictures(self, scale: HeatScale, mask: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """What there is to see, each uint8 [H, W, 3], by caption: the input and the overlay, and with a
        reconstruction that and the Grad-CAM map too.

        Raises:
            ValueError: the image could not be scored.
        """
        heat = self.overlay(scale, mask)
        assert self.image is not None
        if self.reconstruction is None or self.attention is None:
            return {"input": self.image, "heat map": heat}
        return {
            "input": self.image,
            "reconstruction": self.reconstruction,
            "error map": heat,
            "Grad-CAM (own scale)": attention_overlay(self.image, self.attention),
        }
