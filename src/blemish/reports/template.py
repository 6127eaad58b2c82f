"""Fills a page's template with values; everything but the style and the drawings is escaped."""

from importlib import resources
from pathlib import Path
from typing import Any

from blemish.files import whole_file
from blemish.reports.numbers import fraction, percent, short_number


def render(package: str, template: str, **values: Any) -> str:
    """HTML from a Jinja template beside the code.

    Args:
        package: where the template lies, such as "blemish.reports".
        template: its file name.
        values: what the template names; all must be given.
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"percent": percent, "fraction": fraction, "short": short_number}
    return environment.from_string(read_resource(package, template)).render(**values)


def write_page(path: Path, html: str) -> None:
    """Write a page, whole or not at all; what is no text in file names is replaced by question marks.

    Raises:
        BlemishError: the file cannot be written.
    """
    with whole_file(path, "wb") as file:
        file.write(html.encode("utf-8", "replace"))


def read_resource(package: str, name: str) -> str:
    """The text of a file beside the code."""
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")
