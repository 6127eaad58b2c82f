"""Errors that a user can cause and mend. The command line prints them as one sentence and exits with 2."""


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
