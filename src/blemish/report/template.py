"""Fills a page's template with values; everything but the style and the drawings is escaped."""

from importlib import resources
from typing import Any

from blemish.report.numbers import fraction, percent, short_number


def render(package: str, template: str, **values: Any) -> str:
    """HTML from a Jinja template beside the code.

    Args:
        package: where the template lies, such as "blemish.report".
        template: its file name.
        values: what the template names; all must be given.
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"percent": percent, "fraction": fraction, "short": short_number}
    return environment.from_string(read_resource(package, template)).render(**values)


def read_resource(package: str, name: str) -> str:
    """The text of a file beside the code."""
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")
