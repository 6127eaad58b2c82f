"""Which methods are compared, and with what settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blemish.config import RunConfig, build_config
from blemish.errors import ConfigError
from blemish.fit_checks import applies, check_concerned
from blemish.models.registry import config_class
from blemish.models.weights import RANDOM, find_weights

DEFAULT_METHODS = ("gtrans", "patchcore", "padim", "spade")

# fields that differ between the runs of a comparison, and what says so
ELSEWHERE = {
    "method": "--methods",
    "preset": "--methods NAME:PRESET",
    "training.seed": "--seeds, how many there are",
}


@dataclass(frozen=True)
class Entry:
    """One method that takes part.

    Attributes:
        label: as asked for, "method" or "method:preset".
        arguments: for `blemish.config.build_config`.
        weights: of the backbone, None for a method without or to have them found.
    """

    label: str
    arguments: dict[str, Any]
    weights: str | None

    def config(self, seed: int) -> RunConfig:
        """The configuration of a run with this seed."""
        return build_config(**self.arguments | {"training__seed": seed})

    def stem(self, seed: int) -> str:
        """Name of this run's files, without an ending; the first seed has the plain name."""
        name = self.label.replace(":", "-")
        return f"{name}-seed{seed}" if seed else name


def make_entries(
    methods: Sequence[str],
    *,
    assignments: Sequence[str] = (),
    backbone: str | None = None,
    weights: str | Path | None = None,
    epochs: int | None = None,
    false_alarm_rate: float | None = None,
) -> list[Entry]:
    """Check what was asked for, before any work.

    What concerns a field of the model goes to the methods that have it, what concerns training to those that
    train; each concerns at least one.

    Raises:
        ConfigError: no method or one twice, a field that --set cannot give, an unknown method, preset or
            field, or a value out of range.
        WeightsError: the backbone's weights are not there.
    """
    if not methods:
        raise ConfigError(
            f"There is nothing to compare; give --methods, such as {','.join(DEFAULT_METHODS)}."
        )
    if len(set(methods)) < len(methods):
        raise ConfigError(f"--methods names one twice: {','.join(methods)}; name each once.")
    for label in methods:
        method, colon, preset = label.partition(":")
        if colon and not preset:
            raise ConfigError(f"{label} names no preset; write {method}.")
    for field in (text.partition("=")[0].strip() for text in assignments):
        if field in ELSEWHERE:
            raise ConfigError(f"{field} cannot be set with --set here; give {ELSEWHERE[field]}.")
    classes = {label: config_class(label.partition(":")[0]) for label in methods}
    given = [*assignments, *([f"model.backbone={backbone}"] if backbone else [])]
    given += [f"training.epochs={epochs}"] if epochs is not None else []
    given += ["model.backbone"] if weights else []
    check_concerned(given, classes)
    entries: list[Entry] = []
    for label, one in classes.items():
        method, _, preset = label.partition(":")
        arguments: dict[str, Any] = {
            "assignments": [text for text in assignments if applies(text, one)],
            "method": method,
            "preset": preset or None,
            "model__backbone": backbone if applies("model.backbone", one) else None,
            "training__epochs": epochs if applies("training.epochs", one) else None,
            "false_alarm_rate": false_alarm_rate,
        }
        has_backbone = applies("model.backbone", one)
        entry = Entry(label, arguments, str(weights) if weights and has_backbone else None)
        config = entry.config(0)
        for other in entries:
            if other.config(0) == config:
                raise ConfigError(f"{other.label} and {label} are the same model; name one of them.")
        if has_backbone and weights != RANDOM:
            find_weights(config.model.backbone, weights)  # type: ignore[attr-defined]
        entries.append(entry)
    return entries
