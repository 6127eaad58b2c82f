"""What makes a fit impossible, told before any work is done."""

import importlib.util
import os
from collections.abc import Iterable

from blemish.errors import ConfigError
from blemish.models.config import ModelConfig
from blemish.models.memory_bank.config import TrainingFreeConfig
from blemish.training.config import RunConfig

# the fields of `TrainingConfig` that mean something where nothing is trained
ONE_PASS = {"validation_share", "seed", "deterministic", "cache_gigabytes"}


def check_one_pass(config: RunConfig, resume: bool) -> None:
    """Refuse what only makes sense where something is trained.

    Raises:
        ConfigError: the method fits in one pass, and `resume` or a field of the training is given.
    """
    if not isinstance(config.model, TrainingFreeConfig):
        return
    once = f"{config.method} fits in one pass"
    if resume:
        raise ConfigError(f"{once} and leaves nothing to resume; leave out --resume.")
    if process_count() > 1:
        raise ConfigError(f"{once} in one process; start it without accelerate launch or torchrun.")
    for name in sorted(config.training.model_fields_set - ONE_PASS):
        option = "--epochs" if name == "epochs" else f"training.{name}"
        raise ConfigError(f"{once}; leave out {option}.")


def process_count() -> int:
    """How many processes train one model, as `accelerate launch` and torchrun tell them."""
    count = os.environ.get("WORLD_SIZE", "")
    return int(count) if count.isdecimal() and "MASTER_ADDR" in os.environ else 1


def process_rank() -> int:
    """The number of this process among those that train one model."""
    return int(os.environ.get("RANK", "0")) if process_count() > 1 else 0


def check_tracker(tracker: str) -> None:
    """Refuse a tracker that is not installed; Accelerate would leave it out without a word.

    Raises:
        ConfigError: with the extra that brings it.
    """
    if tracker != "none" and importlib.util.find_spec(tracker) is None:
        raise ConfigError(
            f'{tracker} is not installed; pip install "blemish[trackers]" or set another tracker.'
        )


def check_concerned(given: Iterable[str], methods: dict[str, type[ModelConfig]]) -> None:
    """Refuse a field that no method has.

    Args:
        given: "section.field" or "section.field=value" texts.
        methods: classes of configurations by name.

    Raises:
        ConfigError: with the first such field.
    """
    for text in given:
        if not any(applies(text, one) for one in methods.values()):
            field = text.partition("=")[0].strip()
            raise ConfigError(f"{field} concerns none of {', '.join(methods)}; leave it out.")


def applies(assignment: str, method: type[ModelConfig]) -> bool:
    """Whether a method has the field of the model, or trains if the assignment is about training.

    Args:
        assignment: "section.field" or "section.field=value".
        method: the class of its configuration.
    """
    section, _, field = assignment.partition("=")[0].strip().partition(".")
    if section == "model":
        return field.partition(".")[0] in method.model_fields
    return section != "training" or field in ONE_PASS or not issubclass(method, TrainingFreeConfig)
