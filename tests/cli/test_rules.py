"""Rules beside a model, as a user types the commands."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from blemish.api import fit
from tests.cli.support import Command

RULES = """
picture = [96, 96]
look_again = 0.6
[[zone]]
name = "rim"
polygon = [[0, 0], [96, 0], [96, 20], [0, 20]]
look = false
"""


@pytest.fixture(scope="module")
def calibrated(parts_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was calibrated on all good images."""
    out = tmp_path_factory.mktemp("model") / "parts.safetensors"
    fit(parts_folder, out=out, assignments=["frame.resize=64"])
    return out


@pytest.fixture
def ruled(calibrated: Path, tmp_path: Path) -> Path:
    """The model with rules beside it."""
    shutil.copy(calibrated, tmp_path / "parts.safetensors")
    (tmp_path / "parts.rules.toml").write_text(RULES)
    return tmp_path / "parts.safetensors"


def test_rules_beside_the_model_are_in_force_and_said(
    blemish: Command, ruled: Path, parts_folder: Path
) -> None:
    good = parts_folder / "test" / "good"
    done = blemish("predict", ruled, good)
    assert done.code == 0, done.err
    assert done.err.count("parts.rules.toml) are in force: zone") == 1
    rows = list(csv.DictReader(done.out.splitlines()))
    assert list(rows[0])[-3:] == ["error", "verdict", "decided_by"]
    assert {row["verdict"] for row in rows} <= {"good", "look again", "defective"}
    without = blemish("predict", ruled, good, "--rules", "none")
    assert "verdict" not in without.out.splitlines()[0] and "Rules" not in without.err
    assert 'zone "rim" does not count, look_again 60 %' in blemish("info", ruled).out
    assert json.loads(blemish("info", ruled, "--json").out)["rules"]["look_again"] == 0.6


def test_evaluations_measure_with_them(
    blemish: Command, ruled: Path, parts_folder: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    done = blemish("evaluate", ruled, parts_folder, "--json", "-q", "--report", page)
    assert done.code == 0, done.err
    measured = json.loads(done.out)
    verdicts = measured["verdicts"]
    assert verdicts["good"]["defective"] == measured["false_alarms"]["flagged"]
    assert verdicts["defective"]["defective"] == measured["detected"]["flagged"]
    assert sum(verdicts["good"].values()) == measured["false_alarms"]["good_images"]
    assert any("give the verdicts" in note for note in measured["notes"])
    assert "without the rules, which give the verdicts here" in page.read_text(encoding="utf-8")
    without = blemish("evaluate", ruled, parts_folder, "--json", "--rules", "none").out
    assert json.loads(without)["verdicts"] is None


def test_what_cannot_be_used_is_one_sentence(blemish: Command, ruled: Path, parts_folder: Path) -> None:
    good = parts_folder / "test" / "good"
    refused = blemish("predict", ruled, good, "--on", "ray")
    assert refused.code == 2 and "Rules do not go with --on" in refused.err
    (ruled.parent / "parts.rules.toml").write_text("smallest = 3")
    refused = blemish("predict", ruled, good)
    assert refused.code == 2 and refused.out == ""
    assert "parts.rules.toml: there is no field 'smallest'" in refused.err and refused.err.count("\n") == 1
