"""Several methods side by side on a user's own data."""

from blemish.comparison.result import Comparison
from blemish.comparison.run import compare

__all__ = ["Comparison", "compare"]
