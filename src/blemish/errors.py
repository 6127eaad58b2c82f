"""Errors that a user can cause and mend. The command line prints them as one sentence and exits with 2."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches

LIKENESS = 0.7  # of names, for `difflib`: less, and unlike ones are suggested


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


def choice(given: str, known: Collection[str]) -> str:
    """The end of a sentence on a name that is not there: those that look like it, or all there are."""
    return suggestion(nearest(given, known)) or f"choose one of: {', '.join(known)}."


def suggestion(near: Sequence[str]) -> str:
    """ "did you mean a, b or c?", "" for no names."""
    return f"did you mean {' or '.join(filter(None, [', '.join(near[:-1]), near[-1]]))}?" if near else ""


def nearest(given: str, known: Collection[str]) -> list[str]:
    """Up to three names that look like this one in upper or lower case, or else hold it."""
    names, given = {name.lower(): name for name in known}, given.lower()
    near = get_close_matches(given, names, cutoff=LIKENESS)
    if not near and len(given) > 2:
        near = [name for name in names if given in name][:3]
    return [names[name] for name in near]
