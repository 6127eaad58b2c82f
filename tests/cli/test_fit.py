"""blemish fit, as a user types it."""

from pathlib import Path

import pytest

from blemish.images.frame import Frame
from blemish.inference.engines import read_metadata
from tests.cli.support import Command
from tests.support import log_lines


def test_it_leaves_the_model_and_its_log(model: Path) -> None:
    assert sorted(path.name for path in model.parent.iterdir()) == ["parts.log.jsonl", "parts.safetensors"]
    assert [line["epoch"] for line in log_lines(model.with_suffix(".log.jsonl"))] == [1, 2]


@pytest.mark.parametrize("quiet", [[], ["-q"]])
def test_what_it_says(
    blemish: Command, quiet: list[str], parts_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")  # left over from something else
    monkeypatch.chdir(tmp_path)
    options = ["--method", "patchcore", "--tile", "64", "--overlap", "0.5"]
    done = blemish("fit", parts_folder, "--out", "m.safetensors", *options, *quiet)
    assert done.code == 0, done.err
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]
    assert read_metadata(Path("m.safetensors")).frame == Frame(tile=64, overlap=0.5)
    if quiet:
        assert done.out + done.err == ""
    else:
        wrote, *told = done.out.splitlines()
        assert wrote.startswith("Wrote m.safetensors: ") and wrote.endswith(" s of fitting.")
        assert told == [
            "Method       patchcore, preset standard, backbone efficientnet_lite0",
            "Frame        whole pictures in tiles of 64 x 64 pixels",
            "Images       7 learned from; 1 calibrate, held out",
            "False alarms 50 % of good images allowed",
            "Next:",
            f"  blemish evaluate m.safetensors {parts_folder} --report m.html",
            "  blemish export m.safetensors m.onnx",
        ]
        assert "Fitting patchcore, preset standard, backbone" in done.err
        assert "1 calibration image cannot support a false-alarm rate of 1 %" in done.err


def test_where_nothing_is_labelled_the_next_thing_is_to_predict(
    blemish: Command, parts_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "my model.safetensors"
    done = blemish("fit", parts_folder / "train" / "good", "--out", out)
    assert f"\n  blemish predict '{out}' new/ --overlays out/\n  blemish export '{out}' " in done.out
    assert " learned from; 8 calibrate, each left out in its turn\n" in done.out
