"""Commands as a user types them, in this process, and a model that one of them has fitted."""

import io
import sys
from pathlib import Path

import pytest

from blemish.cli import main
from blemish.datasets.drawn import generate
from blemish.training.config import build_config
from blemish.training.fit import fit
from tests.cli.support import Command, Done


@pytest.fixture
def blemish(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: str | Path, stdin: str = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["blemish", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        return Done(int(end.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("data") / "parts", train=12, test=3, size=96)


@pytest.fixture(scope="session")
def model(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Alone in its folder with what `blemish fit` wrote beside it."""
    out = tmp_path_factory.mktemp("model") / "parts.safetensors"
    small = ["--set", "frame.resize=64", "--set", "frame.crop=64", "--set", "training.batch_size=8"]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setattr(sys, "argv", ["blemish", "fit", str(parts), "-o", str(out), "--epochs", "2", *small])
        main()
    assert not end.value.code
    return out


@pytest.fixture(scope="session")
def gan(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that redraws images."""
    out = tmp_path_factory.mktemp("model") / "gan.safetensors"
    values = {
        "method": "sagan",
        "frame": {"resize": 32},
        "training": {"epochs": 1, "batch_size": 4},
    }
    fit(parts, build_config(values=values), out)
    return out
