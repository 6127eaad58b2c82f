"""blemish fit"""

import os
import shlex
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from blemish.cli import options as opt
from blemish.cli.app import app
from blemish.models.registry import DEFAULT_METHOD, METHODS


@app.command(
    epilog="""\b
Examples:
  blemish fit good/ --out parts.safetensors
  blemish fit mvtec/screw --out screw.safetensors --backbone resnet34 --seed 1
  blemish fit good/ --out parts.safetensors --method gtrans
  blemish fit good/ --out boards.safetensors --tile 224
  blemish fit good/ --out parts.safetensors --tolerate light,place
  blemish fit good/ --out parts.safetensors --exclude suspects.txt
  blemish fit cifar10/ --held-out cat --method anotrans --set frame.resize=32 --out cat.safetensors
  blemish fit parts.csv --out parts.safetensors --method gtrans --epochs 50 --set frame.resize=256
  accelerate launch --multi_gpu -m blemish fit good/ --out parts.safetensors --method gtrans
"""
)
def fit(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A folder of good images, a folder with train/good inside (MVTec layout), or a .csv table "
            "with the columns path, label, mask, split; with --held-out a folder of class folders, cifar10 "
            "or stl10.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .safetensors file to write.")],
    held_out: opt.HeldOut = None,
    data_root: opt.DataRoot = None,
    method: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(METHODS)}. [default: {DEFAULT_METHOD}]")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Named values of the method; for gtrans with-memory (and a memory bank), improved, paper "
            "(as published) or paper-fast (the same in 40 epochs). [default: with-memory; of other methods "
            "standard or paper]"
        ),
    ] = None,
    backbone: opt.Backbone = None,
    weights: opt.Weights = None,
    epochs: opt.Epochs = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random. [default: 0]")] = None,
    deterministic: Annotated[bool, typer.Option("--deterministic", help="Only repeatable kernels.")] = False,
    tile: opt.Tile = None,
    overlap: Annotated[
        float | None,
        typer.Option(help="Share of a tile by which neighbours overlap, 0 to 0.75. [default: 0.25]"),
    ] = None,
    align: Annotated[
        bool,
        typer.Option(
            "--align",
            help="Move each image, here and in predict, onto one of the good ones first: by up to 20 % of a "
            "side, 25 degrees and 10 % of the size. Needs the extra align.",
        ),
    ] = False,
    tolerate: Annotated[
        str | None,
        typer.Option(
            metavar="light|place|turn|light,place,...",
            help="Differences that are no defects: brightness times 0.75 to 1.25; shifts up to 5 % of a side "
            "and turns up to 5 degrees; any direction. Not for gtrans and the GANs. [default: none]",
        ),
    ] = None,
    contamination: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Neither learn from nor calibrate on this share of the images, those oddest to a memory "
            "bank of the others, such as 0.05. Not for the GANs. [default: 0]",
        ),
    ] = None,
    false_alarm_rate: opt.Rate = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Sections [frame], [model], [training].")
    ] = None,
    assignments: opt.Assignments = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave unreadable files out, and list them.")
    ] = False,
    exclude: opt.Exclude = None,
    quiet: opt.Quiet = False,
) -> None:
    """Learn what normal looks like from good images.

    Images held out, or each left out in its turn, calibrate the false-alarm rate; for gtrans they choose the
    epoch too.
    Ctrl-C saves a checkpoint of what is trained; the same command with --resume goes on.
    """
    from blemish.api import fit
    from blemish.datasets import read_dataset
    from blemish.reports.text import what_was_fitted
    from blemish.training.checks import process_rank

    opt.show(quiet)
    dataset = read_dataset(data, held_out=held_out, data_root=data_root)
    detector = fit(
        dataset,
        out=out,
        config=config,
        assignments=assignments or [],
        weights=weights,
        resume=resume,
        skip_unreadable=skip_unreadable,
        exclude=exclude,
        method=method,
        preset=preset,
        backbone=backbone,
        epochs=epochs,
        seed=seed,
        deterministic=deterministic or None,
        tile=tile,
        overlap=overlap,
        align=align or None,
        tolerate=tolerate,
        contamination=contamination,
        false_alarm_rate=false_alarm_rate,
    )
    if quiet or process_rank() > 0:
        return
    summary = detector.metadata["training"]["summary"]
    if "kept_epoch" in summary:
        print(
            f"Wrote {out}: weights of epoch {summary['kept_epoch']} of {summary['epochs']}, "
            f"{summary['seconds']:.0f} s of training ({summary['seconds_per_epoch']:.2g} s an epoch)."
        )
    else:
        print(f"Wrote {out}: {summary['seconds']:.0f} s of fitting.")
    print(what_was_fitted(detector))
    if dataset.test and all(sample.label is not None for sample in dataset.test):
        sources = [("--held-out", held_out), ("--data", data_root)]
        options = [word for name, value in sources if value for word in (name, value)]
        then = _command("evaluate", out, data, *options, "--report", out.with_suffix(".html"))
    else:
        then = _command("predict", out, "new/", "--overlays", "out/")
    print(f"Next:\n  {then}\n  {_command('export', out, out.with_suffix('.onnx'))}")


def _command(*words: str | Path) -> str:
    """A command as it is typed in the shell of this system."""
    typed = ["blemish", *map(str, words)]
    return subprocess.list2cmdline(typed) if os.name == "nt" else shlex.join(typed)
