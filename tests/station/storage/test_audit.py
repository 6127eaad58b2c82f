"""The audit trail: what is in it, and that nothing takes it out again."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from blemish.station.errors import Unavailable
from blemish.station.records import Author, Kind, Verdict
from blemish.station.schemas import AuditQuery, Feedback
from blemish.station.storage import audit
from blemish.station.storage.audit import entries, every_entry, noted
from blemish.station.storage.files import Files
from blemish.station.storage.retention import Retention
from blemish.station.storage.store import Store
from tests.station.storage.support import MODEL, add, new

ANNA = Author("anna", "the light is new")


def test_a_judgement_and_a_threshold_say_who_from_what_to_what_and_why(store: Store) -> None:
    number = add(store, "part.png").id
    store.set_feedback(number, Feedback(feedback=Verdict.GOOD), ANNA)
    store.set_feedback(number, Feedback(feedback=Verdict.GOOD), Author("ben"))  # nothing new
    store.set_feedback(number, Feedback(feedback=Verdict.DEFECT, note="dent"), Author("ben"))
    assert store.get(number).feedback_by == "ben"
    told = [
        (entry.who, entry.subject, entry.before, entry.after)
        for entry in entries(store.database, AuditQuery())
    ]
    subject = f"inspection {number}"
    assert told == [("ben", subject, "good", "defect: dent"), ("anna", subject, "", "good")]
    store.set_feedback(number, Feedback(feedback=None), Author("ben"))
    assert store.get(number).feedback_by is None
    store.add_calibration("parts", MODEL, [1.0, 2.0], 0.01, "the model file")
    store.add_calibration("parts", MODEL, [1.0, 2.0], 0.5, "a rate", ANNA)
    last = entries(store.database, AuditQuery(kind=Kind.THRESHOLD))[0]
    told = (last.who, last.why, last.recipe, last.subject)
    assert told == ("anna", "the light is new", "parts", MODEL[:12])
    assert "1 %, 2 scores, the model file" in last.before and "50 %, 2 scores, a rate" in last.after


def test_lines_are_found_by_kind_person_and_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    since = datetime.now(UTC)
    for number in range(5):
        with noted(store.database, Author(f"user{number % 2}"), Kind.MODEL, "", str(number), "parts"):
            pass
    found = every_entry(store.database, AuditQuery(who="user0"))
    monkeypatch.setattr(audit, "AT_ONCE", 2)
    assert [entry.after for entry in found] == ["4", "2", "0"]
    whole = AuditQuery(kind=Kind.MODEL, since=since, until=since + timedelta(hours=1))
    assert len(list(every_entry(store.database, whole))) == 5
    assert not entries(store.database, AuditQuery(recipe="others"))
    assert not entries(store.database, AuditQuery(until=since)) and not entries(
        store.database, AuditQuery(kind=Kind.USER)
    )


def test_what_fails_is_not_noted(store: Store) -> None:
    with pytest.raises(ValueError), noted(store.database, ANNA, Kind.MODEL, "", "other", "parts"):
        raise ValueError
    assert entries(store.database, AuditQuery()) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET who = 'nobody'",
        "DELETE FROM audit",
        "REPLACE INTO audit SELECT * FROM audit",
        "TRUNCATE audit",
    ],
)
def test_the_database_refuses_to_change_it(store: Store, statement: str) -> None:
    with noted(store.database, ANNA, Kind.MODEL, "", "parts.onnx", "parts"):
        pass
    before = entries(store.database, AuditQuery())
    only = {"REPLACE": "sqlite", "TRUNCATE": "postgresql"}.get(statement.split()[0], store.database.name)
    if not store.database.name.startswith(only):
        pytest.skip("no such statement")
    with (
        pytest.raises(Unavailable, match="append-only"),
        store.database.transaction(writing=True) as connection,
    ):
        connection.execute(text(statement))
    assert entries(store.database, AuditQuery()) == before


def test_it_outlives_the_inspections(store: Store, tmp_path: Path) -> None:
    number = store.add([new(image=None, map=None)])[0].id
    for said in (Verdict.GOOD, None):
        store.set_feedback(number, Feedback(feedback=said), ANNA)
    files = Files(tmp_path / "files")
    assert Retention(store, files, 1, None).run_once(datetime.now(UTC)) == 1
    files.close()
    assert [entry.after for entry in entries(store.database, AuditQuery())] == ["", "good"]
