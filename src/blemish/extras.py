"""What installs an extra here, wherever this copy of the package came from."""

import json
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname


def install_command(extra: str) -> str:
    """The pip command for an extra: from the clone or wheel that was installed, or else its packages."""
    try:
        blemish = distribution("blemish")
    except PackageNotFoundError:  # the sources alone are on the path
        return f'pip install ".[{extra}]"'
    origin = json.loads(blemish.read_text("direct_url.json") or "{}")
    url = urlsplit(origin.get("url", ""))
    path = Path(url2pathname(url.path))
    if url.scheme != "file" or not path.exists():
        return f"pip install {' '.join(_packages(blemish, extra))}"
    editable = "-e " if origin.get("dir_info", {}).get("editable") else ""
    return f'pip install {editable}"{"." if path == Path.cwd() else path}[{extra}]"'


def _packages(blemish: Distribution, extra: str) -> Iterator[str]:
    for line in blemish.requires or []:
        package, _, condition = line.replace("'", '"').partition(";")
        if condition.strip() == f'extra == "{extra}"':
            yield f'"{package.strip()}"'
