"""blemish export, blemish info"""

import json
from pathlib import Path
from typing import Annotated

import typer

from blemish.cli import options as opt
from blemish.cli.app import app


@app.command(
    epilog="""\b
Examples:
  blemish export parts.safetensors parts.onnx
  blemish export parts.safetensors parts.onnx --int8 --calibrate good/
  blemish export screw.safetensors screw.xml --calibrate mvtec/screw
"""
)
def export(
    model: opt.Model,
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="The .onnx file to write, or .xml for OpenVINO (with a .bin)."),
    ],
    to: Annotated[
        str | None, typer.Option(metavar="onnx|openvino", help="What to write. [default: by OUT's suffix]")
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="8-bit convolutions; their gain is measured. Needs --calibrate.")
    ] = False,
    calibrate: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="A folder or table of good images: those that the model was fitted to, or others. Labelled "
            "test images among them are measured too. [default: the images in the model file]",
        ),
    ] = None,
    exclude: opt.Exclude = None,
    quiet: opt.Quiet = False,
) -> None:
    """Turn a model into one file that predicts without torch.

    Every installed engine scores real images with it beside the original before it is written.
    """
    from blemish.export import export_model
    from blemish.inference.rules import copy_rules

    opt.show(quiet)
    print(export_model(model, out, to=to, int8=int8, calibrate=calibrate, exclude=exclude))
    print(f"Wrote {out}.")
    if copied := copy_rules(model, out):
        print(copied)


@app.command(
    epilog="""\b
Examples:
  blemish info parts.safetensors
  blemish info parts.onnx --json
"""
)
def info(model: opt.Model, as_json: opt.AsJson = False) -> None:
    """Show what a model file says of itself."""
    from blemish.images.changes import describe
    from blemish.images.frame import hidden, sight
    from blemish.inference.engines import read_metadata
    from blemish.inference.model_file import facts, read_probes
    from blemish.inference.rules import rules_for

    metadata, found = read_metadata(model), rules_for(model)
    if as_json:
        described = {"rules": found[0].model_dump(mode="json", by_alias=True)} if found else {}
        print(json.dumps(metadata.model_dump(mode="json") | described, indent=2))
        return
    rows = facts(metadata.model_dump(mode="json", exclude={"tolerate"}))
    if metadata.tolerate:
        rows.append(("tolerated", describe(metadata.tolerate)))
    if model.suffix.lower() == ".safetensors" and (count := len(read_probes(model, metadata.frame.shape))):
        rows.append(("images inside", f"{count}, to verify exports on"))
    if found:
        rows.append(("rules", f"{found[0]} ({found[1]})"))
    share = metadata.data.get("visible_share")
    rows.append(("the network sees", sight(metadata.frame, share)))
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:{width}}  {value}")
    if remark := hidden(metadata.frame, share):
        print(remark)
