"""The wheel built from the tree works by itself, templates and all."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_wheel_holds_all_it_needs(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("blemish-*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
        in_wheel = {name for name in archive.namelist() if name.startswith("blemish/")}
    sources = (ROOT / "src").rglob("*")
    in_tree = {
        str(path.relative_to(ROOT / "src"))
        for path in sources
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert in_wheel == in_tree
    code = (
        "from blemish.reports import template; "
        "parts = ('blemish.reports', 'blemish.comparison', 'blemish.papers.output'); "
        "pages = [template.read_resource(part, 'page.html.j2') for part in parts]; "
        "print(template.__file__, min(map(len, pages)) > 500)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(installed)},
        check=True,
        timeout=60,
    )
    path, found = result.stdout.split()
    assert Path(path).is_relative_to(installed) and found == "True"
