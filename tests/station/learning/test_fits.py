"""Fits of new models: what they learn from, how they end, and that the model in use stays until told."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from blemish.errors import BlemishError
from blemish.extras import install_command
from blemish.station.errors import Conflict
from blemish.station.learning import fits
from blemish.station.learning.candidate import Order
from blemish.station.learning.fits import split
from blemish.station.records import Author, Verdict
from blemish.station.schemas import Comparison, Fit
from blemish.station.settings import Settings
from blemish.station.station import Station
from tests.station.learning.support import inspect
from tests.station.support import grey_onnx, until

GOOD, DEFECT = Verdict.GOOD, Verdict.DEFECT
COMPARED = Comparison(sentences=["They judge every picture alike."], differ=[])


class Process:
    """Stands in for the process: it ends with `outcome` once it is let, and writes a model."""

    outcome: Any = COMPARED
    latest: "Process"

    def __init__(self, function: Any, order: Order, *, tell: Any, **_: Any) -> None:
        Process.latest, self.order, self.tell = self, order, tell
        self.process, self.ended, self.stopped = self, Event(), False

    def wait(self) -> Any:
        self.tell(10, "Reading images: 1 of 2")
        self.ended.wait(10)
        if self.stopped:
            raise KeyboardInterrupt
        self.order.out.write_bytes(grey_onnx(2.0, rate=0.1))
        return self.outcome

    def stop(self) -> None:
        self.stopped = True
        self.ended.set()

    def kill(self) -> None:
        """It has ended."""


@pytest.fixture
def station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    """It fits in no process, and its own models have a rate of 5 %."""
    monkeypatch.setattr(fits, "WorkProcess", Process)
    monkeypatch.setattr(Process, "outcome", COMPARED)
    (tmp_path / "grey.onnx").write_bytes(grey_onnx())
    it = Station(Settings(model=tmp_path / "grey.onnx", folder=tmp_path, false_alarm_rate=0.05))
    yield it
    it.fits.close()
    it.close()


def ended(station: Station) -> Fit:
    """The latest fit, once it has ended by itself."""
    Process.latest.ended.set()
    until(lambda: station.fits.all(station.default)[0].state != "running")
    return station.fits.all(station.default)[0]


def test_half_of_the_good_ones_is_learned_from_the_same_in_every_fit(station: Station) -> None:
    recipe = station.default
    for number in range(40):
        inspect(recipe, 1.0, said=GOOD, image=b"good %d" % number)
    bad = inspect(recipe, 9.0, said=DEFECT, image=b"bad")
    for said in (GOOD, DEFECT):
        inspect(recipe, 5.0, said=said, image=b"called both")
    inspect(recipe, 5.0, said=GOOD)  # its file is gone
    inspect(recipe, None, said=GOOD, image=b"no score")
    inspect(recipe, 5.0, image=b"nobody judged")
    latest = inspect(recipe, 1.0, said=GOOD, image=b"good 0")
    learn, others = split(recipe)
    assert all(int(str(one.image), 16) % 2 and one.feedback == GOOD for one in learn) and 10 < len(learn) < 30
    assert len(learn) + len(others) == 41 and [one.id for one in others if one.feedback == DEFECT] == bad
    assert latest[0] in [one.id for one in [*learn, *others]]
    station.fits.start(recipe)
    order = Process.latest.order
    assert {path.name for path in order.learn} == {one.image for one in learn}
    assert {number for number, (_, is_defective) in order.compare.items() if is_defective} == set(bad)
    inspect(recipe, 1.0, said=GOOD, image=b"one more")
    assert {one.id for one in learn} <= {one.id for one in split(recipe)[0]}


def test_a_finished_model_can_be_used_and_the_old_one_again(station: Station) -> None:
    recipe = station.default
    before = recipe.models.active
    assert station.fits.all(recipe) == []
    begun = station.fits.start(recipe)
    assert (begun.number, begun.model, begun.in_use, begun.state) == (
        1,
        "grey-fit-1.onnx",
        "grey.onnx",
        "running",
    )
    until(lambda: station.fits.all(recipe)[0].message == "Reading images: 1 of 2")
    assert Process.latest.order.calibrated == before.calibrated
    with pytest.raises(Conflict, match=r"grey-fit-1\.onnx is being fitted; wait for it, or stop it"):
        station.fits.start(recipe)
    assert [state.name for state in recipe.models.states()] == ["grey.onnx"]
    fit = ended(station)
    assert (fit.state, fit.message, fit.comparison) == ("finished", "", COMPARED)
    assert recipe.models.active is before
    recipe.models.use("grey-fit-1.onnx", Author("anna", "sharper"))
    assert recipe.models.active.calibrated.false_alarm_rate == 0.1  # that of the fit, not of the settings
    (line,) = recipe.changes(1)
    assert (line.who, line.why, line.before) == ("anna", "sharper", str(before))
    assert line.after == str(recipe.models.active)
    recipe.models.use("grey.onnx")
    assert recipe.models.active.fingerprint == before.fingerprint
    assert recipe.models.active.calibrated == before.calibrated
    assert station.fits.start(recipe).model == "grey-fit-2.onnx"


def test_a_fit_that_fails_says_why_and_leaves_no_model(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Process, "outcome", BlemishError("There is no room."))
    station.fits.start(station.default)
    fit = ended(station)
    assert (fit.state, fit.message) == ("failed", "There is no room.")
    assert [state.name for state in station.default.models.states()] == ["grey.onnx"]


def test_a_fit_is_stopped(station: Station) -> None:
    station.fits.stop(station.default)  # nothing runs
    station.fits.start(station.default)
    station.fits.stop(station.default)
    assert ended(station).message == "It was stopped."
    assert station.fits.start(station.default).number == 2


def test_what_the_end_of_the_station_interrupted_is_told_so(station: Station) -> None:
    station.fits.start(station.default)
    station.fits.close()
    (fit,) = fits.Fits(station.settings).all(station.default)
    assert fit.state == "failed" and fit.message.startswith("The station ended before it was finished")
    record = station.default.models.fits / "1" / "fit.json"
    assert json.loads(record.read_text())["state"] == "running"


def test_without_pytorch_it_is_a_sentence(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fits, "find_spec", lambda name: None)
    with pytest.raises(Conflict, match=f"Fitting needs PyTorch: {re.escape(install_command('train'))}"):
        station.fits.start(station.default)
    assert station.fits.all(station.default) == []
