"""The command line of the station: an option for each setting."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

pytest.importorskip("fastapi", reason="the extra serve is not installed")

import blemish.cli  # noqa: F401 (its commands)
from blemish.cli.app import app
from blemish.errors import ConfigError
from blemish.extras import install_command
from blemish.station.settings import Settings


def test_every_setting_is_an_option_with_its_default() -> None:
    text = CliRunner().invoke(app, ["serve", "--help"]).stdout
    options = {line.split()[0][2:] for line in text.splitlines() if line.startswith("  --")}
    names = {name.replace("-", "_") for name in options} | {"model"}
    assert names == {*Settings.model_fields, "config", "check"} and "[MODEL]" in text
    assert "[default: 8000]" in text and "[default: station]" in text


def test_a_value_that_cannot_be_is_one_sentence() -> None:
    result = CliRunner().invoke(app, ["serve", "parts.onnx", "--port", "many"])
    assert isinstance(result.exception, ConfigError) and result.output == ""
    assert str(result.exception).startswith("--port: input should be a valid integer")


@pytest.mark.slow
def test_without_the_extra_it_says_how_to_get_it() -> None:
    script = "import sys; sys.modules['uvicorn'] = None; sys.argv[1:] = ['serve', 'parts.onnx']\n"
    script += "from blemish.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert result.stderr == f"blemish: The station needs more packages: {install_command('serve')}.\n"
