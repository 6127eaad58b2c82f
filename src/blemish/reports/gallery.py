"""The few images worth a look on a page: their pictures, verdicts and heat maps on a fixed scale."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from blemish.datasets.loading import load_mask
from blemish.images.drawing import HeatScale, encode_jpeg, overlay
from blemish.images.frame import Frame
from blemish.images.reading import mask_to_frame
from blemish.inference.result import Result
from blemish.reports.numbers import short_number

TIMES = "\N{MULTIPLICATION SIGN}"
SIDE = 512  # pixels; larger pictures are made smaller to keep the page light

Row = dict[str, Any]  # of an image, as `blemish.evaluation.evaluate.Evaluation` has it


@dataclass(frozen=True)
class Verdict:
    """What a model says of a labelled image.

    Attributes:
        text: "found", "missed", "false alarm" or "passed".
        correct: whether it is right.
        ratio: the score as "1.2 x threshold"; "" where that says nothing.
    """

    text: str
    correct: bool
    ratio: str

    @classmethod
    def of(cls, row: Row, threshold: float) -> "Verdict":
        """The verdict in a row."""
        texts = {(1, True): "found", (1, False): "missed", (0, True): "false alarm", (0, False): "passed"}
        ratio = f"{short_number(row['score'] / threshold)} {TIMES} threshold" if threshold > 0 else ""
        return cls(texts[row["label"], row["is_anomalous"]], row["label"] == row["is_anomalous"], ratio)


@dataclass(frozen=True)
class Picture:
    """A picture of an image.

    Attributes:
        caption: what it shows.
        source: a data URI.
        outlined: whether the true defect is outlined in it.
        verdict: of the model that it is from, where there are several.
    """

    caption: str
    source: str
    outlined: bool = False
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Card:
    """An image on the page.

    Attributes:
        name, defect: of the image.
        pictures: of it.
        verdict: of the model, where there is one alone.
        details: lines on its score.
    """

    name: str
    defect: str
    pictures: list[Picture]
    verdict: Verdict | None = None
    details: Sequence[str] = ()


@dataclass(frozen=True)
class Gallery:
    """Cards under a heading; `text` says what was chosen."""

    title: str
    text: str
    cards: list[Card]


def shrunk(result: Result) -> Result:
    """A result whose pictures and maps have at most `SIDE` pixels on the longer side; small ones stay as they
    are. Pictures are averaged, maps keep their largest values."""
    if result.image is None or max(result.image.shape) <= SIDE:
        return result
    share = SIDE / max(result.image.shape)
    height, width = (max(1, round(length * share)) for length in result.image.shape[:2])
    smaller: dict[str, Any] = {}
    for name in ("image", "reconstruction"):
        if (of := getattr(result, name)) is not None:
            smaller[name] = np.asarray(Image.fromarray(of).resize((width, height), Image.Resampling.BOX))
    for name in ("anomaly_map", "attention"):
        if (of := getattr(result, name)) is not None:
            smaller[name] = largest_in_cells(of, height, width)
    return replace(result, **smaller)


def shown_mask(path: str | None, frame: Frame, result: Result) -> np.ndarray | None:
    """The mask in a file as bool [H, W] of a `shrunk` result's map, None where there is none to draw."""
    if path is None or result.anomaly_map is None:
        return None
    mask = largest_in_cells(mask_to_frame(load_mask(path), frame), *result.anomaly_map.shape)
    return mask if mask.any() else None


def legend(scale: HeatScale) -> str:
    """The colours of the scale from low to high over mid grey, drawn as every heat map is; a data URI."""
    ramp = np.array([[scale.value_at(heat) for heat in np.linspace(0, 1, SIDE)]])
    strip = overlay(np.full((1, SIDE, 3), 128, np.uint8), ramp, scale)
    return data_uri(np.repeat(strip, 16, axis=0))


def data_uri(picture: np.ndarray) -> str:
    """A picture, uint8 [H, W, 3], as a JPEG to put into a page."""
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(picture)).decode()


def largest_in_cells(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """The largest value in each of height x width cells that divide an array evenly.

    Args:
        values: [H, W] of any dtype with an order; of booleans, whether any is true.
        height: of the outcome, at most H.
        width: of the outcome, at most W.
    """
    rows = np.arange(height) * values.shape[0] // height
    columns = np.arange(width) * values.shape[1] // width
    return np.maximum.reduceat(np.maximum.reduceat(values, rows, axis=0), columns, axis=1)
