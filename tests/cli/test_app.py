"""Help teaches, and whatever the user can mend is one sentence and exit code 2."""

import sys
from pathlib import Path

import pytest

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
        listed = [
            line.split()[0] for line in done.out.splitlines() if line[:2] == "  " and line[2:3].isalpha()
        ]
        assert [name for name in listed if name in COMMANDS] == COMMANDS


FIT = ("fit", "{parts}", "--out", "m.safetensors")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("fit", "nowhere", "--out", "m.safetensors"), "nowhere does not exist"),
        (("fit", "{parts}", "--out", "m.pth"), "must end in .safetensors"),
        (("fit", "{parts}", "--out", "no/such/m.safetensors"), "there is no folder no/such"),
        ((*FIT, "--method", "magic"), "There is no method 'magic'"),
        ((*FIT, "--preset", "magic"), "gtrans has no preset 'magic'; choose one of: improved, paper"),
        ((*FIT, "--set", "training.epoch=3"), "'training.epoch'"),
        ((*FIT, "--set", "model.tfm_depth=0"), "'model.tfm_depth'"),
        ((*FIT, "--weights", "none.pth"), "no weights file none.pth"),
        ((*FIT, "--backbone", "resnet34"), "--weights FILE"),
        ((*FIT, "--data", "."), "--data is for cifar10 and stl10"),
        (("fit", "{parts}/ground_truth", "--out", "m.safetensors"), "hold one out with --held-out"),
        (("fit", "{parts}/test", "--out", "m.safetensors", "--held-out", "x"), "no class 'x' to hold out"),
        (("fit", "cifar10", "--out", "m.safetensors"), "--held-out with one of airplane, automobile, bird"),
        (("evaluate", "none.safetensors", "{parts}"), "There is no model file none.safetensors"),
        (("evaluate", "{model}", "stl10", "--held-out", "frog", "--data", "."), "no class 'frog'; say which"),
        (("evaluate", "{model}", "--good", "a", "--bad", "b", "--held-out", "c"), "--held-out and --data go"),
        (("evaluate", "{model}"), "either DATA or both --good and --bad"),
        (("evaluate", "{model}", "{parts}", "--false-alarm-rate", "2"), "false_alarm_rate"),
        (("evaluate", "{model}", "{parts}", "--batchnorm-at-test", "batch"), "gtrans has no BatchNorm"),
        (("predict", "{model}", "{parts}/test", "--explain", "seen", "--csv", "c"), "--explain needs the"),
        (("predict", "{model}", "nowhere.png"), "nowhere.png does not exist"),
        (
            ("predict", "{model}", "{parts}/test", "--csv", "no/c"),
            "no/c cannot be written (there is no folder",
        ),
        (("predict", "{model}", "{parts}/test", "--workers", "2"), "--workers goes with --on"),
        (("predict", "{model}", "{parts}", "--on", "ray", "--maps", "o"), "--maps does not go with --on"),
        (("predict", "{parts}/test/good/000.png", "{parts}"), "is no model file"),
        (("predict", "{model}", "{parts}/test", "--engine", "openvino"), "The engine openvino runs"),
        (("info", "{parts}/train"), "There is no model file"),
        (("demo", "--data", "cats"), "no demo data 'cats'; choose solar-cells or parts"),
        (("reproduce",), "Name a table, such as gtrans-1"),
    ],
)
def test_bad_input_is_one_sentence(
    blemish: Command,
    arguments: tuple[str, ...],
    expected: str,
    model: Path,
    parts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    done = blemish(*(argument.format(parts=parts, model=model) for argument in arguments))
    assert (done.code, done.out) == (2, ""), done.err
    (line,) = done.err.splitlines()
    assert line.startswith("blemish: ") and expected in line
    assert not [path for path in tmp_path.iterdir() if path.name != "cache"]


LAUNCHED = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}


@pytest.mark.parametrize(
    ("command", "environment", "speaks"),
    [
        ("fit", {"RANK": "1"}, True),
        ("fit", LAUNCHED | {"RANK": "0"}, True),
        ("fit", LAUNCHED, False),
        ("evaluate", LAUNCHED, True),
        ("predict", {"RANK": "1"}, True),
    ],
)
def test_only_processes_that_fit_one_model_have_one_voice(
    blemish: Command,
    command: str,
    environment: dict[str, str],
    speaks: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    rest = ["nowhere", "--out", "m.safetensors"] if command == "fit" else ["none.safetensors", "nowhere"]
    done = blemish(command, *rest)
    assert done.code == 2 and bool(done.err) == speaks


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
