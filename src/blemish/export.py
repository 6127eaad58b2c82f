"""From a .safetensors model to one .onnx file that runs without torch."""

import importlib.util
import json
import logging
import warnings
from pathlib import Path

import numpy as np

from blemish.detector import Detector
from blemish.engines.onnx import OnnxEngine
from blemish.errors import BlemishError, ModelFileError
from blemish.modelfile import KEY, read_metadata

TOLERANCE = 1e-3
TINY = 1e-30  # for models that give every image the score 0


def export_onnx(model: Path, out: Path) -> float:
    """Write the model's one graph, uint8 images in, scores and maps out, with its description inside.

    The exported graph is run against the original on probe images before it takes its name.

    Args:
        model: a .safetensors model file.
        out: the .onnx file to write.

    Returns:
        The largest difference between the two graphs' scores, as a share of the largest original score.

    Raises:
        BlemishError: `out` cannot be written, or the scores differ by more than `TOLERANCE`.
    """
    if importlib.util.find_spec("onnxscript") is None:
        raise BlemishError('Exporting needs PyTorch and onnxscript: pip install "blemish[train]".')
    import torch

    if out.suffix.lower() != ".onnx":
        raise BlemishError(f"The exported file {out} must end in .onnx.")
    if not out.parent.is_dir():
        raise BlemishError(f"There is no folder {out.parent} to write {out.name} to; make it first.")
    if model.suffix.lower() != ".safetensors":
        raise ModelFileError(f"{model} is no .safetensors model; only those can be exported.")
    metadata = read_metadata(model)
    detector = Detector.load(model)
    size = metadata.frame.size
    probes = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    network = detector.engine.model.cpu().to(memory_format=torch.contiguous_format)  # type: ignore[attr-defined]

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (torch.from_numpy(probes).permute(0, 3, 1, 2),),
            input_names=["images"],
            output_names=["score", "anomaly_map"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props[KEY] = json.dumps(metadata.model_dump(mode="json"))
    temporary = out.with_name(out.stem + ".part.onnx")
    try:
        program.save(temporary, external_data=False)
        expected, _ = Detector.load(model).engine(probes)
        exported, _ = OnnxEngine.load(temporary)[0](probes)
        difference = float(np.max(np.abs(exported - expected)) / max(np.abs(expected).max(), TINY))
        if not difference <= TOLERANCE:
            raise BlemishError(
                f"The exported scores differ by {difference:.2g} of their size, more than {TOLERANCE:g}; "
                f"{out} was not written."
            )
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    return difference
