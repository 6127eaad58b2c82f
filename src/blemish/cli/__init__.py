"""The commands, a file each: they parse, call one function and print. Help lists them in this order."""

from blemish.cli import check, fit, evaluate, accept, compare, predict, serve, model, demo, reproduce  # noqa: F401, I001
from blemish.cli.app import main

__all__ = ["main"]
