"""blemish evaluate"""

import json
from pathlib import Path
from typing import Annotated

import typer

from blemish.cli import options as opt
from blemish.cli.app import app


@app.command(
    epilog="""\b
Examples:
  blemish evaluate screw.safetensors mvtec/screw --report screw.html
  blemish evaluate parts.safetensors --good good/ --bad bad/ --json
"""
)
def evaluate(
    model: opt.Model,
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
    held_out: opt.HeldOut = None,
    data_root: opt.DataRoot = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write a report page.")] = None,
    as_json: opt.AsJson = False,
    false_alarm_rate: opt.Rate = None,
    rules: opt.Rules = None,
    batchnorm_at_test: Annotated[
        str | None,
        typer.Option(
            metavar="eval|instance|batch",
            help="Show what BatchNorm's statistics do to the numbers of a GAN: running ones (eval), those of "
            "each image, or those of each test batch, which leak the label. [default: the model's own]",
        ),
    ] = None,
    engine: opt.EngineName = None,
    threads: opt.Threads = None,
    device: opt.Device = "auto",
    quiet: opt.Quiet = False,
) -> None:
    """Measure a model on labelled images."""
    from blemish.api import evaluate, load
    from blemish.files import check_output

    opt.show(quiet)
    if report:
        check_output(report)
    detector = load(
        model,
        engine=engine,
        threads=threads,
        device=device,
        false_alarm_rate=false_alarm_rate,
        batchnorm_at_test=batchnorm_at_test,
        rules=rules,
    )
    evaluation = evaluate(detector, data, good=good, bad=bad, held_out=held_out, data_root=data_root)
    if as_json:
        print(json.dumps(evaluation.to_dict(), indent=2))
    else:
        print(evaluation)
    if report:
        evaluation.report(report)
        if not as_json:
            print(f"Report: {report}")
    if evaluation.unreadable:
        raise typer.Exit(1)
