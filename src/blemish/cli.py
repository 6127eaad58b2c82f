"""The commands: each parses, calls one function and prints."""

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from blemish.errors import BlemishError, Interrupted

app = typer.Typer(
    name="blemish",
    help="Finds defects in pictures after seeing only good ones.",
    epilog="A first run: blemish demo. Your own images: blemish fit good/ --out parts.safetensors, "
    "then blemish predict parts.safetensors new/ --overlays out/.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A model file: .safetensors from fit, .onnx from export.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars and no remarks.")]
Rate = Annotated[
    float | None,
    typer.Option(
        "--false-alarm-rate",
        metavar="RATE",
        help="Share of good images that may be called anomalous, such as 0.01.",
    ),
]
HeldOut = Annotated[
    str | None,
    typer.Option(
        metavar="CLASS", help="DATA is class folders, cifar10 or stl10; this class is the abnormal one."
    ),
]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Where cifar10 and stl10 lie or are downloaded to. [default: ~/.cache/blemish]",
    ),
]


class BatchNormAtTest(StrEnum):
    """Which statistics BatchNorm uses: running ones, those of each image, or those of each test batch."""

    EVAL = "eval"
    INSTANCE = "instance"
    BATCH = "batch"


FIT_EXAMPLES = """\b
Examples:
  blemish fit good/ --out parts.safetensors
  blemish fit mvtec/screw --out screw.safetensors --backbone resnet34 --seed 1
  blemish fit parts.csv --out parts.safetensors --set training.epochs=50 --set frame.crop=256
  accelerate launch --multi_gpu -m blemish fit good/ --out parts.safetensors
"""


@app.command(epilog=FIT_EXAMPLES)
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
    held_out: HeldOut = None,
    data_root: DataRoot = None,
    method: Annotated[str | None, typer.Option(help="Which model to fit. [default: gtrans]")] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="efficientnet_lite0 (weights installed), efficientnet_lite1/2, resnet18, resnet34, "
            "wide_resnet50_2 or any timm model with feature maps. [default: efficientnet_lite0]"
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The backbone's ImageNet weights: .safetensors or .pth."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the images. [default: 300]")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random. [default: 0]")] = None,
    deterministic: Annotated[bool, typer.Option("--deterministic", help="Only repeatable kernels.")] = False,
    false_alarm_rate: Rate = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Sections [frame], [model], [training].")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Any configuration field; repeatable."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave unreadable files out, and list them.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Learn what normal looks like from good images.

    Some of the images are held out: they choose the best epoch and calibrate the false-alarm rate.
    Ctrl-C saves a checkpoint; the same command with --resume goes on.
    """
    from blemish.api import fit

    quiet = quiet or int(os.environ.get("RANK", "0")) > 0  # one voice among several processes
    detector = fit(
        data,
        held_out=held_out,
        data_root=data_root,
        out=out,
        config=config,
        assignments=assignments or [],
        weights=weights,
        resume=resume,
        skip_unreadable=skip_unreadable,
        quiet=quiet,
        say=_say(quiet),
        method=method,
        backbone=backbone,
        epochs=epochs,
        seed=seed,
        deterministic=deterministic or None,
        false_alarm_rate=false_alarm_rate,
    )
    if not quiet:
        summary = detector.metadata["training"]["summary"]
        print(
            f"Wrote {out}: weights of epoch {summary['kept_epoch']} of {summary['epochs']}, "
            f"{summary['seconds']:.0f} s of training ({summary['seconds_per_epoch']:.2g} s an epoch)."
        )
        _say(quiet)(detector.calibration.note)


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
        BatchNormAtTest | None,
        typer.Option(
            help="Show what BatchNorm's statistics do to the numbers of a GAN: running ones (eval), those of "
            "each image, or those of each test batch, which leak the label. [default: the model's own]"
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Measure a model on labelled images."""
    from blemish.api import evaluate, load, test_data
    from blemish.progress import progress_bar

    dataset = test_data(data, good, bad, held_out=held_out, data_root=data_root, say=_say(quiet))
    detector = load(model, false_alarm_rate=false_alarm_rate, batchnorm_at_test=batchnorm_at_test)
    with progress_bar("Scoring", len(dataset.test), quiet=quiet) as advance:
        evaluation = evaluate(detector, dataset, progress=lambda done, total: advance())
    if as_json:
        print(json.dumps(evaluation.to_dict(), indent=2))
    else:
        from blemish.report.text import summary

        print(summary(evaluation))
    if report:
        from blemish.report import write_report

        write_report(evaluation, detector, report)
        if not as_json:
            print(f"Report: {report}")
    if evaluation.unreadable:
        raise typer.Exit(1)


