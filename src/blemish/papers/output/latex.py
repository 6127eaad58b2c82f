"""A table as LaTeX, for a paper: published and measured numbers, with booktabs."""

from blemish.papers.output.layout import Grid, grids
from blemish.papers.output.numbers import MINUS, coverage, number, spread
from blemish.papers.output.summary import Cell, Summary
from blemish.papers.output.words import DAGGER, corrections, progress, reading
from blemish.papers.table import METRIC_NAMES

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "*": "{*}",  # or else part of the line break before it, as is a bracket
    "[": "{[}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{EN DASH}": "--",
    MINUS: "$-$",
    "\N{GREEK SMALL LETTER ALPHA}": r"$\alpha$",
    DAGGER: r"$^\dagger$",
}


def to_latex(summary: Summary) -> str:
    r"""One `table` environment for each metric; needs \usepackage{booktabs,graphicx}."""
    notes = [*summary.changes, *reading(summary), *corrections(summary)]
    parts = [
        f"% {' '.join(summary.title.split())} ({' '.join(summary.source.split())}). {progress(summary)}",
        r"% \usepackage[T1]{fontenc}",
        r"% \usepackage{booktabs,graphicx}",
    ]
    for grid in grids(summary):
        parts.append(_table(grid, summary, notes))
    return "\n".join(parts) + "\n"


def _table(grid: Grid, summary: Summary, notes: list[str]) -> str:
    caption = (
        f"{summary.title} ({summary.source}): {METRIC_NAMES[grid.metric]} "
        f"{'in percent' if summary.unit == 'percent' else 'as a fraction'}, published / measured. "
        + " ".join(notes)
    )
    lines = [
        " & ".join([escape(name), *(_cell(cell, summary.unit) for cell in of)]) for name, of in grid.lines
    ]
    heads = " & ".join(map(escape, [grid.corner, *grid.heads]))
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape(caption)}}}",
            rf"\label{{tab:{summary.name}-{grid.metric.replace('_', '-')}}}",
            r"\resizebox{\ifdim\width>\linewidth \linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{l{'r' * len(grid.heads)}}}",
            r"\toprule",
            rf"{heads} \\",
            r"\midrule",
            *(rf"{line} \\" for line in lines),
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
        ]
    )


def _cell(cell: Cell, unit: str) -> str:
    published = escape(number(cell.published, unit) + (DAGGER if cell.corrected else ""))
    measured = cell.measured
    if measured is None:
        return published
    text = rf"\textbf{{{number(measured.mean, unit)}}}"
    if measured.sd is not None:
        text += rf" $\pm$ {spread(measured.sd, unit)}"
    if not measured.complete:
        text += f" ({coverage(measured)})"
    return f"{published} / {text}"


def escape(text: str) -> str:
    """Words without meaning to LaTeX, on one line."""
    return "".join(SPECIAL.get(character, character) for character in " ".join(text.split()))
