"""Commands in a process of their own."""

import subprocess
import sys
from pathlib import Path


def python(command: list[str], folder: Path) -> str:
    """What this interpreter prints of a command, both streams in one."""
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600
    )
    text = done.stdout.decode()
    assert done.returncode == 0, text[-3000:]
    return text
