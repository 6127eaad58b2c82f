"""Health, also while a part does not answer at all."""

import threading

import pytest

from blemish.station import health
from blemish.station.health import Monitor
from tests.station.support import until


def test_a_part_that_hangs_is_trouble_until_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "SECONDS", 0.02)
    monkeypatch.setattr(health, "HANGING", 0.2)
    answers = threading.Event()
    answers.set()
    monitor = Monitor({"disk": lambda: answers.wait(10) and None}, {"model": lambda: ""})
    monitor.start()
    assert monitor.health().status == "ok" and monitor.problem() == ""
    answers.clear()
    until(monitor.problem)
    assert monitor.problem() == "The disk has not answered for 0 s; see to it."
    assert monitor.health().status == "down"
    answers.set()
    until(lambda: monitor.problem() == "")
    monitor.stop()
