"""A table's files: Markdown, CSV, LaTeX and a page."""

from pathlib import Path

from blemish.files import whole_file
from blemish.papers.output.latex import to_latex
from blemish.papers.output.long_format import to_csv
from blemish.papers.output.markdown import to_markdown
from blemish.papers.output.page import to_html
from blemish.papers.output.summary import Summary

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
        with whole_file(path, "wb") as file:
            file.write(text.encode("utf-8", "replace"))
        paths.append(path)
    return paths
