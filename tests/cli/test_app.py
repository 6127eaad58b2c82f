"""Help teaches, and whatever the user can mend is one sentence and exit code 2."""

import sys
from pathlib import Path

import pytest

from blemish import __version__
from blemish.errors import BlemishError, Interrupted
from tests.cli.support import Command

COMMANDS = ["fit", "evaluate", "compare", "predict", "serve", "export", "info", "demo", "reproduce"]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_teaches(blemish: Command, command: str) -> None:
    done = blemish(*command.split(), "--help")
    assert done.code == 0 and "Usage:" in done.out
    if command:
        assert "Examples:" in done.out and f"blemish {command} " in done.out
    else:
        words = [line.split()[0] for line in done.out.splitlines() if line.startswith("  ") and line.strip()]
        assert [word for word in words if word in COMMANDS] == COMMANDS


def test_version(blemish: Command) -> None:
    assert blemish("--version") == (0, f"blemish {__version__}\n", "")


@pytest.mark.parametrize(("typed", "meant"), [("fti x", "'fit'"), ("fit x --otu m", "--out")])
def test_what_is_misspelt_brings_up_what_was_meant(blemish: Command, typed: str, meant: str) -> None:
    done = blemish(*typed.split())
    assert done.code == 2 and meant in done.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("fit nowhere --out m.safetensors", "nowhere does not exist"),
        ("fit {parts} --out m.pth", "must end in .safetensors"),
        ("fit {parts} --out no/such/m.safetensors", "there is no folder no/such"),
        ("fit {parts} --out m.safetensors --method magic", "There is no method 'magic'"),
        (
            "fit {parts} --out m.safetensors --preset magic",
            "rad has no preset 'magic'; choose one of: standard",
        ),
        ("fit {parts} --out m.safetensors --method gtrans --set model.tfm_depth=0", "'model.tfm_depth'"),
        ("fit {parts} --out m.safetensors --tile 64 --overlap 0.9", "'frame.overlap'"),
        ("fit {parts} --out m.safetensors --weights none.pth", "no weights file none.pth"),
        ("fit {parts} --out m.safetensors --backbone resnet34", "--weights FILE"),
        ("fit {parts} --out m.safetensors --data .", "--data is for cifar10 and stl10"),
        ("fit {parts}/ground_truth --out m.safetensors", "hold one out with --held-out"),
        ("fit {parts}/test --out m.safetensors --held-out x", "no class 'x' to hold out"),
        ("evaluate {model} stl10 --held-out frog --data .", "no class 'frog'; say which"),
        ("evaluate {model} --good a --bad b --held-out c", "--held-out and --data go"),
        ("evaluate {model}", "either DATA or both --good and --bad"),
        ("evaluate {model} {parts} --false-alarm-rate 2", "false_alarm_rate"),
        ("evaluate {model} {parts} --batchnorm-at-test batch", "gtrans has no BatchNorm"),
        ("evaluate {model} {parts} --engine onnxruntime", "The engine onnxruntime runs"),
        ("evaluate {model} {parts} --report no/r.html", "no/r.html cannot be written (there is no folder"),
        ("evaluate {model} {parts} --device gpu", "The engine torch has no device 'gpu'"),
        ("predict {model} {parts}/test --explain seen --csv c", "--explain needs the"),
        ("predict {model} {parts}/test --csv no/c", "no/c cannot be written (there is no folder"),
        ("predict {model} {parts}/test --workers 2", "--workers goes with --on"),
        ("predict {model} {parts} --on ray --maps o", "--maps does not go with --on"),
        ("predict {parts}/test/good/000.png {parts}/test", "is no model file"),
        ("predict {model} {parts}/test --engine openvino", "The engine openvino runs"),
        ("demo --data cats", "no demo data 'cats'; choose one of: solar-cells, parts"),
        ("reproduce", "Name a table, such as gtrans-1"),
        ("benchmark gtrans-1 --list", "The command is called `blemish reproduce` now"),
    ],
)
def test_bad_input_is_one_sentence(
    blemish: Command,
    arguments: str,
    expected: str,
    model: Path,
    parts_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    done = blemish(*(word.format(parts=parts_folder, model=model) for word in arguments.split()))
    assert (done.code, done.out) == (2, ""), done.err
    (line,) = done.err.splitlines()
    assert line.startswith("blemish: ") and expected in line
    assert not [path for path in tmp_path.iterdir() if path.name != "cache"]


def test_only_processes_that_fit_one_model_have_one_voice(
    blemish: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, evaluate = ["fit", "nowhere", "--out", "m.safetensors"], ["evaluate", "none.safetensors", "nowhere"]
    monkeypatch.setenv("RANK", "1")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert blemish(*fit).err, "a rank is left over from something else"
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert blemish(*fit) == (2, "", "") and blemish(*evaluate).err
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert blemish(*fit).err, "each machine has a voice"


@pytest.mark.parametrize(
    ("raised", "code", "told"),
    [
        (Interrupted("Stopped; nothing was kept."), 1, "Stopped; nothing was kept."),
        (SystemExit(130), 1, "Stopped."),
        (BlemishError("It is wrong; mend it."), 2, "blemish: It is wrong; mend it."),
        (FileNotFoundError(2, "No such file", "a.png"), 2, "blemish: a.png cannot be used: No such file."),
        (SystemExit(1), 1, ""),
    ],
)
def test_what_is_raised_has_its_exit_code(
    blemish: Command, raised: BaseException, code: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise raised

    monkeypatch.setattr(sys.modules["blemish.cli.app"], "app", fail)
    done = blemish("info")
    assert (done.code, done.err.strip()) == (code, told)
