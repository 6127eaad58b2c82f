"""The running half needs no torch, and nothing is imported before it is needed."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    *("torch", "timm", "torchvision", "accelerate", "scipy", "onnx", "onnxscript"),
    *("ray", "pyarrow", "pandas", "sqlalchemy", "fsspec"),
    *("fastapi", "starlette", "uvicorn", "alembic", "prometheus_client", "pydantic_settings"),
)


def imported_by(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return set(result.stdout.split())


def test_the_package_itself_imports_next_to_nothing() -> None:
    modules = imported_by("import blemish; blemish.BlemishError")
    assert not modules & {"numpy", "PIL", "pydantic", *HEAVY}


def test_help_imports_no_library_of_the_work() -> None:
    modules = imported_by(
        "import sys; sys.argv = ['blemish', '--help']\n"
        "import blemish.cli\n"
        "try: blemish.cli.main()\n"
        "except SystemExit: pass"
    )
    assert not modules & {"numpy", "PIL", "pydantic", "jinja2", *HEAVY}


def test_the_running_half_imports_no_torch() -> None:
    names = (
        "api config images detector result calibration metrics evaluation pictures prediction modelfile "
        "report report.text engines.onnx datasets.elpv datasets.generator models.registry models.weights"
    )
    code = "\n".join(f"import blemish.{name}" for name in names.split())
    assert not imported_by(code) & set(HEAVY)


@pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="the extra openvino is not installed"
)
def test_openvino_brings_no_torch_and_reports_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # where its reports keep their files
    modules = imported_by("import blemish.inference.engines.openvino")
    assert not modules & {*HEAVY, "openvino_telemetry.main"}
    assert not list(tmp_path.iterdir())


def test_public_names_are_there() -> None:
    import blemish

    assert all(getattr(blemish, name) is not None for name in blemish.__all__)
