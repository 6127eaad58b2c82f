"""Which methods are compared, and with what settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blemish.errors import ConfigError
from blemish.models.registry import config_class
from blemish.models.weights import RANDOM, find_weights
from blemish.training.checks import applies, check_concerned
from blemish.training.config import RunConfig, build_config

DEFAULT_METHODS = ("rad", "gtrans", "patchcore", "padim")

SAID_ELSEWHERE = {  # fields that --set cannot give, and what does
    "method": "--methods",
    "preset": "--methods NAME:PRESET",
    "training.seed": "--seeds, how many there are",
}


@dataclass(frozen=True)
class Method:
    """One method that takes part.

    Attributes:
        label: as asked for, "method" or "method:preset".
        config: of its run with seed 0.
        weights: of the backbone, None for a method without or to have them found.
    """

    label: str
    config: RunConfig
    weights: str | None

    def stem(self, seed: int) -> str:
        """Name of this run's files, without an ending; the first seed has the plain name."""
        name = self.label.replace(":", "-")
        return f"{name}-seed{seed}" if seed else name


def read_methods(
    labels: Sequence[str],
    *,
    assignments: Sequence[str] = (),
    backbone: str | None = None,
    weights: str | Path | None = None,
    epochs: int | None = None,
    false_alarm_rate: float | None = None,
) -> list[Method]:
    """Check what was asked for, before any work.

    What concerns a field of the model goes to the methods that have it, what concerns training to those that
    train; each concerns at least one.

    Raises:
        ConfigError: no method or one twice, a field that --set cannot give, an unknown method, preset or
            field, or a value out of range.
        WeightsError: the backbone's weights are not there.
    """
    if not labels:
        raise ConfigError(
            f"There is nothing to compare; give --methods, such as {','.join(DEFAULT_METHODS)}."
        )
    if len(set(labels)) < len(labels):
        raise ConfigError(f"--methods names one twice: {','.join(labels)}; name each once.")
    for label in labels:
        method, colon, preset = label.partition(":")
        if colon and not preset:
            raise ConfigError(f"{label} names no preset; write {method}.")
    for field in (text.partition("=")[0].strip() for text in assignments):
        if field in SAID_ELSEWHERE:
            raise ConfigError(f"{field} cannot be set with --set here; give {SAID_ELSEWHERE[field]}.")
    classes = {label: config_class(label.partition(":")[0]) for label in labels}
    settings = [*assignments, *([f"model.backbone={backbone}"] if backbone else [])]
    settings += [f"training.epochs={epochs}"] if epochs is not None else []
    check_concerned([*settings, *(["model.backbone"] if weights else [])], classes)
    found: list[Method] = []
    for label, one in classes.items():
        method, _, preset = label.partition(":")
        values: dict[str, Any] = {"method": method, "preset": preset or None, "training": {"seed": 0}}
        values["false_alarm_rate"] = false_alarm_rate
        config = build_config(None, [text for text in settings if applies(text, one)], values)
        for other in found:
            if other.config == config:
                raise ConfigError(f"{other.label} and {label} are the same model; name one of them.")
        has_backbone = applies("model.backbone", one)
        if has_backbone and weights != RANDOM:
            find_weights(config.model.backbone, weights)  # type: ignore[attr-defined]
        found.append(Method(label, config, str(weights) if weights and has_backbone else None))
    return found
