"""blemish evaluate"""

import json
from pathlib import Path
from typing import Annotated

import typer

from blemish.cli.app import app
from blemish.cli.options import DataRoot, Device, EngineName, HeldOut, Model, Quiet, Rate, Threads, show


@app.command(
    epilog="""\b
Examples:
  blemish evaluate screw.safetensors mvtec/screw --report screw.html
  blemish evaluate parts.safetensors --good good/ --bad bad/ --json
"""
)
def evaluate(
    model: Model,
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATA]",
            help="A folder with test/ inside (MVTec layout) or a .csv table; with --held-out a folder of "
            "class folders, cifar10 or stl10.",
        ),
    ] = None,
    good: Annotated[Path | None, typer.Option(help="Instead of DATA: a folder of good images.")] = None,
    bad: Annotated[Path | None, typer.Option(help="Instead of DATA: a folder of defective images.")] = None,
    held_out: HeldOut = None,
    data_root: DataRoot = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write a report page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything measured as JSON.")] = False,
    false_alarm_rate: Rate = None,
    batchnorm_at_test: Annotated[
        str | None,
        typer.Option(
            metavar="eval|instance|batch",
            help="Show what BatchNorm's statistics do to the numbers of a GAN: running ones (eval), those of "
            "each image, or those of each test batch, which leak the label. [default: the model's own]",
        ),
    ] = None,
    engine: EngineName = None,
    threads: Threads = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Measure a model on labelled images."""
    from blemish.api import evaluate, load

    show(quiet)
    detector = load(
        model,
        engine=engine,
        threads=threads,
        device=device,
        false_alarm_rate=false_alarm_rate,
        batchnorm_at_test=batchnorm_at_test,
    )
    evaluation = evaluate(detector, data, good=good, bad=bad, held_out=held_out, data_root=data_root)
    if as_json:
        print(json.dumps(evaluation.to_dict(), indent=2))
    else:
        from blemish.reports.text import summary

        print(summary(evaluation))
    if report:
        from blemish.reports import write_report

        write_report(evaluation, detector, report)
        if not as_json:
            print(f"Report: {report}")
    if evaluation.unreadable:
        raise typer.Exit(1)
