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
