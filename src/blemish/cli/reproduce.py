"""blemish reproduce"""

import logging
from pathlib import Path
from typing import Annotated

import typer

from blemish.cli import options as opt
from blemish.cli.app import app

log = logging.getLogger(__name__)


@app.command(
    epilog="""\b
Examples:
  blemish reproduce --list
  blemish reproduce gtrans-1 --data mvtec/ --seeds 3
  blemish reproduce gtrans-6 gtrans-7 --data mvtec/ --categories screw --epochs 20
  blemish reproduce anotrans-3 --data cifar10/ --on ray

\b
Exit codes: 0 done, 1 some cells could not be measured (the tables say why) or Ctrl-C, 2 stopped by what the
message names.
"""
)
def reproduce(
    tables: Annotated[
        list[str] | None, typer.Argument(metavar="TABLES...", help="Tables, such as gtrans-1.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show tables, or the cells of those named.")] = False,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]DIR", help="Where a data set lies: mvtec, cifar10, stl10 or lbot; repeatable."
        ),
    ] = None,
    cells: Annotated[
        str | None, typer.Option(metavar="IDS", help="Only these rows, separated by commas; see --list.")
    ] = None,
    categories: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Only these categories or held-out classes.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Train each cell this often.")] = 1,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the images instead of the paper's; the tables say so.")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="For all methods that have one, instead of the paper's.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(metavar="[BACKBONE=]FILE", help="ImageNet weights: .safetensors or .pth; repeatable."),
    ] = None,
    assignments: opt.Assignments = None,
    on: Annotated[str, typer.Option(metavar="local|ray|ray://HOST:PORT", help="Where to train.")] = "local",
    workers: Annotated[
        int | None, typer.Option(help="Trainings at once. [default: one per --cpus cores]")
    ] = None,
    cpus: Annotated[int, typer.Option(help="Cores of each training.")] = 1,
    gpus: Annotated[
        float | None, typer.Option(help="GPUs of each training on Ray. [default: 1 where there are any]")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Folder of the results, to share. [default: results in --out]"),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="WHAT", help="weights or maps: do not throw them away; repeatable."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for tables and results.")] = Path(
        "reproduction"
    ),
    quiet: opt.Quiet = False,
) -> None:
    """Measure a table of the papers again, beside its published numbers.

    Results are kept in --store: after Ctrl-C, or worse, the same command goes on from there.
    """
    from blemish.errors import BlemishError, ConfigError
    from blemish.extras import install_command
    from blemish.papers.plan import list_cells, list_tables

    if list_:
        print("\n\n".join(map(list_cells, tables)) if tables else list_tables())
        return
    if not tables:
        raise ConfigError("Name a table, such as gtrans-1; --list shows all.")

    try:
        from blemish.experiments.run import Place
        from blemish.papers.output.files import to_markdown, write_outputs
        from blemish.papers.reproduce import reproduce
    except ModuleNotFoundError as error:
        raise BlemishError(f"Measuring tables needs more packages: {install_command('papers')}.") from error

    opt.show(quiet)
    summaries = reproduce(
        tables,
        data=data or [],
        cells=_names(cells),
        categories=_names(categories),
        seeds=seeds,
        epochs=epochs,
        backbone=backbone,
        assignments=assignments or [],
        weights=weights or [],
        place=Place(on, workers, cpus, gpus),
        store=store,
        keep=keep or [],
        out=out,
    )
    for summary in summaries:
        print(to_markdown(summary))
        paths = write_outputs(summary, out)
        log.info(f"Written: {', '.join(map(str, paths))}.")
    if any(summary.missing for summary in summaries):
        raise typer.Exit(1)


@app.command(
    "benchmark", hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def former_name() -> None:
    """What reproduce was called before."""
    from blemish.errors import BlemishError

    raise BlemishError("The command is called `blemish reproduce` now.")


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]
