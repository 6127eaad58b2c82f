"""From an evaluation to one HTML file that needs nothing else: no network, no scripts, no other files."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from blemish.evaluation.evaluate import Evaluation
from blemish.evaluation.metrics import roc_curve
from blemish.inference.model_file import facts
from blemish.reports.figures import roc_figure, score_figure
from blemish.reports.gallery import galleries, legend
from blemish.reports.numbers import fraction, percent
from blemish.reports.template import read_resource, render, write_page

if TYPE_CHECKING:
    from blemish.inference.detector import Detector

SMALL = 64  # images up to this side are enlarged with sharp pixels
MOST_LISTED = 20  # unreadable files named on the page


class Tile(NamedTuple):
    """One headline number."""

    label: str
    value: str
    detail: str


def write_report(evaluation: Evaluation, detector: "Detector", path: Path | str) -> None:
    """Write the evaluation as one self-contained HTML page.

    The images of the galleries are scored once more for their pictures. Folders on the way are made.

    Args:
        evaluation: what `evaluate` gave for this detector.
        detector: the same detector.
        path: the HTML file; an existing one is replaced.
    """
    scale = detector.heat_scale
    shown = galleries(evaluation, detector, scale)
    html = render(
        "blemish.reports",
        "page.html.j2",
        evaluation=evaluation,
        style=read_resource("blemish.reports", "page.css"),
        tiles=_tiles(evaluation),
        roc=_roc(evaluation),
        histogram=_histogram(evaluation),
        galleries=shown,
        redrawn=any(len(card.pictures) > 2 for gallery in shown for card in gallery.cards),
        crisp=detector.frame.size <= SMALL and not detector.frame.tile,
        scale=scale,
        peak_is_score=math.isclose(scale.alarm, evaluation.threshold, rel_tol=1e-5),
        legend=legend(scale),
        facts=_facts(evaluation, detector),
        unreadable=evaluation.unreadable[:MOST_LISTED],
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_page(path, html)


def _tiles(evaluation: Evaluation) -> list[Tile]:
    image, pixel = evaluation.image, evaluation.pixel
    found, alarms = evaluation.detected, evaluation.false_alarms
    tiles = []
    if image["auroc"] is not None:
        low, high = image["auroc_interval"]
        interval = f"95\u00a0% interval {fraction(low)} to {fraction(high)}"
        if low == high == 1:  # resampling cannot show how sure a perfect order is
            interval = f"perfect on these {len(evaluation.images)} images"
        tiles.append(Tile("Image AUROC", fraction(image["auroc"]), interval))
    if found["defective_images"]:
        detail = f"{found['flagged']} of {found['defective_images']} defective images"
        tiles.append(Tile("Defects found", percent(found["share"]), detail))
    if alarms["good_images"]:
        low, high = map(percent, alarms["interval"])
        detail = (
            f"{alarms['flagged']} of {alarms['good_images']} good images; {_rate(alarms)}; "
            f"95\u00a0% interval {low} to {high}"
        )
        tiles.append(Tile("False alarms", percent(alarms["observed"]), detail))
    if pixel and pixel["auroc"] is not None:
        tiles.append(Tile("Pixel AUROC", fraction(pixel["auroc"]), "of all pixels, pooled"))
        detail = f"up to 30\u00a0% false positives; {fraction(pixel['aupro_05'])} up to 5\u00a0%"
        tiles.append(Tile("AUPRO", fraction(pixel["aupro_30"]), detail))
    return tiles


def _rate(alarms: dict[str, Any]) -> str:
    asked = f"{percent(alarms['asked'])} asked"
    same = alarms["in_force"] == alarms["asked"]
    return asked if same else f"{asked}, {percent(alarms['in_force'])} in force"


def _scores(evaluation: Evaluation) -> tuple[np.ndarray, np.ndarray]:
    scores = np.array([row["score"] for row in evaluation.images], np.float64)
    labels = np.array([row["label"] for row in evaluation.images], np.int64)
    return scores, labels


def _roc(evaluation: Evaluation) -> str:
    if evaluation.image["auroc"] is None:
        return ""
    fpr, tpr, _ = roc_curve(*_scores(evaluation))
    return roc_figure(fpr, tpr, evaluation.false_alarms["observed"], evaluation.detected["share"])


def _histogram(evaluation: Evaluation) -> str:
    scores, labels = _scores(evaluation)
    return score_figure(scores[labels == 0], scores[labels == 1], evaluation.threshold)


def _facts(evaluation: Evaluation, detector: "Detector") -> list[tuple[str, str]]:
    """How the model was made and measured, as (name, value) rows."""
    made = {key: value for key, value in evaluation.model.items() if key != "calibration"}
    return [
        *facts(made),
        ("calibration: good images", str(len(detector.calibration.scores))),
        ("calibration: false-alarm rate", _rate(evaluation.false_alarms)),
        ("evaluation: images scored", f"{len(evaluation.images)} in {evaluation.seconds:.3g} s"),
    ]
