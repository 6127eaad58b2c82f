"""The good images themselves: which are odd, copies of others, or badly taken."""

from blemish.checking.check import check
from blemish.checking.result import Check

__all__ = ["Check", "check"]
