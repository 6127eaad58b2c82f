"""blemish demo"""

from pathlib import Path
from typing import Annotated

import typer

from blemish.cli.app import app
from blemish.cli.options import Quiet, say


@app.command(
    epilog="""\b
Examples:
  blemish demo
  blemish demo --data parts --out parts-demo
"""
)
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for model, log and report.")] = Path("demo"),
    data: Annotated[
        str,
        typer.Option(
            help="solar-cells: photographs from the package elpv-dataset; parts: generated parts with masks."
        ),
    ] = "solar-cells",
    method: Annotated[str, typer.Option(help="As for fit.")] = "patchcore",
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the images, for methods that train.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Fit, evaluate and report on real photographs."""
    from blemish.demo import run_demo
    from blemish.report.text import summary

    evaluation, report = run_demo(out, data=data, method=method, epochs=epochs, quiet=quiet, say=say(False))
    print(summary(evaluation))
    print(f"Report: {report}")
