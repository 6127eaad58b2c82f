"""From an evaluation to one HTML file that needs nothing else: no network, no scripts, no other files."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blemish.evaluation.evaluate import Evaluation
from blemish.evaluation.metrics import roc_curve
from blemish.inference.model_file import facts
from blemish.reports.charts import Bars, Chart, mirrored_histogram, roc_chart
from blemish.reports.gallery import (
    Card,
    Gallery,
    Row,
    are_small,
    labelled_card,
    legend,
    most_hidden,
)
from blemish.reports.numbers import fraction, interval, percent
from blemish.reports.template import render, write_text

if TYPE_CHECKING:
    from blemish.inference.detector import Detector

MOST_LISTED = 20  # unreadable files named on the page
CARDS = 6  # per gallery
OBLONG = 1.5  # width / height from which on the pictures of a card stand one above the other


def write_report(evaluation: Evaluation, detector: "Detector", path: Path | str) -> None:
    """Write the evaluation as one self-contained HTML page.

    The images of the galleries are scored once more for their pictures. Folders on the way are made.

    Args:
        evaluation: what `evaluate` gave for this detector.
        detector: the same detector.
        path: the HTML file; an existing one is replaced.
    """
    scale = detector.heat_scale
    galleries, sizes = _galleries(evaluation, detector)
    html = render(
        "blemish.reports",
        evaluation=evaluation,
        tiles=_tiles(evaluation),
        **_figures(evaluation),
        galleries=galleries,
        redrawn=any(len(card.pictures) > 2 for gallery in galleries for card in gallery.cards),
        crisp=are_small(sizes),
        oblong=all(width >= OBLONG * height for width, height in sizes),
        hidden=most_hidden(sizes, detector.frame),
        scale=scale,
        peak_is_score=math.isclose(scale.alarm, evaluation.threshold, rel_tol=1e-5),
        legend=legend(scale),
        facts=_facts(evaluation, detector),
        unreadable=evaluation.unreadable[:MOST_LISTED],
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, html)


def _galleries(evaluation: Evaluation, detector: "Detector") -> tuple[list[Gallery], set[tuple[int, int]]]:
    """Faintest and clearest defects and hottest good images, and widths and heights of their pictures.

    A gallery without images is left out.
    """
    chosen = _choose(evaluation.images)
    rows = {row["path"]: row for _, _, rows in chosen for row in rows}
    cards: dict[str, Card] = {}
    sizes: set[tuple[int, int]] = set()
    for row, result in zip(rows.values(), detector.predict_many(list(rows), explain=True), strict=True):
        if result.size is not None:
            cards[row["path"]] = labelled_card(row, result, detector)
            sizes.add(result.size)
    shown = [
        (title, text, [cards[row["path"]] for row in of if row["path"] in cards])
        for title, text, of in chosen
    ]
    return [Gallery(title, text, of) for title, text, of in shown if of], sizes


def _choose(rows: list[Row]) -> list[tuple[str, str, list[Row]]]:
    ranked = sorted(rows, key=lambda row: (row["score"], row["path"]))
    good = [row for row in ranked if not row["label"]][::-1]
    defective = [row for row in ranked if row["label"]]
    missed = sum(not row["is_anomalous"] for row in defective)
    alarms = sum(row["is_anomalous"] for row in good)
    clearest = [row for row in defective[CARDS:][::-1] if row["is_anomalous"]]
    misses = f"{missed or 'None'} of {len(defective)} defective images missed. Lowest scores first."
    flagged = f"{alarms or 'None'} of {len(good)} good images flagged. Highest scores first."
    return [
        ("Worst misses" if missed else "Faintest finds", misses, defective[:CARDS]),
        ("False alarms" if alarms else "Hottest good images", flagged, good[:CARDS]),
        ("Best finds", "Defective images with the highest scores.", clearest[:CARDS]),
    ]


def _tiles(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Headline numbers: label, value and detail."""
    image, pixel = evaluation.image, evaluation.pixel
    found, alarms = evaluation.detected, evaluation.false_alarms
    tiles = []
    if image["auroc"] is not None:
        sure = interval(image["auroc_interval"], "95\u00a0% interval ")
        tiles.append(("Image AUROC", fraction(image["auroc"]), sure))
    if found["defective_images"]:
        detail = f"{found['flagged']} of {found['defective_images']} defective images"
        tiles.append(("Defects found", percent(found["share"]), detail))
    if alarms["good_images"]:
        low, high = map(percent, alarms["interval"])
        detail = (
            f"{alarms['flagged']} of {alarms['good_images']} good images; {_rate(alarms)}; "
            f"95\u00a0% interval {low} to {high}"
        )
        tiles.append(("False alarms", percent(alarms["observed"]), detail))
    if pixel and pixel["auroc"] is not None:
        tiles.append(("Pixel AUROC", fraction(pixel["auroc"]), "of all pixels, pooled"))
        detail = f"up to 30\u00a0% false positives; {fraction(pixel['aupro_05'])} up to 5\u00a0%"
        tiles.append(("AUPRO", fraction(pixel["aupro_30"]), detail))
    if (regions := evaluation.regions) and regions["marked"]:
        detail = f"marked defects found; {regions['elsewhere']} of {regions['regions']} regions elsewhere"
        tiles.append(("Regions", f"{regions['found']} of {regions['marked']}", detail))
    return tiles


def _rate(alarms: dict[str, Any]) -> str:
    asked = f"{percent(alarms['asked'])} asked"
    same = alarms["in_force"] == alarms["asked"]
    return asked if same else f"{asked}, {percent(alarms['in_force'])} in force"


def _figures(evaluation: Evaluation) -> dict[str, str]:
    scores = np.array([row["score"] for row in evaluation.images], np.float64)
    labels = np.array([row["label"] for row in evaluation.images], np.int64)
    roc = ""
    if evaluation.image["auroc"] is not None:
        fpr, tpr, _ = roc_curve(scores, labels)
        roc = roc_chart(fpr, tpr, evaluation.false_alarms["observed"], evaluation.detected["share"])
    return {"roc": roc, "histogram": score_histogram(evaluation)}


def score_histogram(evaluation: Evaluation) -> str:
    """Scores of good images above the line, those of defective ones below it, and the threshold: SVG."""

    def scores(label: int) -> np.ndarray:
        return np.array([row["score"] for row in evaluation.images if row["label"] == label], np.float64)

    return mirrored_histogram(
        Chart("Histogram of image scores: good images above the line, defective images below it"),
        Bars(scores(0), "good", "good"),
        Bars(scores(1), "defective", "bad"),
        evaluation.threshold,
    )


def _facts(evaluation: Evaluation, detector: "Detector") -> list[tuple[str, str]]:
    """How the model was made and measured, as (name, value) rows."""
    made = {key: value for key, value in evaluation.model.items() if key != "calibration"}
    return [
        *facts(made),
        ("calibration: good images", str(len(detector.calibration.scores))),
        ("calibration: false-alarm rate", _rate(evaluation.false_alarms)),
        ("evaluation: images scored", f"{len(evaluation.images)} in {evaluation.seconds:.3g} s"),
    ]
