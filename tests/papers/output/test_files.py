"""Markdown, CSV and LaTeX of a table: whole, and harmless whatever its names are."""

from pathlib import Path

import pandas as pd
import pytest

from blemish.papers.output.files import to_latex, to_markdown, write_outputs
from blemish.papers.output.summary import Summary, summarise
from blemish.papers.output.text import NONE
from blemish.papers.table import load_tables
from tests.papers.support import full, missing, table


def test_markdown_tells_everything(complete: Summary) -> None:
    text = to_markdown(complete)
    for part in ("Epochs 1 instead of 2.", "A slip.", "75.0†", "Old (quoted)", "50.0", "## Time"):
        assert part in text
    rows = [line.replace("\\|", "") for line in text.splitlines() if line.startswith("| 1\\*2\\|3 ")]
    assert rows and {line.count("|") for line in rows[:2]} == {rows[0].count("|")}
    gone = [missing("first", "part0", 0, "Not measured yet.")]
    of = [one for one in full(1) if one["row"] == "second" and one["category"] == "part0"]
    text = to_markdown(summarise(table(protocol=("As it is.",)), of, gone))
    assert "(1 of 6)" in text and "- As it is." in text
    text = to_markdown(summarise(table(), [], gone))
    assert "Nothing is measured yet" in text
    assert "- 1 category (part0), 1\\*2\\|3, seed 0: Not measured yet." in text


@pytest.mark.parametrize(
    ("name", "plain"), [("*a_b*", "\\*a\\_b\\*"), ("a|b", "a\\|b"), ("~~a~~ &lt;", "\\~\\~a\\~\\~ \\&lt;")]
)
def test_names_mean_nothing_in_markdown(name: str, plain: str) -> None:
    rows = [{"id": "first", "name": name, "published": {}}]
    text = to_markdown(summarise(table(rows=rows), [], []))
    assert f"| {plain} (quoted) | {NONE} | {NONE} |" in text


def test_csv_has_what_the_table_is_made_of_beside_the_other_files(complete: Summary, tmp_path: Path) -> None:
    paths = write_outputs(complete, tmp_path)
    assert [path.name for path in paths] == ["test-1.md", "test-1.csv", "test-1.tex", "test-1.html"]
    frame = pd.read_csv(paths[1])
    cells, results = (frame[frame["kind"] == kind] for kind in ("cell", "result"))
    assert len(cells) == 3 * 7 * 2 and len(results) == 24 * 2
    (cell,) = cells.query("row == 'second' and column == 'all' and metric == 'image_auroc'").itertuples()
    shown = complete.cell("second", "all", "image_auroc")
    assert (cell.measured, cell.sd) == pytest.approx((shown.measured, shown.sd), abs=1e-12)
    assert cell.printed == 92.0 and cell.published == 0.92 and cell.categories == 6
    assert set(results["fingerprint"]) == {one["fingerprint"] for one in full()}


def test_latex_is_plain(complete: Summary) -> None:
    text = to_latex(complete)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    body = text.replace(r"\{", "").replace(r"\}", "")
    assert body.count("{") == body.count("}") and text.isascii()
    for part in (r"A \& B", r"S\_2", r"75.0$^\dagger$", r" $\pm$ ", "Old (quoted)"):
        assert part in text
    for one in load_tables().values():
        assert to_latex(summarise(one, [], [])).isascii(), one.name
