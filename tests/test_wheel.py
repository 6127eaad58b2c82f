"""The wheel built from the tree works by itself, templates and tables and all."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_wheel_holds_all_it_needs(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("blemish-*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
        in_wheel = {name for name in archive.namelist() if name.startswith("blemish/")}
    sources = (path for path in (ROOT / "src").rglob("*") if path.is_file())
    assert in_wheel == {
        str(path.relative_to(ROOT / "src")) for path in sources if "__pycache__" not in path.parts
    }
    assert "blemish/py.typed" in in_wheel, "type checkers read the annotations"
    code = "import blemish.cli as cli; print(cli.__file__); cli.main()"
    listed = subprocess.run(
        [sys.executable, "-c", code, "reproduce", "--list"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(installed)},
        check=True,
        timeout=60,
    )
    path, *tables = listed.stdout.splitlines()
    assert Path(path).is_relative_to(installed)
    assert any("gtrans-1" in line for line in tables)
