"""What people see while work goes on: sentences, by `logging`, and progress bars.

Modules write sentences to their own logger below "blemish". The command line shows them; the Python API does
where somebody is looking and no logging is set up. `logging.getLogger("blemish").setLevel(logging.ERROR)`
silences sentences and bars.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

LOGGER = logging.getLogger("blemish")

log = logging.getLogger(__name__)

Advance = Callable[..., None]


class _StandardError(logging.Handler):
    """Whatever is standard error at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        if sys.stderr is not None:  # it is closed
            print(self.format(record), file=sys.stderr)


def show_messages(level: int = logging.INFO) -> None:
    """Print sentences of at least this level to standard error, and draw progress bars from INFO on."""
    LOGGER.setLevel(level)
    if not any(isinstance(handler, _StandardError) for handler in LOGGER.handlers):
        LOGGER.addHandler(_StandardError())


def show_messages_to_people() -> None:
    """`show_messages` in a terminal or a notebook, unless the caller has set logging up."""
    if LOGGER.level == logging.NOTSET and not LOGGER.hasHandlers() and (_is_terminal() or in_notebook()):
        show_messages()


@contextmanager
def progress_bar(description: str, total: int | None, *, done: int = 0) -> Iterator[Advance]:
    """Show progress with an estimate of the time left on standard error, where people look and may see it.

    Who has asked for messages of level DEBUG is told by these instead.

    Args:
        description: what is going on.
        total: number of steps; None when nobody knows.
        done: steps that an earlier run has done.

    Yields:
        `advance(count=1, note="")`, to be called after each piece of work; `note` stands beside the bar.
    """
    if LOGGER.isEnabledFor(logging.DEBUG):
        yield _told(description, total, done)
        return
    drawn = _is_terminal() or (in_notebook() and find_spec("ipywidgets") is not None)
    if not LOGGER.isEnabledFor(logging.INFO) or not drawn:
        yield lambda count=1, note="": None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=total, completed=done, note="")
        yield lambda count=1, note="": bar.update(task, advance=count, note=note)


def _told(description: str, total: int | None, done: int) -> Advance:
    """Tells by messages of level DEBUG, every second at most."""
    due = 0.0

    def advance(count: int = 1, note: str = "") -> None:
        nonlocal done, due
        done += count
        if time.monotonic() >= due:
            due = time.monotonic() + 1
            log.debug(f"{description}: {done}" + (f" of {total}" if total else ""))

    return advance


def in_notebook() -> bool:
    """Whether this is a Jupyter notebook."""
    return "ipykernel" in sys.modules


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
