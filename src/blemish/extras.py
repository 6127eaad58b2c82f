"""What installs an extra here, wherever this copy of the package came from."""

import json
from importlib.metadata import PackageNotFoundError, distribution
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
        parts = [line.replace("'", '"').partition(";") for line in blemish.requires or []]
        named = [f'"{name.strip()}"' for name, _, when in parts if when.strip() == f'extra == "{extra}"']
        return f"pip install {' '.join(named)}"
    editable = "-e " if origin.get("dir_info", {}).get("editable") else ""
    return f'pip install {editable}"{"." if path == Path.cwd() else path}[{extra}]"'
