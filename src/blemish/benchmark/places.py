"""Where tasks are done, and with what."""

from dataclasses import dataclass

LOCAL = "local"


@dataclass(frozen=True)
class Places:
    """Where the work is done, and with what.

    Attributes:
        on: "local", or what `blemish.cluster.connected` takes.
        workers: trainings at once on this machine; None is one per `cpus` cores. A cluster that is joined
            decides itself.
        cpus: cores of each training; the last digits of results depend on it.
        gpus: GPUs of each training on Ray; None is one where there are any.
    """

    on: str = LOCAL
    workers: int | None = None
    cpus: int = 1
    gpus: float | None = None


HERE = Places()
