"""What Ray is joined, and who is named where none is there."""

import re
import sys

import pytest

from blemish.errors import ConfigError
from blemish.extras import install_command
from blemish.inference.cluster import connected, room

pytest.importorskip("ray", reason="the extra blemish[ray] is not installed")


@pytest.mark.parametrize(
    ("on", "address", "words"),
    [
        ("spark", "", "--on is ray or ray://host:port, not 'spark'"),
        ("ray://head", "", "--on is ray or ray://host:port, not 'ray://head'"),
        ("ray://head:x", "", "--on is ray or ray://host:port, not 'ray://head:x'"),
        ("ray://127.0.0.1:1", "", r"Nobody answers at ray://127.0.0.1:1 \(Connection refused\); check the"),
        ("ray", "127.0.0.1:1", r"Nobody answers at 127.0.0.1:1 \(Connection refused\)"),
        ("ray", "head:port", "RAY_ADDRESS is host:port or ray://host:port, not 'head:port'"),
    ],
)
def test_what_cannot_be_joined_is_refused(
    on: str, address: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(ConfigError, match=words), connected(on):
        pass


@pytest.mark.parametrize("package", ["ray", "pyarrow"])
def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=re.escape(install_command("ray"))), connected("ray"):
        pass


def test_room_is_counted_machine_by_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    machines = [{"CPU": 3.0, "GPU": 4.0}, {"CPU": 3.0}, {}]
    nodes = [{"Alive": True, "Resources": machine} for machine in machines]
    gone = {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}
    monkeypatch.setattr("ray.nodes", lambda: [*nodes, gone])
    needs = [(2, 0), (1, 1), (1, 0.5), (4, 0), (1, 5)]
    assert [room(cpus, gpus) for cpus, gpus in needs] == [2, 3, 3, 0, 0]
