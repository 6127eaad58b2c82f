"""What makes a sweep impossible, told before any work is done."""

from collections.abc import Sequence

from blemish.errors import ConfigError
from blemish.experiments.run import LOCAL, Place
from blemish.papers.table import Table

KEEPABLE = ("weights", "maps")


def check_options(
    tables: Sequence[Table],
    cells: Sequence[str],
    categories: Sequence[str],
    seeds: int,
    place: Place,
    keep: Sequence[str],
) -> None:
    """Refuse what no table has and numbers out of range.

    Raises:
        ConfigError: with the first one.
    """
    if seeds < 1:
        raise ConfigError(f"--seeds must be at least 1, not {seeds}; leave it out for one.")
    for name, value in (("cpus", place.cpus), ("workers", place.workers)):
        if value is not None and value < 1:
            raise ConfigError(f"--{name} must be at least 1, not {value}; leave it out.")
    if place.on not in (LOCAL, "ray") and not place.on.startswith("ray://"):
        raise ConfigError(f"--on is local, ray or ray://host:port, not {place.on!r}.")
    if place.on.startswith("ray://") and place.workers is not None:
        raise ConfigError("--workers is for this machine; a cluster runs what it has room for: leave it out.")
    if place.on == LOCAL and place.gpus is not None:
        raise ConfigError("--gpus is for --on ray; leave it out, or give --on ray.")
    for one in keep:
        if one not in KEEPABLE:
            raise ConfigError(f"--keep takes {' or '.join(KEEPABLE)}, not {one!r}.")
    ids = [row.id for table in tables for row in table.rows]
    names = [name for table in tables for section in table.sections for name in section.categories]
    for option, given, known in (("--cells", cells, ids), ("--categories", categories, names)):
        for one in given:
            if one not in known:
                raise ConfigError(
                    f"{option}: there is no {one!r} in {', '.join(table.name for table in tables)}; "
                    f"choose from {', '.join(dict.fromkeys(known))}."
                )
