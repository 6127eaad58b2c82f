"""The state of an unfinished training run in one safetensors file."""

import json
import time
from dataclasses import asdict, field
from pathlib import Path

import torch
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from blemish.errors import CheckpointError
from blemish.inference.model_file import write_tensors

Optimisers = dict[str, torch.optim.Adam]


@dataclass(config=ConfigDict(extra="forbid"))
class Position:
    """Where a run stands; `losses` are means of the epoch so far, `unhealthy` counts batches on end."""

    step: int = 0
    losses: dict[str, float] = field(default_factory=dict)
    kept_epoch: float = 0
    kept_loss: float = float("inf")
    unhealthy: int = 0
    log_bytes: int = 0
    seconds: float = 0.0

    def add(self, losses: dict[str, float], steps_per_epoch: int) -> None:
        """Go on by one step."""
        if self.step % steps_per_epoch == 0:
            self.losses = {}
        self.step += 1
        for name, value in losses.items():
            self.losses[name] = self.losses.get(name, 0.0) + value / steps_per_epoch


class Selection:
    """The weights that training ends with; those of the "last" epoch the model has itself."""

    def __init__(self, model: nn.Module, select: str) -> None:
        self.model, self.select = model, select
        self.weights = self._snapshot()

    def offer(self, position: Position, validation_loss: float, epoch: float) -> None:
        """Keep the model as it is now, if it is to be kept."""
        if self.select == "last" or validation_loss < position.kept_loss:
            position.kept_loss, position.kept_epoch = validation_loss, epoch
            self.weights = self._snapshot()

    def _snapshot(self) -> dict[str, Tensor]:
        if self.select == "last":
            return {}
        return {name: value.detach().clone() for name, value in self.model.state_dict().items()}


class Checkpoint:
    """The file from which a run goes on; `step` is where the run stood when it was saved last."""

    def __init__(
        self, path: Path, fingerprint: str, model: nn.Module, selection: Selection, optimisers: Optimisers
    ) -> None:
        self.path, self.fingerprint, self.step = path, fingerprint, 0
        self.model, self.selection, self.optimisers = model, selection, optimisers
        self.saved_at = time.monotonic()

    def due(self, position: Position, seconds: float, *, asked: bool) -> bool:
        """Whether to save now: when asked to, or `seconds` after the last time.

        Where training has shown a collapse, what there is from before stays; where there is nothing, what is
        nearest to it is saved.
        """
        if position.unhealthy:
            return not self.path.exists() and (asked or position.unhealthy == 1 < position.step)
        return asked or time.monotonic() - self.saved_at >= seconds

    def save(self, position: Position, *, write: bool) -> None:
        """Write all that the rest depends on; an older checkpoint stays until the new one is whole.

        A model whose numbers are no longer finite is not saved. Of several processes one is to `write`.
        """
        self.saved_at = time.monotonic()
        weights = self.model.state_dict()
        if not all(value.isfinite().all() for value in weights.values()):
            return
        self.step = position.step
        if not write:
            return
        tensors = {f"model.{name}": value for name, value in weights.items()}
        tensors |= {f"best.{name}": value for name, value in self.selection.weights.items()}
        for group, optimiser in self.optimisers.items():
            for index, state in optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser.{group}.{index}.{key}": value for key, value in state.items()}
        metadata = {"fingerprint": self.fingerprint, "position": json.dumps(asdict(position))}
        write_tensors(self.path, tensors, metadata)

    def load(self) -> Position:
        """Put a saved state back in place and return its position.

        Raises:
            CheckpointError: it is damaged, or of a run with other data or configuration.
        """
        damaged = CheckpointError(f"The checkpoint {self.path} is damaged; delete it and start afresh.")
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise damaged from error
        if metadata.get("fingerprint") != self.fingerprint:
            raise CheckpointError(
                f"The checkpoint {self.path} belongs to a run with other images or settings; "
                "give the same ones, or delete it and start afresh."
            )
        try:
            position = TypeAdapter(Position).validate_json(metadata["position"], strict=True)
            self.model.load_state_dict(_under("model.", tensors))
            self.selection.weights = _same_shapes(_under("best.", tensors), self.selection.weights)
            for group, optimiser in self.optimisers.items():
                _fill(optimiser, _under(f"optimiser.{group}.", tensors))
        except (ValueError, KeyError, IndexError, TypeError, RuntimeError) as error:
            raise damaged from error
        self.step = position.step
        return position


def _fill(optimiser: torch.optim.Adam, tensors: dict[str, Tensor]) -> None:
    """Put an optimiser's state back; an optimiser that has made a step has one."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".")
        if value.shape == (parameter := parameters[int(index)]).shape:
            value = torch.empty_like(parameter).copy_(value)  # fused kernels need the parameter's strides
        state.setdefault(int(index), {})[key] = value
    if not state:
        raise ValueError("no optimiser state")
    for number, values in state.items():
        like = {"step": torch.tensor(0.0), "exp_avg": parameters[number], "exp_avg_sq": parameters[number]}
        _same_shapes(values, like)
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def _same_shapes(tensors: dict[str, Tensor], like: dict[str, Tensor]) -> dict[str, Tensor]:
    if {k: v.shape for k, v in tensors.items()} != {k: v.shape for k, v in like.items()}:
        raise ValueError("other names or shapes")
    return tensors


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
