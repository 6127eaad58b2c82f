"""Rows of a prediction as a Parquet file, local or in object storage."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from blemish.errors import BlemishError, explained
from blemish.extras import install_command
from blemish.files import whole_file
from blemish.images.urls import is_url, url_to_storage

if TYPE_CHECKING:
    import pyarrow

    from blemish.inference.detector import Detector
    from blemish.inference.result import Result

GROUP = 65536  # rows that wait in memory, and then lie together
KEY = "blemish"  # of the file's own metadata


def row_schema(*, ruled: bool = False) -> "pyarrow.Schema":
    """path (string), score and p_value (float64), is_anomalous and is_other_part (bool), error (string).

    With rules in force verdict and decided_by (string) too.
    """
    import pyarrow as pa

    columns = [("path", pa.string()), ("score", pa.float64()), ("p_value", pa.float64())]
    columns += [("is_anomalous", pa.bool_()), ("is_other_part", pa.bool_()), ("error", pa.string())]
    if ruled:
        columns += [("verdict", pa.string()), ("decided_by", pa.string())]
    return pa.schema(columns)


@contextmanager
def parquet_rows(out: str, detector: "Detector") -> Iterator[Callable[["Result"], None]]:
    """Write results as rows: those of `row_schema`; null for none.

    The file's metadata have the method, the false-alarm rate, the threshold and rules in force as JSON under
    "blemish". Bytes of a path that are no UTF-8 become the replacement character.

    Args:
        out: a file, or a URL that fsspec can write to. It takes its name once it is complete; after a failure
            an unfinished file of that name with .part behind it is left.
        detector: whose results these are.

    Yields:
        What takes each result.

    Raises:
        BlemishError: pyarrow or fsspec is not installed, or the file cannot be written.
    """
    try:
        import fsspec  # noqa: F401
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter
    except ImportError as error:
        raise BlemishError(f"--parquet needs pyarrow and fsspec: {install_command('ray')}.") from error
    calibration = detector.calibration
    about = {
        "method": detector.metadata["method"],
        "false_alarm_rate": calibration.false_alarm_rate,
        "threshold": calibration.threshold,
    }
    if detector.rules is not None:
        about["rules"] = str(detector.rules.rules)
    schema = row_schema(ruled=detector.rules is not None).with_metadata({KEY: json.dumps(about)})
    waiting: list[dict[str, Any]] = []

    def write(result: "Result") -> None:
        waiting.append(result.to_row() | {"path": _text(result.path), "error": _text(result.error) or None})
        if len(waiting) == GROUP:
            write_group()

    def write_group() -> None:
        with _storing(out):
            writer.write_table(pa.Table.from_pylist(waiting, schema))
        waiting.clear()

    place = local_path(out)
    opened = _stored_file(out) if place is None else whole_file(place, "wb", keep_unfinished=True)
    with opened as file, ParquetWriter(file, schema) as writer:
        yield write
        write_group()
        with _storing(out):
            writer.close()


def local_path(out: str) -> Path | None:
    """The file that a name or a file:// URL means; None for another URL."""
    name = out.removeprefix("file://")
    if not name or out.endswith("/"):
        raise BlemishError(f"{out or 'The empty name'} is no regular file; name a Parquet file to write.")
    return None if is_url(name) else Path(name)


@contextmanager
def _stored_file(url: str) -> Iterator[IO[bytes]]:
    """A file in a storage, which takes its name at the end."""
    with _storing(url):
        system, target = url_to_storage(url)
        if url.endswith("/") or (system.exists(target) and not system.isfile(target)):
            raise BlemishError(f"{url} is no regular file; name a Parquet file to write.")
        file = system.open(f"{target}.part", "wb")
    with file:
        yield file
        with _storing(url):
            file.close()
            system.mv(f"{target}.part", target)


def _text(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "replace")


def _storing(out: str) -> AbstractContextManager[None]:
    """Turn whatever a storage library raises into one sentence."""
    return explained(
        BlemishError, lambda reason: f"{out} cannot be written ({reason}); make room or choose another place."
    )
