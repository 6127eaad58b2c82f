"""int8 of models that remember all good images: they look at them again, through the integer networks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from blemish.calibration import Calibration
from blemish.datasets import Dataset
from blemish.errors import DatasetError
from blemish.export.graph import traced
from blemish.export.quantise import quantise
from blemish.export.recalibrate import Roles, range_images
from blemish.inference.engines.torch import TorchEngine
from blemish.inference.model_file import Metadata
from blemish.models.gtrans.model import GTrans
from blemish.models.settings import usual_settings
from blemish.training.config import config_of
from blemish.training.fit import calibrate_model
from blemish.training.loop import show_all
from blemish.training.one_pass import learn_in_one_pass
from blemish.training.read_images import GoodImages, read_images

Run = Callable[[np.ndarray], list[np.ndarray]]  # uint8 [B, 3, H, W] to the levels, float32 each


def read_learned(dataset: Dataset, metadata: Metadata, folder: Path) -> GoodImages:
    """The images that the model was fitted to.

    Raises:
        DatasetError: these are others.
        ImageError: one cannot be used.
    """
    images = read_images(dataset, config_of(metadata), folder, skip_unreadable=False)
    learned = np.flatnonzero(np.isin(images.rows.digests, metadata.data["frames"]))
    if len(learned) == metadata.data["images"]:  # without odd and excluded ones
        images = images.only(learned)
    if images.digest != metadata.data["sha256"]:
        raise DatasetError(
            f"{dataset.name} lacks good images that the model was fitted to, which int8 of "
            f"{metadata.method} looks at again; give those as --calibrate."
        )
    return images


@usual_settings()
def relearn(
    model: Any, images: GoodImages, roles: Roles, folder: Path, to: str
) -> tuple[Calibration, list[np.ndarray]]:
    """Let a model, in place, remember what the integer networks make of the images.

    So the rounding is the same in what is remembered and in what is compared with it, and the calibration
    leaves each image out in its turn as that of the float32 model does.

    Args:
        model: one that remembers all good images (`ModelConfig.remembers_all`), with its float32 memory.
        images: see `read_learned`.
        roles: whose images give the ranges.
        folder: for files that nobody needs afterwards.
        to: "onnx" or "openvino".

    Returns:
        The calibration, and the reduced map of each image.
    """
    is_trained = isinstance(model, GTrans)
    places = [(model.agn, "backbone"), (model, "trans")] if is_trained else [(model.features, "backbone")]
    originals = [getattr(owner, name) for owner, name in places]
    for number, ((owner, name), backbone) in enumerate(zip(places, originals, strict=True)):
        floats, integers = folder / f"levels-{number}.onnx", folder / f"integer-levels-{number}.onnx"
        traced(_Levels(backbone), images.config.frame.shape).save(floats)
        quantise(floats, integers, range_images(roles, images.config.frame), first=to == "onnx")
        setattr(owner, name, _IntegerBackbone(backbone, _runs(integers, to)))
    rows, training = images.rows.images, images.config.training
    try:
        if is_trained:
            show_all(model, rows, images.learn_rows, training.seed, torch.device("cpu"))
        else:
            learn_in_one_pass(model, rows, images.learn_rows, training)
        return calibrate_model(TorchEngine(model, device="cpu"), images)
    finally:
        for (owner, name), backbone in zip(places, originals, strict=True):
            setattr(owner, name, backbone)


class _Levels(nn.Module):
    """A backbone from images on."""

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.backbone: Any = backbone

    def forward(self, images: Tensor) -> Any:
        return self.backbone(self.backbone.normalise(images))


class _IntegerBackbone(nn.Module):
    """An exported backbone in the place of its original."""

    def __init__(self, original: Any, run: Run) -> None:
        super().__init__()
        self.scale, self.channels, self.run = original.scale, original.channels, run

    def normalise(self, images: Tensor) -> Tensor:
        return images

    def forward(self, images: Tensor) -> list[Tensor]:
        levels = self.run(np.ascontiguousarray(images.cpu().numpy().astype(np.uint8)))
        return [torch.tensor(level, device=images.device) for level in levels]


def _runs(graph: Path, to: str) -> Run:
    """The graph in the engine that it is for."""
    if to == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        return lambda images: session.run(None, {"images": images})
    from blemish.inference.engines.openvino import PROPERTIES, the_core

    core = the_core()
    compiled = core.compile_model(core.read_model(graph), "CPU", PROPERTIES)
    return lambda images: list(compiled({"images": images}).values())
