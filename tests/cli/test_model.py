"""blemish info, as a user types it; export is tested in its own room."""

import json
from pathlib import Path

from tests.cli.support import Command


def test_info_describes_the_model(blemish: Command, model: Path) -> None:
    done = blemish("info", model, "--json")
    assert done.code == 0, done.err
    description = json.loads(done.out)
    assert description["method"] == "gtrans" and description["frame"] == {"resize": 64, "crop": 64}
    table = dict(line.split(maxsplit=1) for line in blemish("info", model).out.splitlines())
    assert table["method"] == "gtrans" and "efficientnet_lite0" in table["teacher"]
    assert table["the"].split(maxsplit=2)[2] == "whole pictures at 64 x 64 pixels"


def test_info_says_what_is_tolerated(blemish: Command, parts_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "tolerant.safetensors"
    fit = ["fit", parts_folder, "-o", out, "--set", "frame.resize=64", "--tolerate"]
    assert "input should be 'light', 'place' or 'turn'.\n" in blemish(*fit, "glare").err
    assert blemish(*fit, "light").code == 0
    assert "\ntolerated " in (shown := blemish("info", out).out)
    assert "brightness times 0.75 to 1.25\n" in shown
