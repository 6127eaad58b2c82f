"""What can go wrong while a station runs; the API answers each with its status and sentence."""

from blemish.errors import BlemishError

MEND = "mend that, and the station goes on by itself."
REPLACED = "is not the one that was opened; put that one back, or start the station again to use this one."


class StationError(BlemishError):
    """A request cannot be served; another try may succeed after `retry_after` seconds, or never (None)."""

    status = 500
    retry_after: int | None = None


class Unusable(StationError):
    """What was sent cannot be used: no image, a damaged one, too large a one, a value out of range."""

    status = 422


class NotFound(StationError):
    """There is no such inspection, model or file (any more)."""

    status = 404


class Conflict(StationError):
    """What was asked for does not go with the state of things."""

    status = 409


class TooSlow(StationError):
    """An image was not finished within the time limit."""

    status = 504


class Busy(StationError):
    """As many images are waiting as the station takes."""

    status = 503
    retry_after = 1


class Unavailable(StationError):
    """The store, the disk, the model or a destination cannot be used now; the message says why."""

    status = 503
    retry_after = 5
