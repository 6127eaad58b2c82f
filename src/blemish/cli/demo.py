"""blemish demo"""

import logging
from pathlib import Path
from typing import Annotated

import typer

from blemish.cli import options as opt
from blemish.cli.app import app
from blemish.models.registry import DEFAULT_METHOD

FALSE_ALARM_RATE = 0.05

log = logging.getLogger(__name__)


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
    method: Annotated[str, typer.Option(help="As for fit.")] = DEFAULT_METHOD,
    epochs: opt.Epochs = None,
    quiet: opt.Quiet = False,
) -> None:
    """Fit, evaluate and report on real photographs."""
    from blemish.api import evaluate, fit
    from blemish.datasets import read_folder
    from blemish.datasets.drawn import generate
    from blemish.errors import ConfigError, Interrupted, choice

    if data == "solar-cells":
        from blemish.datasets.elpv import CITATION, LICENCE, elpv

        dataset = elpv()
        opt.show(quiet=False)  # the licence is said even when quiet
        log.info(f"Photographs of solar cells (elpv-dataset), licence {LICENCE}")
        log.info(f"Please cite: {CITATION}")
    elif data == "parts":
        parts = out / "parts"
        dataset = read_folder(parts if parts.exists() else generate(parts))
    else:
        raise ConfigError(f"There is no demo data {data!r}; {choice(data, ['solar-cells', 'parts'])}")
    opt.show(quiet)
    out.mkdir(parents=True, exist_ok=True)
    model, report = out / f"{data}-{method}.safetensors", out / f"{data}.html"
    try:
        detector = fit(
            dataset,
            out=model,
            method=method,
            epochs=epochs,
            false_alarm_rate=FALSE_ALARM_RATE,
            resume=model.with_suffix(".checkpoint").exists(),
        )
    except Interrupted as stop:
        raise Interrupted("Stopped; run the same command to go on.") from stop
    evaluation = evaluate(detector, dataset)
    evaluation.report(report)
    print(evaluation)
    print(f"Report: {report}")
