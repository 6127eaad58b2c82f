"""The verdict on one image, wherever one is given: by the rules in force, or else by the score."""

import numpy as np

from blemish.calibration import Calibration
from blemish.errors import ImageError
from blemish.inference.applied_rules import AppliedRules
from blemish.inference.rules import Decision


def decide(
    score: float,
    anomaly_map: np.ndarray,
    calibration: Calibration,
    rules: AppliedRules | None,
    title: str,
    size: tuple[int, int],
) -> Decision:
    """Judge an image.

    Args:
        score: on the model's raw scale.
        anomaly_map: float32 [H, W], likewise.
        calibration: of the scores, at the false-alarm rate in force.
        rules: in force, or None.
        title: what messages call the image.
        size: width and height of the upright original in pixels.

    Raises:
        ImageError: there is no verdict; a sentence.
    """
    if not np.isfinite(anomaly_map).all():
        raise ImageError(f"{title} has no score: its anomaly map has values that are no finite numbers.")
    if rules and (why := rules.not_for(*size)):
        raise ImageError(f"{title} is not judged: {why}.")
    try:
        if rules is None:
            return Decision(*calibration.judge(score))
        return rules.decide(score, anomaly_map, calibration)
    except ImageError as error:
        raise ImageError(f"{title} has no score: {error}.") from error
