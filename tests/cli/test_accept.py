"""blemish accept, as a release runs it."""

import json
from pathlib import Path

from tests.cli.support import Command


def test_the_exit_code_says_whether_limits_are_kept_or_something_cannot_be_used(
    blemish: Command, model: Path, parts_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "proof.html"
    command = ("accept", model, "--golden", parts_folder, "--out", out)
    kept = blemish(*command, "--max-false-alarms", "1")
    assert kept.code == 0, kept.err
    assert "Kept: " in kept.out and json.loads(out.with_suffix(".json").read_text())["accepted"] is True
    short = blemish(*command, "--min-found", "0.9")
    assert short.code == 1 and "FALLS SHORT: " in short.out
    assert "takes 36 defective parts or more to prove" in short.out
    refused = blemish(*command, "--min-repeatability", "1")
    assert refused.code == 2 and "needs parts with several pictures" in refused.err
    assert blemish(*command[:-1], tmp_path / "proof.pdf").code == 2
