"""blemish predict"""

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from blemish.cli import options as opt
from blemish.cli.app import app

log = logging.getLogger(__name__)


@app.command(
    epilog="""\b
Examples:
  blemish predict parts.safetensors part.png
  blemish predict parts.safetensors new/ --csv out.csv --overlays out/
  find new/ -name '*.png' | blemish predict parts.safetensors - --jsonl out.jsonl
  blemish predict parts.safetensors new/ --regions regions.csv --scale 0.05mm
  blemish predict parts.onnx s3://bucket/new/ --on ray://head:10001 --parquet out.parquet

\b
Exit codes: 0 done, 1 some images could not be scored (their rows say why), 2 stopped by what the message
names. A --csv, --jsonl, --parquet or --regions file takes its name when it is complete.
"""
)
def predict(
    model: opt.Model,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUTS...", help="Images, folders, patterns, URLs, or - for a list on stdin."
        ),
    ],
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write rows as CSV; - is standard output.")
    ] = None,
    jsonl: Annotated[Path | None, typer.Option(metavar="FILE", help="Write rows as JSON lines.")] = None,
    parquet: Annotated[str | None, typer.Option(metavar="FILE|URL", help="Write rows as Parquet.")] = None,
    overlays: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write each image at its own resolution under its heat map, regions outlined, above its "
            "verdict and the colours' scale, which is one for all.",
        ),
    ] = None,
    side_by_side: Annotated[
        bool, typer.Option("--side-by-side", help="Put the original at the left of each overlay.")
    ] = False,
    explain: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a GAN's reconstruction, error map and Grad-CAM.")
    ] = None,
    maps: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write raw float32 maps, of the images' sizes, as .npy."),
    ] = None,
    regions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="Write the regions of defects: .csv, .jsonl or COCO .json, or a folder for LabelMe.",
        ),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(
            metavar="LENGTH|X,Y:X,Y=LENGTH",
            help="Millimetres in --regions too: a pixel's length (0.05mm; um, cm, in), or two points and "
            "their distance (120,40:820,40=35mm).",
        ),
    ] = None,
    false_alarm_rate: opt.Rate = None,
    rules: opt.Rules = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images scored at once.")] = 16,
    engine: opt.EngineName = None,
    threads: opt.Threads = None,
    device: opt.Device = "auto",
    on: Annotated[
        str | None,
        typer.Option(
            metavar="ray[://HOST:PORT]",
            help="Score on Ray: this machine or RAY_ADDRESS, or that cluster. --threads is then a worker's.",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes on Ray. [default: as many as there is room for]")
    ] = None,
    quiet: opt.Quiet = False,
) -> None:
    """Judge images: score, p-value, verdict, heat map, regions.

    Rows of path, score, p_value, is_anomalous, is_other_part and error go to standard output as CSV
    unless --csv, --jsonl or --parquet is given; with rules in force verdict and decided_by too.
    """
    from blemish.errors import ConfigError
    from blemish.files import STANDARD_OUTPUT
    from blemish.images.known_part import other_parts
    from blemish.inference.inputs import STANDARD_INPUT, expand_inputs
    from blemish.inference.outputs import Outputs, predict_to_files
    from blemish.inference.scale import parse_scale
    from blemish.progress import progress_bar

    opt.show(quiet)
    if scale is not None and regions is None:
        raise ConfigError("--scale goes with --regions; leave it out, or say where to write regions.")
    if side_by_side and overlays is None:
        raise ConfigError("--side-by-side goes with --overlays; leave it out, or say where to write them.")
    outputs = Outputs(
        csv=STANDARD_OUTPUT if csv is jsonl is parquet is None else csv,
        jsonl=jsonl,
        parquet=parquet,
        overlays=overlays,
        side_by_side=side_by_side,
        explain=explain,
        maps=maps,
        regions=regions,
        scale=None if scale is None else parse_scale(scale),
    )
    if workers is not None and on is None:
        raise ConfigError("--workers goes with --on; leave it out, or give --on ray.")
    drawn = {"--overlays": overlays, "--explain": explain, "--maps": maps, "--regions": regions}
    for option, folder in drawn.items():
        if folder is not None and on is not None:
            raise ConfigError(f"{option} does not go with --on, which gives rows alone; leave one out.")
    for stream, encoding in ((sys.stdin, None), (sys.stdout, "utf-8")):  # rows are the same wherever they go
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=encoding, errors="surrogateescape")  # file names need not be text
    paths: Any = expand_inputs(inputs)
    if STANDARD_INPUT not in inputs:
        paths = list(paths)
    total = len(paths) if isinstance(paths, list) else None
    options: dict[str, Any] = {
        "engine": engine,
        "device": device,
        "false_alarm_rate": false_alarm_rate,
    }
    with (
        _detector(model, on, workers, threads, rules, options) as detector,
        progress_bar("Scoring", total) as advance,
    ):
        counts = predict_to_files(detector, paths, outputs, batch_size=batch_size, advance=advance)
    log.info(
        f"{counts['images']} images: {counts['anomalous']} anomalous, {counts['errors']} could not be scored."
    )
    if counts["other_parts"]:
        log.warning(other_parts(counts["other_parts"], counts["images"]))
    if detector.calibration.note:
        log.warning(detector.calibration.note)
    if counts["errors"]:
        raise typer.Exit(1)


@contextmanager
def _detector(
    model: Path,
    on: str | None,
    workers: int | None,
    threads: int | None,
    rules: str | None,
    options: dict[str, Any],
) -> Iterator[Any]:
    if on is None:
        from blemish.api import load

        yield load(model, threads=threads, rules=rules, **options)
        return
    from blemish.errors import ConfigError
    from blemish.inference.cluster import connected
    from blemish.inference.engines import read_metadata
    from blemish.inference.rules import rules_for

    read_metadata(model)  # a bad file is refused before Ray starts
    if rules_for(model, rules):
        raise ConfigError("Rules do not go with --on, which gives scores alone; add --rules none.")
    with connected(on):
        from blemish.inference.on_ray import DetectorOnRay

        yield DetectorOnRay(model, workers=workers, threads=threads or 1, **options)
