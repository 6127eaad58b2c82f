"""Runs a .safetensors model with PyTorch, in float32."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, cast

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from blemish.errors import ConfigError, ModelFileError
from blemish.inference.engines.base import Engine
from blemish.inference.model_file import BESIDE_WEIGHTS, Metadata, read_weights_metadata
from blemish.models.base import AnomalyModel, images_to_tensor
from blemish.models.config import ModelConfig
from blemish.models.registry import config_class, model_class
from blemish.models.settings import usual_modes, usual_settings

LOADED_BY = os.getpid()
_SWITCH, _BEFORE = Lock(), list[Any]()
if hasattr(os, "register_at_fork"):  # a forked process has one thread and would wait for the others for ever
    os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))


class TorchEngine(Engine):
    """A model in eval mode on the CPU or an NVIDIA GPU; "auto" takes a GPU if there is one."""

    name = "torch"

    def __init__(self, model: AnomalyModel, device: str = "auto") -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(device)
        self.model = model.eval().to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    @usual_settings()
    def load(
        cls, path: Path, *, threads: int | None = None, device: str = "auto"
    ) -> tuple["TorchEngine", Metadata]:
        """Build the model that the file describes and fill it with its weights.

        Args:
            path, device: see `blemish.inference.engines.open_engine`.
            threads: of PyTorch in the whole process.

        Raises:
            ModelFileError: missing, foreign, damaged, or the weights do not fit the description.
            ConfigError: the device is not there.
        """
        metadata = read_weights_metadata(path)
        if device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("PyTorch finds no CUDA GPU here; leave out --device.")
        if threads not in (None, 1) and os.getpid() != LOADED_BY:
            raise ConfigError(
                "PyTorch has one thread in a forked process; leave out threads, or spawn processes instead."
            )
        if threads is not None:
            torch.set_num_threads(threads)
        config = config_class(metadata.method).model_validate(metadata.config)
        build = partial(model_class(metadata.method), config, metadata.frame.shape)
        try:
            with safe_open(path, framework="pt") as file:
                names = [name for name in file.keys() if name not in BESIDE_WEIGHTS]  # noqa: SIM118
                found = {name: file.get_slice(name).get_shape() for name in names}
            with torch.device("meta"):  # takes no memory, whatever size the description asks for
                wanted = _sized(build(), found).state_dict()
            if found != {name: list(value.shape) for name, value in wanted.items()}:
                raise RuntimeError("other names or shapes")
            model = _sized(build(), found)
            weights = load_file(path)
            model.load_state_dict({name: weights[name] for name in names})
        except (RuntimeError, ValueError, LookupError, OSError, SafetensorError) as error:
            raise ModelFileError(
                f"The weights in {path} do not fit its description; fit or copy the model again."
            ) from error
        return cls(model, device), metadata

    @usual_settings()
    def rescored(self, fields: dict[str, Any]) -> "TorchEngine":
        """The same weights under other values of the fields that concern scoring alone.

        Args:
            fields: values by name, of the configuration's `scoring_only`.

        Raises:
            ValueError: another field, or a value out of range.
        """
        config: ModelConfig = cast(Any, self.model).config
        if not config.scoring_only >= fields.keys():
            others = sorted(fields.keys() - config.scoring_only)
            raise ValueError(f"{', '.join(others)} cannot be changed without learning again")
        changed = type(config).model_validate(config.model_dump() | fields)
        weights = self.model.state_dict()
        fresh = type(self.model)(changed, cast(Any, self.model).image_shape)
        model = _sized(fresh, {name: list(value.shape) for name, value in weights.items()})
        model.load_state_dict(weights)
        return TorchEngine(model, self.device.type)

    @usual_modes()
    @torch.inference_mode()
    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `blemish.inference.engines.base.Engine`."""
        with _exact_convolutions(self.device):
            scores, maps = self.model(images_to_tensor(images).to(self.device))
        return scores.cpu().numpy(), maps.cpu().numpy()

    @usual_modes()
    def explain(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """See `blemish.inference.engines.base.Engine`."""
        with _exact_convolutions(self.device):
            explanation = self.model.explain(images_to_tensor(images).to(self.device))
        if explanation is None:
            return None
        pictures = explanation.reconstruction.permute(0, 2, 3, 1)
        return pictures.cpu().numpy(), explanation.attention.cpu().numpy()


@contextmanager
def _exact_convolutions(device: torch.device) -> Iterator[None]:
    """Keep a GPU from rounding the factors of convolutions to TensorFloat-32, its default.

    The switch is of the whole process: the first thread to come sets it, and the last to go puts it back.
    """
    if device.type == "cpu":
        yield
        return
    cudnn: Any = torch.backends.cudnn
    switch, name, exact = cudnn, "allow_tf32", cast(Any, False)
    if hasattr(cudnn, "conv"):  # from PyTorch 2.9 on
        switch, name, exact = cudnn.conv, "fp32_precision", "ieee"
    with _SWITCH:
        _BEFORE.append(getattr(switch, name))
        setattr(switch, name, exact)
    try:
        yield
    finally:
        with _SWITCH:
            before = _BEFORE.pop()
            if not _BEFORE:
                setattr(switch, name, before)


def _sized(model: AnomalyModel, shapes: dict[str, list[int]]) -> AnomalyModel:
    """The model with room for what a file of these shapes has learned."""
    model.resize_state(shapes)
    return model
