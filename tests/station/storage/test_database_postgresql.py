"""Databases that are named wrongly, a PostgreSQL server that is away, a table of it that is locked."""

from typing import Any

import pytest

from blemish.errors import BlemishError
from blemish.station.errors import Unavailable
from blemish.station.storage import database
from blemish.station.storage.store import Store
from tests.station.storage.support import add, names


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:////no/such/folder/station.sqlite",
        "mysql://user:secret@host/name",
        "postgresql://user:secret@host:port/name",
        "nonsense",
        "",
    ],
)
def test_urls_that_cannot_be_used(url: str) -> None:
    with pytest.raises(BlemishError) as error:
        Store(url)
    assert "secret" not in str(error.value) and str(error.value).endswith(".")


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(Unavailable, match=r"postgresql\+psycopg://user:\*\*\*@.* cannot be used") as error:
        Store("postgres://user:secret@127.0.0.1:9/name?application_name=secret")
    assert "secret" not in str(error.value)


def test_a_server_that_went_away_and_came_back(postgresql: Any, postgresql_url: str) -> None:
    store = Store(postgresql_url)
    add(store, "first")
    postgresql.stop()
    try:
        for ask in (store.database.check, lambda: add(store, "never"), lambda: names(store)):
            with pytest.raises(Unavailable, match="cannot be used"):
                ask()
    finally:
        postgresql.start()
    store.database.check()
    add(store, "second")
    assert names(store) == ["first", "second"]
    store.close()


def test_a_locked_table(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PATIENCE", 1.0)
    psycopg = pytest.importorskip("psycopg")
    store = Store(postgresql_url)
    add(store, "first")
    with store.database.transaction() as connection:
        found = [
            connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("lock_timeout", "synchronous_commit")
        ]
    assert found == ["1s", "on"]
    with psycopg.connect(postgresql_url) as other:
        other.execute("LOCK TABLE inspections")
        with pytest.raises(Unavailable, match="lock timeout"):
            add(store, "never")
    add(store, "second")
    assert names(store) == ["first", "second"]
    store.close()
