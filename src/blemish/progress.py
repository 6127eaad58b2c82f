"""One progress bar for all long work: drawn on a terminal, silent elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[..., None]


@contextmanager
def progress_bar(
    description: str, total: int | None, *, done: int = 0, quiet: bool = False
) -> Iterator[Advance]:
    """Show progress with an estimate of the time left on standard error.

    Args:
        description: what is going on.
        total: number of steps; None when nobody knows.
        done: steps that an earlier run has done.
        quiet: show nothing.

    Yields:
        `advance(count=1, note="")`, to be called after each piece of work; `note` stands beside the bar.
    """
    if quiet or not sys.stderr.isatty():
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
