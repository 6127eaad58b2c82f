"""A fit and an evaluation as a few lines for the terminal."""

from blemish.evaluation.evaluate import Evaluation
from blemish.images.frame import sight
from blemish.inference.detector import Detector
from blemish.models.config import full_name
from blemish.reports.numbers import fraction, percent


def what_was_fitted(detector: Detector) -> str:
    """Method, frame, images and the false-alarm rate in force."""
    about, calibration = detector.metadata, detector.calibration
    data, backbone = about["data"], about["config"].get("backbone")
    learned, calibrating = data["images"] - data["held_out"], len(calibration.scores)
    how = "held out" if data["held_out"] else "each left out in its turn"
    lines = [
        f"Method       {full_name(about['method'], about['preset'], backbone)}",
        f"Frame        {sight(detector.frame, data.get('visible_share'))}",
        f"Images       {learned} learned from; {calibrating} calibrate, {how}",
        f"False alarms {percent(calibration.effective_rate)} of good images allowed",
    ]
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def summary(evaluation: Evaluation) -> str:
    """The warning if there is one, headline numbers, one line per kind of defect, and every note on them."""
    image, pixel = evaluation.image, evaluation.pixel
    alarms, found = evaluation.false_alarms, evaluation.detected
    lines = [f"WARNING: {evaluation.warning}"] if evaluation.warning else []
    if image["auroc"] is not None:
        low, high = image["auroc_interval"]
        lines.append(
            f"Image AUROC  {fraction(image['auroc'])}  (95 % interval {fraction(low)} to {fraction(high)}), "
            f"AP {fraction(image['ap'])}, best F1 {fraction(image['f1_max'])}"
        )
    if pixel and pixel["auroc"] is not None:
        lines.append(
            f"Pixel AUROC  {fraction(pixel['auroc'])}, AP {fraction(pixel['ap'])}, "
            f"AUPRO {fraction(pixel['aupro_30'])} (to 30 %), {fraction(pixel['aupro_05'])} (to 5 %)"
        )
    if found["defective_images"]:
        lines.append(
            f"Found        {found['flagged']} of {found['defective_images']} defective images "
            f"({percent(found['share'])})"
        )
    if alarms["good_images"]:
        lines.append(
            f"False alarms {alarms['flagged']} of {alarms['good_images']} good images "
            f"({percent(alarms['observed'])}; {percent(alarms['in_force'])} allowed)"
        )
    if regions := evaluation.regions:
        lines.append(
            f"Regions      {regions['found']} of {regions['marked']} marked defects found; "
            f"{regions['elsewhere']} of {regions['regions']} regions where nothing is marked"
        )
    for kind, row in evaluation.defects.items():
        lines.append(
            f"  {kind:20} {row['images']:4} images  AUROC {fraction(row['auroc'])}  found {row['flagged']}"
        )
    notes = [evaluation.calibration_note, *evaluation.notes]
    notes += [
        f"{count} images of {kind}: the defect lies wholly outside the crop."
        for kind, count in evaluation.masks_outside.items()
    ]
    return "\n".join(lines + [note for note in notes if note]).replace("\N{NO-BREAK SPACE}", " ")
