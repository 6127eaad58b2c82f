"""Blemish finds defects in pictures after seeing only good ones.

import blemish

detector = blemish.fit("parts/", out="parts.safetensors")
result = blemish.load("parts.safetensors").predict("part.png")
"""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blemish.api import Detector, Evaluation, evaluate, fit, load
    from blemish.checking import Check, check
    from blemish.comparison import Comparison, compare
    from blemish.errors import BlemishError
    from blemish.inference.result import Result

__version__ = "0.1.0"

# Libraries report nothing to their makers, unless the environment asks for it: ONNX Runtime, Ray, wandb, and
# the hub and MLflow, which keep to DO_NOT_TRACK. They look when they are imported.
for _name, _value in {
    "ORT_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "WANDB_ERROR_REPORTING": "false",
    "DO_NOT_TRACK": "1",
}.items():
    os.environ.setdefault(_name, _value)
# PyTorch's threads sleep while they wait for each other: spinning, they make training several times as slow
# wherever another process is busy. Heeded where PyTorch is imported after this.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # OpenVINO does without it

_PUBLIC = {
    "fit": "blemish.api",
    "load": "blemish.api",
    "evaluate": "blemish.api",
    "check": "blemish.checking",
    "Check": "blemish.checking",
    "compare": "blemish.comparison",
    "Comparison": "blemish.comparison",
    "Detector": "blemish.api",
    "Evaluation": "blemish.api",
    "Result": "blemish.inference.result",
    "BlemishError": "blemish.errors",
}

__all__ = [
    "BlemishError",
    "Check",
    "Comparison",
    "Detector",
    "Evaluation",
    "Result",
    "__version__",
    "check",
    "compare",
    "evaluate",
    "fit",
    "load",
]


if not TYPE_CHECKING:  # which knows the names, and would take any other one too

    def __getattr__(name: str) -> Any:
        if name not in _PUBLIC:
            raise AttributeError(f"module 'blemish' has no attribute {name!r}")
        return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return __all__
