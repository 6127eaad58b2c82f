"""Numbers and times as the station's pages say them."""

from datetime import datetime

from blemish.station.records import Source

SOURCES = {Source.API: "by the API", Source.PAGE: "by this page", Source.WATCH: "from the watched folder"}


def moment(time: datetime) -> str:
    """A time in the station's time zone: "14:03:22" today, else "31 Mar 2026, 14:03"."""
    local = time.astimezone()
    if local.date() == datetime.now().astimezone().date():
        return f"{local:%H:%M:%S}"
    return f"{local.day} {local:%b %Y, %H:%M}"


def full_moment(time: datetime) -> str:
    """The same with everything: "31 Mar 2026, 14:03:22 CET"."""
    local = time.astimezone()
    return f"{local.day} {local:%b %Y, %H:%M:%S %Z}"


def zone() -> str:
    """The station's time zone: "CET"."""
    return f"{datetime.now().astimezone():%Z}"


def chance(p_value: float, images: int | None) -> str:
    """A p-value in words.

    Args:
        p_value: in (0, 1].
        images: scores in the calibration that gave it; None when that is not known.
    """
    if images and p_value <= 1 / (images + 1):
        return (
            f"None of the {images} good calibration images looks this unusual: "
            f"at most about 1 in {images + 1} good images does."
        )
    if p_value > 0.1:
        return f"About {100 * p_value:.0f}\u00a0% of good images look at least this unusual."
    return f"About 1 in {round(1 / p_value)} good images looks at least this unusual."


def score(value: float, beside: float | None = None) -> str:
    """A score with three digits: "3.80"; with more where it would read like another one that it is not."""
    for digits in range(3, 18):
        text, other = (f"{number:#.{digits}g}" for number in (value, value if beside is None else beside))
        if text != other or value == beside or beside is None:
            break
    return text.rstrip(".")


def several(count: int, one: str) -> str:
    """A count with its noun: "1 image", "1,204 images"."""
    return f"{count:,} {one if count == 1 else one + 's'}"
