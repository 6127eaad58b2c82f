"""Runs a .safetensors model with PyTorch, in float32."""

from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from blemish.errors import ModelFileError
from blemish.modelfile import Metadata
from blemish.models.base import AnomalyModel, TrainingFreeModel, images_to_tensor
from blemish.models.batchnorm import BatchNormAtTest, set_batchnorm_at_test
from blemish.models.registry import config_class, model_class


class TorchEngine:
    """A model in eval mode on a GPU if there is one, else on the CPU."""

    def __init__(self, model: AnomalyModel) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.eval().to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def load(cls, path: Path, metadata: Metadata) -> "TorchEngine":
        """Build the model that `metadata` describes and fill it with the file's weights.

        Raises:
            ModelFileError: the weights do not fit the description.
        """
        config = config_class(metadata.method).model_validate(metadata.config)
        build = partial(model_class(metadata.method), config, metadata.frame.size)
        try:
            with safe_open(path, framework="pt") as file:
                found = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
            with torch.device("meta"):  # takes no memory, whatever size the description asks for
                wanted = _sized(build(), found).state_dict()
            if found != {name: list(value.shape) for name, value in wanted.items()}:
                raise RuntimeError("other names or shapes")
            model = _sized(build(), found)
            model.load_state_dict(load_file(path))
        except (RuntimeError, ValueError, LookupError, OSError, SafetensorError) as error:
            raise ModelFileError(
                f"The weights in {path} do not fit its description; fit or copy the model again."
            ) from error
        return cls(model)

    def set_batchnorm(self, at_test: str) -> int:
        """Choose the statistics that BatchNorm uses from now on: "eval", "instance" or "batch".

        Returns:
            The number of layers that this concerns.
        """
        return set_batchnorm_at_test(self.model, cast(BatchNormAtTest, at_test))

    @torch.inference_mode()
    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `blemish.engines.base.Engine`."""
        scores, maps = self.model(images_to_tensor(images).to(self.device))
        return scores.cpu().numpy(), maps.cpu().numpy()

    def explain(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """See `blemish.engines.base.Engine`."""
        explanation = self.model.explain(images_to_tensor(images).to(self.device))
        if explanation is None:
            return None
        pictures = explanation.reconstruction.permute(0, 2, 3, 1)
        return pictures.cpu().numpy(), explanation.attention.cpu().numpy()


def _sized(model: AnomalyModel, shapes: dict[str, list[int]]) -> AnomalyModel:
    """The model with room for what a file of these shapes has learned."""
    if isinstance(model, TrainingFreeModel):
        model.resize_state(shapes)
    return model
