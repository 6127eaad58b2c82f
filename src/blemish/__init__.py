"""Blemish finds defects in pictures after seeing only good ones.

import blemish

detector = blemish.fit("parts/", out="parts.safetensors")
result = blemish.load("parts.safetensors").predict("part.png")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blemish.api import evaluate, fit, load
    from blemish.comparison import Comparison, compare
    from blemish.errors import BlemishError
    from blemish.inference.detector import Detector
    from blemish.inference.result import Result

__version__ = "0.1.0"

_PUBLIC = {
    "fit": "blemish.api",
    "load": "blemish.api",
    "evaluate": "blemish.api",
    "compare": "blemish.comparison",
    "Comparison": "blemish.comparison",
    "Detector": "blemish.inference.detector",
    "Result": "blemish.inference.result",
    "BlemishError": "blemish.errors",
}

__all__ = [
    "BlemishError",
    "Comparison",
    "Detector",
    "Result",
    "__version__",
    "compare",
    "evaluate",
    "fit",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'blemish' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
