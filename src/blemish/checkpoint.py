"""The state of an unfinished training run in one safetensors file."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from blemish.errors import BlemishError, CheckpointError
from blemish.modelfile import write_tensors


@dataclass
class Position:
    """Where a run stands."""

    step: int = 0
    losses: dict[str, float] = field(default_factory=dict)  # means of the epoch so far
    kept_epoch: float = 0
    kept_loss: float = float("inf")
    unhealthy: int = 0  # batches on end that showed a collapse
    log_bytes: int = 0
    seconds: float = 0.0


def save_checkpoint(
    path: Path,
    fingerprint: str,
    position: Position,
    model: nn.Module,
    best: dict[str, Tensor],
    optimisers: dict[str, torch.optim.Adam],
) -> None:
    """Write all that the rest of the run depends on; an older checkpoint stays until the new one is whole."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    for group, optimiser in optimisers.items():
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{group}.{index}.{key}": value for key, value in state.items()}
    metadata = {"fingerprint": fingerprint, "position": json.dumps(asdict(position))}
    write_tensors(path, tensors, metadata)


def load_checkpoint(
    path: Path,
    fingerprint: str,
    model: nn.Module,
    best: dict[str, Tensor],
    optimisers: dict[str, torch.optim.Adam],
) -> Position:
    """Put a saved state back in place and return its position.

    Raises:
        BlemishError: no checkpoint.
        CheckpointError: a damaged one, or one of a run with other data or configuration.
    """
    if not path.is_file():
        raise BlemishError(f"There is no checkpoint {path} to resume from; leave out --resume.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _damaged(path) from error
    if metadata.get("fingerprint") != fingerprint:
        raise CheckpointError(
            f"The checkpoint {path} belongs to a run with other images or settings; "
            "give the same ones, or delete it and start afresh."
        )
    try:
        position = Position(**json.loads(metadata["position"]))
        numbers = asdict(position)
        if not all(isinstance(value, int | float) for value in (numbers | numbers.pop("losses")).values()):
            raise ValueError("a position is made of numbers")
        model.load_state_dict(_under("model.", tensors))
        best.update(_same_shapes(_under("best.", tensors), best))
        for group, optimiser in optimisers.items():
            _fill(optimiser, _under(f"optimiser.{group}.", tensors))
    except (ValueError, KeyError, IndexError, TypeError, RuntimeError) as error:
        raise _damaged(path) from error
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


def _damaged(path: Path) -> CheckpointError:
    return CheckpointError(f"The checkpoint {path} is damaged; delete it and start afresh.")


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
