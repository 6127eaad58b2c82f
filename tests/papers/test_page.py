"""The page of a table: whole in one file, readable on any screen, whatever was measured."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from blemish.papers.measured import Measured, Missing
from blemish.papers.output.files import write_outputs
from blemish.papers.output.page import to_html
from blemish.papers.output.summarise import summarise
from blemish.papers.output.summary import Summary
from blemish.papers.table import find_table
from tests.browser import assert_fits, needs_browser
from tests.papers.test_summary import full, measured, table


def on_all_of(name: str, seeds: int = 2, **fields: Any) -> Summary:
    """A paper's table with made-up results in every place."""
    printed = find_table(name)
    of: list[Measured] = [
        measured(row.id, category, seed, data=section.data, **fields)
        for row in printed.rows
        if row.config is not None
        for section in printed.sections
        for category in section.categories
        for seed in range(seeds)
    ]
    return summarise(printed, of, [], ["training.epochs is 1 instead of 300."])


def test_it_is_whole_and_escaped() -> None:
    page = to_html(summarise(table(title="<script>alert(1)</script>"), full(), [], ["<b>bold</b>"]))
    assert "<script" not in page and "&lt;b&gt;bold" in page
    assert not re.search(r"""(src|href)=["']|@import|url\(""", page)
    assert (
        "Learning curves" in page and "Differences between rows" in page and "Not run as in the paper" in page
    )
    assert "75.0†" in page and "A slip." in page


def test_nothing_measured_yet() -> None:
    page = to_html(summarise(table(), [], [Missing("first", "mvtec", "part0", 0, "No <folder>.")]))
    assert (
        "Nothing is measured yet" in page and "No &lt;folder&gt;." in page and "Learning curves" not in page
    )


@pytest.mark.parametrize("loss", [None, float("nan"), float("inf")])
def test_a_collapsed_training_has_a_page(loss: float | None) -> None:
    epoch = {"epoch": 1, "loss": 1.0, "validation_loss": 0.5, "seconds": 1.0}
    broken = [epoch, epoch | {"epoch": 2, "validation_loss": loss}]
    page = to_html(summarise(table(), [measured("first", "part0", 0, curve=broken)], []))
    drawn = "".join(re.findall(r'(?:points|cx|cy|y1)="[^"]*"', page))
    assert "Learning curves" in page and drawn and "nan" not in drawn and "inf" not in drawn


def test_a_line_for_each_training() -> None:
    curve = [{"epoch": n, "loss": 1.0, "validation_loss": 1 / n, "seconds": 1.0} for n in (1, 2, 3)]
    of = [measured(row, "part0", seed, curve=curve) for row in ("first", "second") for seed in range(3)]
    page = to_html(summarise(table(), of, []))
    assert page.count('class="loss single"') == 6
    assert page.count('class="loss mean"') == 2 + 2  # and in the legend


def test_the_files(tmp_path: Path) -> None:
    paths = write_outputs(summarise(table(), full(), []), tmp_path)
    assert [path.name for path in paths] == ["test-1.md", "test-1.csv", "test-1.tex", "test-1.html"]
    assert all(path.stat().st_size > 500 for path in paths) and len(list(tmp_path.iterdir())) == 4


@needs_browser
@pytest.mark.parametrize(("name", "width"), [("gtrans-2", 390), ("anotrans-3", 390), ("gtrans-2", 1280)])
def test_fits_the_screen(tmp_path: Path, name: str, width: int) -> None:
    assert_fits(to_html(on_all_of(name)), width, tmp_path)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
def test_latex_compiles(tmp_path: Path) -> None:
    for summary in (on_all_of("gtrans-6", seeds=1), summarise(table(), full(), [], ["50 % & more_of <it>"])):
        write_outputs(summary, tmp_path)
        packages = r"\usepackage[T1]{fontenc}\usepackage{booktabs,graphicx}"
        document = (
            rf"\documentclass{{article}}{packages}\begin{{document}}\input{{{summary.name}}}\end{{document}}"
        )
        (tmp_path / "all.tex").write_text(document)
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
