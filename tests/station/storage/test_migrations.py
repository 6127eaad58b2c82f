"""The tables that a fresh database gets, and those of an older, a newer or another one."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from blemish.errors import BlemishError
from blemish.station.records import Verdict
from blemish.station.schemas import Feedback
from blemish.station.storage import migrations
from blemish.station.storage.database import Database
from blemish.station.storage.store import Store
from blemish.station.storage.tables import metadata
from tests.station.storage.support import MODEL, NOON, new

REVISION_2 = Path(__file__).with_name("revision_0002.sql")
NEXT_STEP = """
from alembic import op
revision, down_revision = "9999", "{head}"
def upgrade():
    op.create_index("ix_of_the_next_step", "models", ["name"])
"""


def differences(database: Database) -> list[object]:
    """Between the tables and those that the code means."""
    with database.transaction() as connection:
        found: list[object] = compare_metadata(MigrationContext.configure(connection), metadata)
    database.close()
    return found


def test_a_fresh_database_has_the_tables_that_the_code_means(database_url: str) -> None:
    assert differences(Database(database_url)) == []


def test_a_database_of_revision_2_opens_with_all_that_is_in_it(tmp_path: Path) -> None:
    file = tmp_path / "station.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(REVISION_2.read_text(encoding="utf-8"))
    store = Store(f"sqlite:///{file}")
    kept = store.get(1)
    assert (kept.received, kept.name, kept.source, kept.score) == (NOON, "part.png", "watch", 1.5)
    assert (kept.feedback, kept.note, kept.is_anomalous) == (Verdict.GOOD, "clean", False)
    assert (kept.is_other_part, kept.verdict, kept.decided_by) == (None, None, None)
    assert (kept.lot, kept.serial) == (None, None)
    assert store.with_key("watch:1") == kept and store.add([new(2, recipe="later", key="x")])[0].id == 2
    assert store.model(MODEL).description == {"method": "gtrans"}
    assert (store.adopt("parts"), store.adopt("others")) == (1, 0)
    assert store.get(1) == kept.model_copy(update={"recipe": "parts", "key": "parts/watch:1"})
    assert (store.get(2).recipe, store.get(2).key) == ("later", "x")
    assert store.calibrations("parts", MODEL)[0].calibration.threshold == 2.5
    store.set_feedback(1, Feedback(note="dirty"))
    with (
        pytest.raises(BlemishError, match="append-only"),
        store.database.transaction(writing=True) as connection,
    ):
        connection.execute(text("DELETE FROM audit"))
    assert differences(store.database) == []


def test_an_older_one_is_upgraded(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Database(database_url).close()
    scripts = tmp_path / "migrations"
    shutil.copytree(Path(migrations.__file__).parent, scripts)
    head = max(path.name[:4] for path in (scripts / "versions").glob("*.py"))
    (scripts / "versions" / "9999_next.py").write_text(NEXT_STEP.format(head=head))
    monkeypatch.setattr(migrations, "SCRIPTS", scripts)
    database = Database(database_url)
    with database.transaction() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == "9999"
        (index,) = inspect(connection).get_indexes("models")
    assert index["name"] == "ix_of_the_next_step"
    database.close()


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE alembic_version SET version_num = '99999'", "revision 99999, which this version of Blemish"),
        ("DROP TABLE alembic_version", "holds something else"),
    ],
)
def test_a_database_of_another_is_refused(database_url: str, statement: str, expected: str) -> None:
    database = Database(database_url)
    with database.transaction(writing=True) as connection:
        connection.execute(text(statement))
    database.close()
    with pytest.raises(BlemishError, match=expected) as error:
        Store(database_url)
    assert database.name in str(error.value)
