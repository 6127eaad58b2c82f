"""What pages show of an image: its verdict, its mask, and what is hidden."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blemish.images.frame import Frame
from blemish.inference.result import Result
from blemish.reports.gallery import Verdict, are_small, most_hidden, shown_mask


@pytest.mark.parametrize("size", [(1600, 400), (2000, 500)])
def test_a_mask_lies_on_the_picture_of_the_page(tmp_path: Path, size: tuple[int, int]) -> None:
    """Also one that has not its image's size."""
    mask = np.zeros((400, 1600), np.uint8)
    mask[304:312, 800:816] = 1
    Image.fromarray(mask).save(tmp_path / "mask.png")
    shown = shown_mask(str(tmp_path / "mask.png"), Result("x", 1.0, size=size))
    assert shown is not None and shown.shape == (250, 1000)
    rows, columns = np.nonzero(shown)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (190, 194, 500, 509)
    Image.fromarray(mask * 0).save(tmp_path / "empty.png")
    assert shown_mask(str(tmp_path / "empty.png"), Result("x", 1.0, size=size)) is None


def test_the_picture_that_is_hidden_most_is_spoken_of() -> None:
    frame = Frame(resize=256, crop=224)
    assert most_hidden([(900, 900), (1800, 900)], frame) == (
        "The frame shows the network the central 38 % of a picture; frame.crop=none shows it whole ones."
    )
    assert most_hidden([], frame) == most_hidden([(1800, 900)], Frame(resize=224, crop=None)) == ""
    assert are_small([(32, 64)]) and not are_small([(32, 64), (900, 900)])


@pytest.mark.parametrize(
    ("label", "anomalous", "text"),
    [(1, True, "found"), (1, False, "missed"), (0, True, "false alarm"), (0, False, "passed")],
)
def test_verdicts(label: int, anomalous: bool, text: str) -> None:
    row = {"label": label, "is_anomalous": anomalous, "score": 3.0}
    times = "1.5 \N{MULTIPLICATION SIGN} threshold"
    assert Verdict.of(row, 2.0) == Verdict(text, text in ("found", "passed"), times)
    assert Verdict.of(row, -2.0) == Verdict(text, text in ("found", "passed"), "")
