"""Where results are kept: one row each, in any database that SQLAlchemy reaches, a SQLite file by default."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blemish.benchmark.fingerprint import code_version
from blemish.benchmark.measured import Measured
from blemish.benchmark.tasks import Task
from blemish.errors import BlemishError

try:
    from sqlalchemy import (
        JSON,
        Column,
        DateTime,
        Float,
        Integer,
        MetaData,
        String,
        Table,
        create_engine,
        select,
    )
    from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
    from sqlalchemy.schema import CreateTable
except ImportError as error:
    raise BlemishError('Keeping results needs SQLAlchemy: pip install "blemish[benchmark]".') from error

_results = Table(
    "results",
    MetaData(),
    Column("fingerprint", String(64), primary_key=True),
    Column("fit", String(64), nullable=False),
    Column("code", String(64), nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("method", String(64), nullable=False),
    Column("data", String(64), nullable=False),
    Column("category", String(255), nullable=False),
    Column("seed", Integer, nullable=False),
    Column("config", JSON, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("scores", JSON, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("curve", JSON, nullable=False),
    Column("fit_seconds", Float, nullable=False),
    Column("score_seconds", Float, nullable=False),
    Column("facts", JSON, nullable=False),
)
AT_ONCE = 200  # keys in one question
SECONDS_TO_WAIT = 60  # for others that write to the same SQLite file


class Store:
    """Results by fingerprint. Several programs may use one at once.

    Args:
        place: a database URL such as "postgresql://user@host/name", or the path of a SQLite file, which is
            made if need be.

    Raises:
        BlemishError: it cannot be opened, or holds something else.
    """

    def __init__(self, place: str | Path) -> None:
        url = str(place) if "://" in str(place) else f"sqlite:///{Path(place).resolve()}"
        try:
            patience = {"connect_args": {"timeout": SECONDS_TO_WAIT}} if url.startswith("sqlite") else {}
            self._engine = create_engine(url, **patience)
        except (ArgumentError, SQLAlchemyError, ImportError) as error:
            raise BlemishError(
                f"--store is a file or a database URL that SQLAlchemy reads, and cannot be used: {error}."
            ) from None
        self.name = self._engine.url.render_as_string(hide_password=True)
        with self._talking(), self._engine.begin() as connection:
            connection.execute(CreateTable(_results, if_not_exists=True))

    def read(self, tasks: Sequence[Task]) -> list[Measured | None]:
        """The result of each task, None where there is none yet.

        Raises:
            BlemishError: the database cannot be read.
        """
        keys = list({task.fingerprint for task in tasks})
        found: dict[str, Any] = {}
        with self._talking(), self._engine.connect() as connection:
            for start in range(0, len(keys), AT_ONCE):
                asked = _results.c.fingerprint.in_(keys[start : start + AT_ONCE])
                for row in connection.execute(select(_results).where(asked)).mappings():
                    found[row["fingerprint"]] = row
        return [
            _measured(task, found[task.fingerprint]) if task.fingerprint in found else None for task in tasks
        ]

    def add(self, tasks: Iterable[Task], answer: dict[str, Any]) -> None:
        """Keep what a job has measured; each result is written whole or not at all, and only once.

        Args:
            tasks: of the job.
            answer: of `blemish.benchmark.job.run_job`.

        Raises:
            BlemishError: the database cannot be written.
        """
        for task in {task.fingerprint: task for task in tasks}.values():
            row = {
                "fingerprint": task.fingerprint,
                "fit": task.fit,
                "code": code_version(),
                "made_at": datetime.now(UTC),
                "method": task.arguments["method"],
                "data": task.data,
                "category": task.category,
                "seed": task.seed,
                "config": task.arguments,
                "curve": answer["curve"],
                "fit_seconds": answer["fit_seconds"],
                "facts": answer["facts"],
            }
            try:
                with self._talking(), self._engine.begin() as connection:
                    connection.execute(_results.insert(), row | answer["results"][task.fingerprint])
            except IntegrityError:
                continue  # somebody else has measured the same

    def close(self) -> None:
        """Give the database's connections back."""
        self._engine.dispose()

    @contextmanager
    def _talking(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise BlemishError(
                f"The results at {self.name} cannot be reached ({reason}); mend it or give another --store."
            ) from None


def _measured(task: Task, row: Any) -> Measured:
    facts = row["facts"] | {"fingerprint": task.fingerprint, "fit": task.fit, "code": row["code"]}
    return Measured(
        row=task.row,
        data=task.data,
        category=task.category,
        seed=task.seed,
        metrics=row["metrics"],
        scores=row["scores"],
        labels=row["labels"],
        curve=row["curve"],
        fit_seconds=row["fit_seconds"],
        score_seconds=row["score_seconds"],
        facts=facts,
    )
