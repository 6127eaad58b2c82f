"""Rows of a prediction as a Parquet file, local or in object storage."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from blemish.errors import BlemishError
from blemish.outputs import writing

if TYPE_CHECKING:
    from blemish.detector import Detector
    from blemish.result import Result

GROUP = 65536  # rows that wait in memory, and then lie together
KEY = "blemish"  # of the file's own metadata


@contextmanager
def parquet_rows(out: str, detector: "Detector") -> Iterator[Callable[["Result"], None]]:
    """Write results as rows: path, score and p_value (float64), is_anomalous (bool), error; null for none.

    The file's metadata have the method, the false-alarm rate and the threshold as JSON under "blemish". Bytes
    of a path that are no UTF-8 become the replacement character.

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
        import pyarrow as pa
        from fsspec.core import url_to_fs
        from pyarrow.parquet import ParquetWriter
    except ImportError as error:
        raise BlemishError('--parquet needs pyarrow and fsspec: pip install "blemish[ray]".') from error
    calibration = detector.calibration
    about = {
        "method": detector.metadata["method"],
        "false_alarm_rate": calibration.false_alarm_rate,
        "threshold": calibration.threshold,
    }
    columns = [("path", pa.string()), ("score", pa.float64()), ("p_value", pa.float64())]
    columns += [("is_anomalous", pa.bool_()), ("error", pa.string())]
    schema = pa.schema(columns, metadata={KEY: json.dumps(about)})
    waiting: list[dict[str, Any]] = []

    def write(result: "Result") -> None:
        path = os.fsencode(result.path).decode("utf-8", "replace")
        waiting.append({**result.to_row(), "path": path, "error": result.error or None})
        if len(waiting) == GROUP:
            write_group()

    def write_group() -> None:
        writer.write_table(pa.Table.from_pylist(waiting, schema))
        waiting.clear()

    try:
        system, target = url_to_fs(out)
    except (ImportError, ValueError) as error:  # a storage whose package is missing, or that nobody knows
        raise BlemishError(f"{out} cannot be written ({error}); choose another place.") from error
    with writing(out):
        if system.isdir(target):
            raise BlemishError(f"{out} is a folder; name a file to write.")
        file = system.open(f"{target}.part", "wb")
    with file, ParquetWriter(file, schema) as writer:
        yield write
        with writing(out):
            write_group()
            writer.close()
            file.close()
            system.mv(f"{target}.part", target)
