"""The few images worth a look on a page: their pictures, verdicts and heat maps on a fixed scale."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from blemish.datasets.loading import load_mask
from blemish.images.drawing import HeatScale, data_uri
from blemish.images.frame import Frame, hidden, visible_share
from blemish.images.legend import colour_scale
from blemish.images.maps import largest_in_cells, shrunk_size
from blemish.inference.result import PAGE_SIDE, Result
from blemish.reports.numbers import short_number

if TYPE_CHECKING:
    from blemish.inference.detector import Detector

TIMES = "\N{MULTIPLICATION SIGN}"
SMALL = 64  # pixels of the longer side

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


def labelled_card(row: Row, result: Result, detector: "Detector") -> Card:
    """The pictures and the verdict of a labelled image that this detector scored."""
    mask = shown_mask(row["mask"], result)
    verdict = Verdict.of(row, detector.calibration.threshold)
    score = f"Score {short_number(row['score'])}"
    pictures = [
        Picture(caption, data_uri(picture), mask is not None and caption.endswith("map"))
        for caption, picture in result.pictures(detector.heat_scale, mask).items()
    ]
    details = [
        f"{score} ({verdict.ratio})" if verdict.ratio else score,
        f"p\N{NON-BREAKING HYPHEN}value {row['p_value']:.2g}",
    ]
    if result.verdict:
        details.append(f"{result.verdict}: {result.decided_by}")
    return Card(Path(row["path"]).name, row["defect"], pictures, verdict, details)


def shown_mask(path: str | None, result: Result) -> np.ndarray | None:
    """The mask in a file, bool [H, W] of the result's `pictures`; None where there is none to draw."""
    if path is None or result.size is None:
        return None
    mask = load_mask(path)
    if mask.shape[::-1] != result.size:
        mask = np.asarray(Image.fromarray(mask).resize(result.size, Image.Resampling.NEAREST))
    width, height = shrunk_size(*result.size, PAGE_SIDE)
    return largest_in_cells(mask, height, width) if mask.any() else None


def most_hidden(sizes: Collection[tuple[int, int]], frame: Frame) -> str:
    """`blemish.images.frame.hidden` of pictures of these widths and heights."""
    return hidden(frame, min(visible_share(*size, frame) for size in sizes)) if sizes else ""


def are_small(sizes: Iterable[tuple[int, int]]) -> bool:
    """Whether pictures of these widths and heights are enlarged with sharp pixels."""
    return all(max(size) <= SMALL for size in sizes)


def legend(scale: HeatScale) -> str:
    """The colours of the scale from low to high over mid grey, drawn as every heat map is; a data URI."""
    return data_uri(colour_scale(scale, PAGE_SIDE, 16))
