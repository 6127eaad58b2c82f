"""The one place where Ray is started or joined."""

import logging
import math
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from blemish.errors import ConfigError, explained
from blemish.extras import install_command

OBJECT_STORE = 512 * 2**20  # bytes at most of a Ray that is started here; a model file must fit
SECONDS_TO_ANSWER = 5


@contextmanager
def connected(on: str, *, cpus: int | None = None) -> Iterator[None]:
    """Have Ray to work with, and leave it afterwards; one that was started here ends.

    A connection that this program already has is used and kept.

    Args:
        on: "ray" joins the cluster that the environment variable RAY_ADDRESS names, or starts Ray on this
            machine; "ray://host:port" joins a cluster through its Ray Client server.
        cpus: cores of a Ray that is started here; None takes all.

    Raises:
        ConfigError: `on` is neither, Ray or pyarrow is not installed, or nobody answers.
    """
    address = _address(on)
    try:
        import pyarrow  # noqa: F401 (Ray itself comes without it)
        import ray.data
    except ImportError as error:
        raise ConfigError(f"--on {on} needs Ray and pyarrow: {install_command('ray')}.") from error
    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        options |= {"address": "local", "num_cpus": cpus, "include_dashboard": False}
        options["object_store_memory"] = OBJECT_STORE
    else:
        _check_answer(address)
        options["address"] = address
    unusable = explained(  # Ray's own exceptions, gRPC's, those of the system
        ConfigError,
        lambda reason: (
            f"Ray at {address or 'this machine'} cannot be used ({reason}); it needs the Python and Ray "
            "versions of this environment, and its token where it asks for one."
        ),
    )
    with unusable, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the connection timed out, which the error says too
        ray.init(**options)
    try:
        yield
    finally:
        ray.shutdown()


def machines() -> list[dict[str, float]]:
    """What each machine of the cluster has in all: "CPU", "GPU" and more."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def room(cpus: int, gpus: float) -> int:
    """How many workers of so many cores and GPUs fit on the machines of the cluster, one by one."""
    return sum(
        int(min(machine.get("CPU", 0) // cpus, machine.get("GPU", 0) // gpus if gpus else math.inf))
        for machine in machines()
    )


def _address(on: str) -> str | None:
    """What Ray is to join; None starts it here."""
    if on == "ray":
        address = os.environ.get("RAY_ADDRESS", "").strip()
        return None if address in ("", "local") else address
    try:
        parts = urlsplit(on)
        whole = parts.scheme == "ray" and bool(parts.hostname) and parts.port is not None
    except ValueError:  # a port that is no number
        whole = False
    if not whole or parts.netloc != on.removeprefix("ray://"):
        raise ConfigError(f"--on is ray or ray://host:port, not {on!r}; the port is usually 10001.")
    return on


def _check_answer(address: str) -> None:
    """Refuse a place where nobody listens; Ray itself would wait for minutes."""
    try:
        parts = urlsplit(address if "://" in address else f"ray://{address}")
        place = (parts.hostname, parts.port)
    except ValueError as error:
        raise ConfigError(f"RAY_ADDRESS is host:port or ray://host:port, not {address!r}.") from error
    if None in place:
        return  # such as RAY_ADDRESS=auto, which Ray resolves and refuses at once
    unreachable = explained(
        ConfigError,
        lambda reason: f"Nobody answers at {address} ({reason}); check the address, or start Ray there.",
        OSError,
    )
    with unreachable:
        socket.create_connection((parts.hostname, parts.port), SECONDS_TO_ANSWER).close()
