"""blemish export, blemish info"""

import json
from pathlib import Path
from typing import Annotated

import typer

from blemish.cli.app import app
from blemish.cli.options import Model


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
