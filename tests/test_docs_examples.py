"""The examples of the pages run, and a type checker has nothing to say against the first ones."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import blemish
from blemish.datasets.drawn import generate

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
LEFT_OUT = {"adding-a-model.md", "compare.md", "station.md"}  # files to write; minutes of training; a server


def examples(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if page.name not in LEFT_OUT and examples(page)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages name: drawn parts, a model of them with rules and its export, new images."""
    folder = tmp_path_factory.mktemp("docs")
    generate(folder / "parts", train=8, test=1, size=96)
    detector = blemish.fit(folder / "parts", out=folder / "parts.safetensors")
    detector.export(folder / "parts.onnx")
    (folder / "parts.rules.toml").write_text("look_again = 0.9\n", encoding="utf-8")
    shutil.copytree(folder / "parts/test/stain", folder / "new")
    shutil.copy(folder / "new/000.png", folder / "part.png")
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    maps = np.random.default_rng(0).random((2, 8, 8), np.float32)
    names = {"maps": maps, "masks": maps > 0.5}  # of the page on metrics
    for number, example in enumerate(examples(page), 1):
        exec(compile(example, f"{page.name}, example {number}", "exec"), names)


def test_a_users_script_passes_the_strict_type_checker(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("\n".join(examples(ROOT / "docs/api.md")), encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent"]
    done = subprocess.run(
        [*command, f"--cache-dir={tmp_path}", str(script)],
        env=os.environ | {"MYPYPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
