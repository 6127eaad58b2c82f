"""From a .safetensors model to one file that runs without torch and is proven to score alike."""

from blemish.export.export import export_model
from blemish.export.report import ExportReport

__all__ = ["ExportReport", "export_model"]
