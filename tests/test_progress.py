"""Sentences and bars are for people who look, unless they have said otherwise."""

import logging
import subprocess
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from blemish.progress import LOGGER, progress_bar, show_messages, show_messages_to_people

SCRIPT = """
import logging, sys
sys.stderr.isatty = lambda: {terminal}
{setup}
from blemish.progress import progress_bar, show_messages_to_people
show_messages_to_people()
log = logging.getLogger("blemish.training.fit")
log.info("A remark.")
log.warning("A caution.")
with progress_bar("Fitting", 2) as advance:
    advance(note="half")
    advance()
"""


def test_a_closed_standard_error_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    show_messages_to_people()
    show_messages()
    LOGGER.warning("A caution.")
    with progress_bar("Fitting", 2) as advance:
        advance()
    assert capsys.readouterr().out == ""


def test_who_asks_for_debug_messages_is_told_how_far_it_is(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "blemish"), progress_bar("Fitting", 40, done=2) as advance:
        for _ in range(30):
            advance()
    assert caplog.messages == ["Fitting: 3 of 40"]  # at once, and then every second


MINE = "logging.basicConfig({}format='mine: %(message)s')"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("terminal", "setup", "told"),
    [
        (True, "", ["A remark.", "A caution."]),
        (False, "", ["A caution."]),
        (False, "sys.modules['ipykernel'] = sys", ["A remark.", "A caution."]),
        (True, MINE.format(""), ["mine: A caution."]),
        (True, MINE.format("level=20, "), ["mine: A remark.", "mine: A caution."]),
        (True, "logging.getLogger('blemish').setLevel(logging.ERROR)", []),
        (True, "from blemish.cli.options import show; show(quiet=True)", []),
        (False, "from blemish.cli.options import show; show(quiet=False)", ["A remark.", "A caution."]),
    ],
)
def test_what_a_script_sees(terminal: bool, setup: str, told: list[str]) -> None:
    script = SCRIPT.format(terminal=terminal, setup=setup)
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == ""
    assert [line for line in done.stderr.splitlines() if line.endswith(".")] == told


@pytest.mark.parametrize(
    ("level", "terminal"), [(logging.INFO, True), (logging.ERROR, True), (logging.INFO, False)]
)
def test_a_bar_is_drawn_where_people_look_and_may_see_it(
    level: int, terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn: list[object] = []
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    monkeypatch.setattr("rich.progress.Progress.update", lambda self, task, **of: drawn.append(of))
    LOGGER.setLevel(level)
    with progress_bar("Fitting", 3, done=1) as advance:
        advance()
        advance(2, note="end")
    seen = level == logging.INFO and terminal
    assert drawn == [{"advance": 1, "note": ""}, {"advance": 2, "note": "end"}] * seen
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("widgets", [None, ModuleSpec("ipywidgets", None)])
def test_a_notebook_draws_bars_where_it_has_widgets(
    widgets: ModuleSpec | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[object] = []
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    monkeypatch.setattr("blemish.progress.find_spec", lambda name: widgets)
    monkeypatch.setattr("rich.progress.Progress.update", lambda self, task, **of: drawn.append(of))
    LOGGER.setLevel(logging.INFO)
    with progress_bar("Fitting", 2) as advance:
        advance()
    assert len(drawn) == bool(widgets)


def test_sentences_are_shown_once_on_whatever_is_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    show_messages()
    show_messages()
    logging.getLogger("blemish.images").info("A remark.")
    assert capsys.readouterr().err == "A remark.\n"
    show_messages(logging.ERROR)
    logging.getLogger("blemish.images").warning("A caution.")
    assert capsys.readouterr().err == ""
