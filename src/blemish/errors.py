"""Errors that a user can cause and mend. The command line prints them as one sentence and exits with 2."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class BlemishError(Exception):
    """Something the user gave cannot be used; the message names it and says what to do."""


class ImageError(BlemishError):
    """An image or mask file is missing, unreadable, truncated, too large or too small."""


class DatasetError(BlemishError):
    """The samples as a whole cannot be used: too few, mixed up, or masks that do not match."""


class ConfigError(BlemishError):
    """A configuration field or command-line value is unknown or out of range."""


class WeightsError(BlemishError):
    """ImageNet weights for a backbone are not there or do not fit it."""


class ModelFileError(BlemishError):
    """A model file is not one of ours, is damaged, or comes from a newer version."""


class CheckpointError(BlemishError):
    """A checkpoint is damaged or belongs to another run."""


class Interrupted(BlemishError):
    """The user stopped a run; the message says what is left of it and how to go on."""


@contextmanager
def explained(
    kind: type[BlemishError], sentence: Callable[[str], str], *caught: type[Exception]
) -> Iterator[None]:
    """Turn what the system or a library raises into one sentence for the user.

    Args:
        kind: what is raised instead.
        sentence: from the reason, one line without a full stop, to the message.
        caught: the exceptions meant; none stands for all. A BlemishError passes as it is.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, BlemishError) or not isinstance(error, caught or Exception):
            raise
        raise kind(sentence(reason_of(error))) from error


def reason_of(error: BaseException) -> str:
    """What an exception says, in one line without a full stop."""
    lines = (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip().splitlines()
    return str(lines[0]).rstrip(".")
