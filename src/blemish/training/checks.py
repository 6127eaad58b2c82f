"""What makes a fit impossible, told before any work is done."""

import importlib.util
import os
from collections.abc import Iterable

from blemish.errors import ConfigError, suggestion
from blemish.extras import install_command
from blemish.images.alignment import check_opencv
from blemish.models.config import ModelConfig
from blemish.models.memory_bank.config import TrainingFreeConfig
from blemish.training.config import RunConfig, nearest_fields


def check_run(config: RunConfig, *, weights: bool, resume: bool) -> None:
    """Refuse what the method cannot use, and a tracker that is not there (Accelerate would say no word).

    Raises:
        ConfigError: weights or a contamination are given to a method without a backbone, something to
            tolerate to one that is trained, or `resume` or a field of the training to one that fits in one
            pass; or the tracker is not installed.
    """
    if weights and not hasattr(config.model, "backbone"):
        raise ConfigError(f"{config.method} has no pre-trained backbone; leave out --weights.")
    tracker = config.training.tracker
    if tracker != "none" and importlib.util.find_spec(tracker) is None:
        raise ConfigError(
            f"{tracker} is not installed: {install_command('trackers')}, or set another tracker."
        )
    if config.frame.align:
        check_opencv()
        if moved := {"place", "turn"} & set(config.tolerate):
            raise ConfigError(
                f"--align takes away what --tolerate {min(moved)} learns to bear; leave one of them out."
            )
    if config.contamination and not hasattr(config.model, "backbone"):
        raise ConfigError(
            f"{config.method} has no pre-trained backbone to tell odd images by; leave out --contamination, "
            "and --exclude those that blemish check finds."
        )
    if not isinstance(config.model, TrainingFreeConfig):
        if config.tolerate:
            raise ConfigError(
                f"{config.method} is trained and cannot be told what to tolerate; leave out --tolerate, or "
                "choose another method, such as rad."
            )
        return
    once = f"{config.method} fits in one pass"
    if resume:
        raise ConfigError(f"{once} and leaves nothing to resume; leave out --resume.")
    if process_count() > 1:
        raise ConfigError(f"{once} in one process; start it without accelerate launch or torchrun.")
    for name in sorted(config.training.model_fields_set - one_pass_fields(type(config.model))):
        option = "--epochs" if name == "epochs" else f"training.{name}"
        raise ConfigError(f"{once}; leave out {option}.")


def one_pass_fields(method: type[ModelConfig]) -> set[str]:
    """The fields of `TrainingConfig` that mean something where nothing is trained."""
    held_out = set() if method.leave_one_out else {"validation_share"}
    return held_out | {"seed", "deterministic", "cache_gigabytes"}


def process_count() -> int:
    """How many processes train one model, as `accelerate launch` and torchrun tell them."""
    count, rank = os.environ.get("WORLD_SIZE", ""), os.environ.get("RANK", "")
    launched = "MASTER_ADDR" in os.environ and count.isdecimal() and rank.isdecimal()
    return int(count) if launched else 1  # a scheduler leaves some of these where nothing was launched


def process_rank() -> int:
    """The number of this process among those that train one model."""
    return int(os.environ["RANK"]) if process_count() > 1 else 0


def has_voice() -> bool:
    """Whether this process says why a fit failed: of those that fit one model, the first of each machine."""
    return process_count() == 1 or os.environ.get("LOCAL_RANK", "0") == "0"


def check_concerned(given: Iterable[str], methods: dict[str, type[ModelConfig]]) -> None:
    """Refuse a "section.field" or "section.field=value" that concerns none of the methods.

    Raises:
        ConfigError: with the first such field.
    """
    for text in given:
        if not any(applies(text, one) for one in methods.values()):
            field = text.partition("=")[0].strip()
            near = nearest_fields(field, methods.values())
            hint = "leave it out." if not near or field in near else suggestion(near)
            raise ConfigError(f"{field} concerns none of {', '.join(methods)}; {hint}")


def applies(assignment: str, method: type[ModelConfig]) -> bool:
    """Whether a "section.field=value" concerns a method: its model has the field, or it is trained."""
    section, _, field = assignment.partition("=")[0].strip().partition(".")
    if section == "model":
        return field.partition(".")[0] in method.model_fields
    if section == "tolerate":
        return issubclass(method, TrainingFreeConfig)
    return (
        section != "training"
        or field in one_pass_fields(method)
        or not issubclass(method, TrainingFreeConfig)
    )
