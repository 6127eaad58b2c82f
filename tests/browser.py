"""Pages in a real browser."""

import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome on this machine")
MEASURE = """<iframe width="{width}" height="900" srcdoc="{page}"></iframe><script>
onload = () => {{
  const inner = document.querySelector("iframe").contentDocument.documentElement;
  document.title = [inner.clientWidth, inner.scrollWidth].join(" of ");
}};
</script>"""


def assert_fits(page: str, width: int, folder: Path) -> None:
    """Fail where a page has to be scrolled sideways on a screen of this many pixels."""
    assert CHROMIUM is not None
    outer = folder / "outer.html"
    outer.write_text(MEASURE.format(width=width, page=html.escape(page)), encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={folder / 'profile'}", "--dump-dom", outer.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    measured = re.search(r"<title>(\d+) of (\d+)</title>", done.stdout)
    assert measured is not None, done.stderr[-2000:]
    shown, needed = map(int, measured.groups())
    assert width - 30 <= shown <= width
    assert needed <= shown
