"""blemish check"""

import json
from pathlib import Path
from typing import Annotated

import typer

from blemish.cli import options as opt
from blemish.cli.app import app


@app.command(
    epilog="""\b
Examples:
  blemish check good/
  blemish check mvtec/screw --out screw.html --suspects suspects.txt
"""
)
def check(
    data: Annotated[str, typer.Argument(metavar="DATA", help="As for fit; its good images are checked.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.html", help="The page.")] = Path(
        "check.html"
    ),
    suspects: Annotated[
        Path | None,
        typer.Option(
            metavar="LIST.txt", help="Write the odd, badly taken and unreadable ones, a path a line."
        ),
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write a row for each image.")] = None,
    held_out: opt.HeldOut = None,
    data_root: opt.DataRoot = None,
    exclude: opt.Exclude = None,
    backbone: opt.Backbone = None,
    weights: opt.Weights = None,
    tile: opt.Tile = None,
    assignments: opt.Assignments = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
) -> None:
    """Look for odd, copied and badly taken images among the good ones, before a model learns from them."""
    from blemish.checking import check
    from blemish.files import check_output

    opt.show(quiet)
    for path in (suspects, csv):
        if path is not None:
            check_output(path)
    found = check(
        data,
        page=out,
        held_out=held_out,
        data_root=data_root,
        exclude=exclude,
        weights=weights,
        backbone=backbone,
        tile=tile,
        assignments=assignments or [],
    )
    if csv is not None:
        found.write_csv(csv)
    if suspects is not None:
        found.write_suspects(suspects)
    if as_json:
        print(json.dumps(found.to_dict(), indent=2))
        return
    print(found)
    print(f"Page: {out}")
