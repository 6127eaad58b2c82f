"""What a command leaves."""

from collections.abc import Callable
from typing import NamedTuple


class Done(NamedTuple):
    """Exit code, and what was printed to standard output and standard error."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]
