"""A table's files: Markdown, CSV, LaTeX and a page."""

from pathlib import Path

from blemish.benchmark.output.latex import to_latex
from blemish.benchmark.output.long_format import to_csv
from blemish.benchmark.output.markdown import to_markdown
from blemish.benchmark.output.page import to_html
from blemish.benchmark.output.summary import Summary
from blemish.comparison.record import replacing

FORMATS = {".md": to_markdown, ".csv": to_csv, ".tex": to_latex, ".html": to_html}


def write_outputs(summary: Summary, folder: Path) -> list[Path]:
    """Write NAME.md, NAME.csv, NAME.tex and NAME.html; older ones are replaced, each whole.

    Args:
        summary: of one table.
        folder: which must exist.

    Returns:
        The files.
    """
    paths = []
    for suffix, convert in FORMATS.items():
        path = folder / f"{summary.name}{suffix}"
        text = convert(summary)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="replace", newline="")
        paths.append(path)
    return paths
