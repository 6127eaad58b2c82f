"""The running half needs no torch, and nothing is imported before it is needed."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import blemish

pytestmark = pytest.mark.slow

HEAVY = {
    *("torch", "timm", "torchvision", "accelerate", "scipy", "onnx", "onnxscript"),
    *("ray", "pyarrow", "pandas", "sqlalchemy", "fsspec"),
    *("fastapi", "starlette", "uvicorn", "alembic", "prometheus_client", "pydantic_settings"),
}
RUNNING = (
    *("images", "datasets", "inference", "evaluation", "reports", "export/__init__", "cli", "comparison"),
    "acceptance",
)
NEEDS_MORE = {"inference/engines/torch", "inference/engines/openvino", "inference/on_ray"}


def imported_by(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


def test_the_package_and_help_import_no_library_of_the_work() -> None:
    modules = imported_by(
        "import sys; sys.argv = ['blemish', '--help']\n"
        "import blemish; blemish.BlemishError\n"
        "import blemish.cli\n"
        "try: blemish.cli.main()\n"
        "except SystemExit: pass"
    )
    assert not modules & {"numpy", "PIL", "pydantic", "jinja2", *HEAVY}


def test_the_running_half_and_every_methods_configuration_import_no_torch() -> None:
    package = Path(blemish.__file__).parent
    names = {path.relative_to(package).with_suffix("").as_posix() for path in package.rglob("*.py")}
    running = {name for name in names if name.startswith(RUNNING)} - NEEDS_MORE
    running |= {"api", "calibration", "training/config", "models/registry", "models/weights"}
    assert len(running) > 60
    code = "\n".join(f"import blemish.{name.removesuffix('/__init__').replace('/', '.')}" for name in running)
    code += "\nfor method in blemish.models.registry.METHODS:"
    code += "\n    blemish.training.config.build_config(values={'method': method})"
    assert not imported_by(code) & HEAVY


@pytest.mark.skipif(find_spec("openvino") is None, reason="the extra openvino is not installed")
def test_openvino_brings_no_torch_and_reports_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # where its reports keep their files
    modules = imported_by("import blemish.inference.engines.openvino")
    assert not modules & {*HEAVY, "openvino_telemetry.main"}
    assert not list(tmp_path.iterdir())


def test_public_names_are_there() -> None:
    assert all(getattr(blemish, name) is not None for name in blemish.__all__)
    assert dir(blemish) == sorted(blemish.__all__), "what a prompt completes"
    with pytest.raises(AttributeError, match="no attribute 'fit_dataset'"):
        blemish.fit_dataset  # noqa: B018
