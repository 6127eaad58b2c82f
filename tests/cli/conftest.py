"""Commands as a user types them, in this process, and a model that one of them has fitted."""

import io
import sys
from pathlib import Path

import pytest

from blemish.cli import main
from tests.cli.support import Command, Done


def run(patch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    """The exit code."""
    patch.setattr(sys, "argv", ["blemish", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.fixture
def blemish(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    def command(*arguments: str | Path, stdin: str = "") -> Done:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = run(monkeypatch, *arguments)
        return Done(code, *capsys.readouterr())

    return command


def fitted(data: Path, out: Path, *options: str) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        assert run(patch, "fit", data, "-o", out, "--set", "training.batch_size=8", *options) == 0
    return out


@pytest.fixture(scope="session")
def model(parts_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Alone in its folder with what `blemish fit` wrote beside it."""
    out = tmp_path_factory.mktemp("model") / "parts.safetensors"
    small = ["--set", "frame.resize=64", "--set", "frame.crop=64"]
    return fitted(parts_folder, out, "--method", "gtrans", "--epochs", "2", *small)


@pytest.fixture(scope="session")
def gan(parts_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that redraws images."""
    out = tmp_path_factory.mktemp("model") / "gan.safetensors"
    return fitted(parts_folder, out, "--method", "sagan", "--epochs", "1", "--set", "frame.resize=32")