@app.command(
    epilog="""\b
Examples:
  blemish predict parts.safetensors part.png
  blemish predict parts.safetensors new/ --csv out.csv --overlays out/
  find new/ -name '*.png' | blemish predict parts.safetensors - --jsonl out.jsonl

\b
Exit codes: 0 done, 1 some images could not be scored (their rows say why), 2 stopped by what the message
names. A --csv or --jsonl file takes its name when it is complete.
"""
)
def predict(
    model: Model,
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUTS...", help="Images, folders, patterns, or - for a list on stdin."),
    ],
    csv_file: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write rows as CSV.")] = None,
    jsonl_file: Annotated[
        Path | None, typer.Option("--jsonl", metavar="FILE", help="Write rows as JSON lines.")
    ] = None,
    overlays: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write heat maps over the images, one fixed scale.")
    ] = None,
    explain: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write image, reconstruction, error map and Grad-CAM of a GAN."),
    ] = None,
    maps: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write each raw anomaly map, float32, as .npy.")
    ] = None,
    false_alarm_rate: Rate = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images scored at once.")] = 16,
    quiet: Quiet = False,
) -> None:
    """Judge images: score, p-value, verdict, heat map.

    Rows of path, score, p_value, is_anomalous and error go to standard output as CSV unless --csv or
    --jsonl is given.
    """
    from blemish.api import load
    from blemish.prediction import STANDARD_INPUT, expand_inputs, predict_to_files
    from blemish.progress import progress_bar

    paths: Any = expand_inputs(inputs)
    if STANDARD_INPUT not in inputs:
        paths = list(paths)
    total = len(paths) if isinstance(paths, list) else None
    detector = load(model, false_alarm_rate=false_alarm_rate)
    with progress_bar("Scoring", total, quiet=quiet) as advance:
        counts = predict_to_files(
            detector,
            paths,
            batch_size=batch_size,
            csv_file=csv_file,
            jsonl_file=jsonl_file,
            overlays=overlays,
            explain=explain,
            maps=maps,
            rows_to=None if csv_file or jsonl_file else sys.stdout,
            advance=advance,
        )
    _say(quiet)(
        f"{counts['images']} images: {counts['anomalous']} anomalous, {counts['errors']} could not be scored."
    )
    _say(quiet)(detector.calibration.note)
    if counts["errors"]:
        raise typer.Exit(1)


@app.command(
    epilog="""\b
Examples:
  blemish export parts.safetensors parts.onnx
"""
)
def export(
    model: Model,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The .onnx file to write.")],
) -> None:
    """Turn a model into one .onnx file.

    It predicts without torch, and is checked to score the same before it is written.
    """
    from blemish.export import export_onnx

    difference = export_onnx(model, out)
    print(f"Wrote {out}: scores differ by at most {difference:.1e} of their size.")


@app.command(
    epilog="""\b
Examples:
  blemish info parts.safetensors
  blemish info parts.onnx --json
"""
)
def info(
    model: Model,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show what a model file says of itself."""
    from blemish.modelfile import facts, read_metadata

    metadata = read_metadata(model).model_dump(mode="json")
    if as_json:
        print(json.dumps(metadata, indent=2))
        return
    rows = facts(metadata)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:{width}}  {value}")


@app.command(
    epilog="""\b
Examples:
  blemish demo
  blemish demo --data parts --epochs 100 --out parts-demo
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
    epochs: Annotated[int | None, typer.Option(help="Passes over the images.")] = None,
    quiet: Quiet = False,
) -> None:
    """Fit, evaluate and report on real photographs."""
    from blemish.demo import run_demo
    from blemish.report.text import summary

    evaluation, report = run_demo(out, data=data, epochs=epochs, quiet=quiet, say=_say(False))
    print(summary(evaluation))
    print(f"Report: {report}")


def _say(quiet: bool) -> Any:
    """Remarks go to standard error, so that standard output stays data."""
    return lambda message: print(message, file=sys.stderr) if message and not quiet else None


def main() -> None:
    """Run the command line. What the user can mend is one sentence and exit code 2; Ctrl-C exits with 1."""
    try:
        app()
    except Interrupted as stop:
        _fail(str(stop), 1)
    except BlemishError as error:
        _fail(f"blemish: {error}", 2)
    except OSError as error:
        _fail(f"blemish: {error.filename or 'A file'} cannot be used: {error.strerror or error}.", 2)
    except SystemExit as end:
        if end.code == 130:  # the command-line library's code for Ctrl-C
            _fail("Stopped.", 1)
        raise


def _fail(message: str, code: int) -> None:
    if os.environ.get("RANK", "0") == "0":  # one voice among several processes
        print(message, file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
