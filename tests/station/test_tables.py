"""The tables that a fresh database gets, and those of an older or another one."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from blemish.errors import BlemishError
from blemish.station.records import Filter
from blemish.station.storage.database import Database
from blemish.station.storage.store import Store
from blemish.station.storage.tables import metadata
from tests.station.test_store import new

pytest_plugins = ["tests.station.databases"]


def test_a_fresh_database_has_the_tables_that_the_code_means(database_url: str) -> None:
    database = Database(database_url)
    with database.transaction() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def test_a_second_start_finds_everything(database_url: str) -> None:
    first = Store(database_url)
    first.add([new(1)])
    first.close()
    second = Store(database_url)
    assert second.count(Filter()) == 1 and second.add([new(2)])[0].id == 2
    second.check()
    second.close()


def test_an_older_database_is_brought_up_to_date(database_url: str) -> None:
    database = Database(database_url)
    with database.transaction(writing=True) as connection:
        connection.execute(text("DROP INDEX ix_inspections_model"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        assert compare_metadata(MigrationContext.configure(connection), metadata) != []
    database.close()
    newer = Database(database_url)
    with newer.transaction() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    newer.close()


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "revision 9999, which this version of Blemish"),
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
