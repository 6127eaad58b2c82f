"""Fills a page's template with values; everything but the style and the drawings is escaped."""

from importlib import resources
from pathlib import Path
from typing import Any

from blemish.files import write_whole
from blemish.reports.numbers import fraction, p_value, percent, short_number, signed

HERE = "blemish.reports"  # base.html.j2 and macros.html.j2, which all pages share


def render(package: str, **values: Any) -> str:
    """HTML from a package's page.html.j2, in the common style and that of the package's own page.css, if any.

    Args:
        package: where the template lies, such as "blemish.comparison".
        values: what the template names; all must be given.
    """
    import jinja2

    folders = dict.fromkeys((package, HERE))
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(folder, "") for folder in folders]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"percent": percent, "fraction": fraction, "short": short_number}
    environment.filters |= {"signed": signed, "p_value": p_value}
    sheets = [resources.files(folder).joinpath("page.css") for folder in reversed(folders)]
    style = "".join(sheet.read_text(encoding="utf-8") for sheet in sheets if sheet.is_file())
    return environment.get_template("page.html.j2").render(style=style, **values)


def write_text(path: Path, text: str) -> None:
    """Write a file, whole or not at all; what is no text in file names is replaced by question marks.

    Raises:
        BlemishError: the file cannot be written.
    """
    write_whole(path, text.encode("utf-8", "replace"))
