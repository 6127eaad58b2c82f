"""Results made small enough for a page, without losing the peaks of their maps."""

from dataclasses import replace

import numpy as np
from PIL import Image

from blemish.inference.result import Result


def shrunk(result: Result, side: int) -> Result:
    """A result whose pictures and maps have at most `side` pixels on the longer side; small ones stay as
    they are. Pictures are averaged, maps keep their largest values."""
    if result.image is None or max(result.image.shape) <= side:
        return result
    height, width = result.image.shape[:2]
    share = side / max(height, width)
    height, width = max(1, round(height * share)), max(1, round(width * share))

    def picture(of: np.ndarray | None) -> np.ndarray | None:
        if of is None:
            return None
        return np.asarray(Image.fromarray(of).resize((width, height), Image.Resampling.BOX))

    def largest(of: np.ndarray | None) -> np.ndarray | None:
        return None if of is None else largest_in_cells(of, height, width)

    return replace(
        result,
        image=picture(result.image),
        anomaly_map=largest(result.anomaly_map),
        reconstruction=picture(result.reconstruction),
        attention=largest(result.attention),
    )


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
