"""Options that several commands share."""

import logging
from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="A model file: .safetensors from fit, .onnx or .xml from export."),
]
EngineName = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="torch|onnxruntime|openvino",
        help="What runs the model. [default: torch, for .onnx onnxruntime, for .xml openvino]",
    ),
]
Threads = Annotated[
    int | None, typer.Option(min=1, help="CPU threads of the engine. [default: the engine's own]")
]
Device = Annotated[
    str,
    typer.Option(
        metavar="auto|cpu|cuda|tensorrt|gpu",
        help="auto is the CPU, or for torch a CUDA GPU if there is one; gpu is an Intel one, for openvino.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars and no remarks.")]
Rate = Annotated[
    float | None,
    typer.Option(
        "--false-alarm-rate",
        metavar="RATE",
        help="Share of good images that may be called anomalous. [default: the model's, or 0.01]",
    ),
]
Rules = Annotated[
    str | None,
    typer.Option(
        "--rules",
        metavar="FILE|none",
        help="Rules on where, how large and how often (docs: Rules). [default: the .rules.toml beside MODEL]",
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
Backbone = Annotated[
    str | None,
    typer.Option(
        help="efficientnet_lite0 (weights installed), efficientnet_lite1/2, resnet18, resnet34, "
        "wide_resnet50_2 or any timm model with feature maps; not for the GANs."
    ),
]
Weights = Annotated[
    str | None, typer.Option(metavar="FILE", help="The backbone's ImageNet weights: .safetensors or .pth.")
]
Tile = Annotated[
    int | None,
    typer.Option(
        metavar="PIXELS",
        help="Cut large images into square tiles of this side at their own resolution, to find small "
        "defects. The time grows with the number of tiles. [default: whole images]",
    ),
]
Exclude = Annotated[
    Path | None,
    typer.Option(
        metavar="LIST.txt", help="Leave out the images to learn from that this file names, one path a line."
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        help="Passes over the images; for gtrans and the GANs; the others need one. [default: 5 for gtrans "
        "(with other presets 20, 40 or 300), 15 or 25 for the GANs]"
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Any other configuration field; repeatable."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print everything as JSON.")]


def show(quiet: bool) -> None:
    """Remarks and bars go to standard error, so that standard output stays data."""
    from blemish.progress import show_messages

    show_messages(logging.ERROR if quiet else logging.INFO)
