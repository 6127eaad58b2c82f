"""A GAN scored with other BatchNorm statistics than it was calibrated with, to show what they do."""

from pathlib import Path
from typing import Any

from blemish.errors import ConfigError
from blemish.inference.model_file import Metadata

UNCALIBRATED = "The threshold was calibrated otherwise, so verdicts and false alarms mean nothing here."
WARNINGS = {
    "eval": f"Scored with running BatchNorm statistics. {UNCALIBRATED}",
    "instance": f"Scored with the BatchNorm statistics of each image alone. {UNCALIBRATED}",
    "batch": (
        "Not comparable: scored with the BatchNorm statistics of each batch of the ordered test set. Good "
        f"and defective images hardly ever share a batch, so the label leaks into the scores. {UNCALIBRATED}"
    ),
}


def check_statistics(path: Path, statistics: str | None) -> None:
    """Refuse statistics that are unknown, or cannot be chosen for this kind of model file."""
    if statistics is not None and statistics not in WARNINGS:
        raise ConfigError(
            f"batchnorm_at_test is one of {', '.join(WARNINGS)}, not {statistics!r}; choose one."
        )
    if statistics and path.suffix.lower() in (".onnx", ".xml"):
        raise ConfigError(
            f"{path} has its BatchNorm statistics built in; leave out --batchnorm-at-test, or give "
            "the .safetensors file."
        )


def choose_statistics(engine: Any, metadata: Metadata, statistics: str | None) -> str:
    """Make PyTorch's engine use them; the sentence every measurement must carry, "" where nothing changes."""
    if statistics is None or statistics == metadata.config.get("batchnorm_at_test"):
        return ""
    from blemish.models.gan.layers import set_batchnorm_at_test

    if not set_batchnorm_at_test(engine.model, statistics):  # type: ignore[arg-type]
        raise ConfigError(
            f"{metadata.method} has no BatchNorm whose statistics could be chosen; "
            "leave out --batchnorm-at-test."
        )
    return WARNINGS[statistics]
