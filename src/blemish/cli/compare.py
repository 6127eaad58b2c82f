"""blemish compare"""

import json
from pathlib import Path
from typing import Annotated

import typer

from blemish.cli import options as opt
from blemish.cli.app import app


@app.command(
    epilog="""\b
Examples:
  blemish compare parts/
  blemish compare mvtec/screw --methods gtrans,gtrans:paper,padim --seeds 3 --out screw
"""
)
def compare(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="As for fit; without defective images, see the docs (Comparing)."
        ),
    ],
    methods: Annotated[
        str, typer.Option(metavar="NAMES", help="Methods by name, or name:preset, separated by commas.")
    ] = "rad,gtrans,patchcore,padim",
    seeds: Annotated[
        int | None, typer.Option(help="Fit each method this often. [default: 1, without defective images 2]")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for models and results.")] = Path(
        "comparison"
    ),
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="The page. [default: comparison.html in --out]")
    ] = None,
    held_out: opt.HeldOut = None,
    data_root: opt.DataRoot = None,
    backbone: opt.Backbone = None,
    weights: opt.Weights = None,
    epochs: opt.Epochs = None,
    false_alarm_rate: opt.Rate = None,
    exclude: opt.Exclude = None,
    assignments: opt.Assignments = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
) -> None:
    """Fit and measure several methods on your data and recommend one.

    What is finished stays in --out: after Ctrl-C the same command goes on from there.
    """
    from blemish.comparison import compare

    opt.show(quiet)
    page = out / "comparison.html" if report is None else report
    comparison = compare(
        data,
        methods=[name.strip() for name in methods.split(",") if name.strip()],
        seeds=seeds,
        held_out=held_out,
        data_root=data_root,
        out=out,
        page=page,
        assignments=assignments or [],
        weights=weights,
        backbone=backbone,
        epochs=epochs,
        false_alarm_rate=false_alarm_rate,
        exclude=exclude,
    )
    if as_json:
        print(json.dumps(comparison.to_dict(), indent=2))
    else:
        print(comparison)
        print(f"Report: {page}")
