"""The few images worth a look: chosen by score, scored once more for their pictures, drawn on one scale."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from blemish.evaluation.evaluate import Evaluation
from blemish.images.drawing import HeatScale, encode_jpeg, overlay
from blemish.images.frame import Frame
from blemish.images.reading import mask_to_frame, read_mask
from blemish.inference.result import Result
from blemish.reports.numbers import short_number
from blemish.reports.thumbnails import largest_in_cells, shrunk

if TYPE_CHECKING:
    from blemish.inference.detector import Detector

CARDS = 6  # per gallery
SIDE = 512  # pixels; larger pictures are made smaller to keep the page light


@dataclass(frozen=True)
class Card:
    """One image on the page.

    `ratio` is the score over the threshold; `pictures` are data URIs by caption, two or four (see
    `Result.pictures`); `masked` says that the true defect is outlined.
    """

    name: str
    defect: str
    verdict: str
    correct: bool
    score: str
    ratio: str
    p_value: str
    pictures: dict[str, str]
    masked: bool


@dataclass(frozen=True)
class Gallery:
    """Cards under a heading; `text` says what was chosen."""

    title: str
    text: str
    cards: list[Card]


def galleries(evaluation: Evaluation, detector: "Detector", scale: HeatScale) -> list[Gallery]:
    """Faintest and clearest defects and hottest good images; a gallery without images is left out."""
    chosen = _choose(evaluation.images)
    paths = [row["path"] for _, _, rows in chosen for row in rows]
    judged = (shrunk(result, SIDE) for result in detector.predict_many(paths, explain=True))
    results = dict(zip(paths, judged, strict=True))
    made = []
    for title, text, rows in chosen:
        cards = []
        for row in rows:
            result = results[row["path"]]
            if result.error:
                continue
            mask = framed_mask(row["mask"], detector.frame, result)
            cards.append(_card(row, evaluation.threshold, result, scale, mask))
        if cards:
            made.append(Gallery(title, text, cards))
    return made


def framed_mask(path: str | None, frame: Frame, result: Result) -> np.ndarray | None:
    """The mask in a file as bool [H, W] of a `shrunk` result's map, None where there is none to draw."""
    if path is None or result.anomaly_map is None:
        return None
    mask = largest_in_cells(mask_to_frame(read_mask(path), frame), *result.anomaly_map.shape)
    return mask if mask.any() else None


def legend(scale: HeatScale) -> str:
    """The colours of the scale from low to high over mid grey, drawn as every heat map is; a data URI."""
    ramp = np.array([[scale.value_at(heat) for heat in np.linspace(0, 1, SIDE)]])
    strip = overlay(np.full((1, SIDE, 3), 128, np.uint8), ramp, scale.low, scale.high)
    return data_uri(np.repeat(strip, 16, axis=0))


def _choose(rows: list[dict[str, Any]]) -> list[tuple[str, str, list[dict[str, Any]]]]:
    ranked = sorted(rows, key=lambda row: (row["score"], row["path"]))
    good = [row for row in ranked if not row["label"]][::-1]
    defective = [row for row in ranked if row["label"]]
    missed = sum(not row["is_anomalous"] for row in defective)
    alarms = sum(row["is_anomalous"] for row in good)
    faintest = defective[:CARDS]
    clearest = [row for row in defective[CARDS:][::-1] if row["is_anomalous"]][:CARDS]
    return [
        (
            "Worst misses" if missed else "Faintest finds",
            f"{missed or 'None'} of {len(defective)} defective images missed. Lowest scores first.",
            faintest,
        ),
        (
            "False alarms" if alarms else "Hottest good images",
            f"{alarms or 'None'} of {len(good)} good images flagged. Highest scores first.",
            good[:CARDS],
        ),
        ("Best finds", "Defective images with the highest scores.", clearest),
    ]


def _card(
    row: dict[str, Any], threshold: float, result: Result, scale: HeatScale, mask: np.ndarray | None
) -> Card:
    verdicts = {(1, True): "found", (1, False): "missed", (0, True): "false alarm", (0, False): "passed"}
    verdict = verdicts[row["label"], row["is_anomalous"]]
    pictures = result.pictures(scale, mask)
    return Card(
        name=Path(row["path"]).name,
        defect=row["defect"],
        verdict=verdict,
        correct=verdict in ("found", "passed"),
        score=short_number(row["score"]),
        ratio=short_number(row["score"] / threshold) if threshold > 0 else "",
        p_value=f"{row['p_value']:.2g}",
        pictures={caption: data_uri(picture) for caption, picture in pictures.items()},
        masked=mask is not None,
    )


def data_uri(picture: np.ndarray) -> str:
    """A picture, uint8 [H, W, 3], as a JPEG of at most `SIDE` pixels to put into a page."""
    image = Image.fromarray(picture)
    image.thumbnail((SIDE, SIDE))
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(np.asarray(image))).decode()
