"""Files that take their name once they are complete."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import IO

from blemish.errors import BlemishError
from blemish.urls import is_url


def check_outputs(csv_file: Path | None, jsonl_file: Path | None, parquet_file: str | None) -> None:
    """Refuse before anything slow what could only fail later.

    Raises:
        BlemishError: two outputs are one file, or one is a folder or in a folder that is not there.
    """
    parquet = Path(parquet_file.removeprefix("file://")) if parquet_file else None
    named = {"--csv": csv_file, "--jsonl": jsonl_file, "--parquet": parquet}
    files = {option: file.resolve() for option, file in named.items() if file is not None}
    for (option, file), (other, another) in combinations(files.items(), 2):
        if file == another:
            raise BlemishError(f"{option} and {other} both name {file}; give two files.")
    local = [csv_file, jsonl_file, None if is_url(parquet_file or "") else parquet]
    for path in filter(None, local):
        if path.is_dir():
            raise BlemishError(f"{path} is a folder; name a file to write.")
        if not path.parent.is_dir():
            raise BlemishError(f"{path} cannot be written (there is no folder {path.parent}); make it first.")


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """A text file that takes its name once it is complete; devices and pipes are written to directly."""
    special = path.exists() and not path.is_file()
    target = path if special else path.with_name(path.name + ".part")
    with writing(path):
        # file names that are not UTF-8 go out as they came in
        file = target.open("w", encoding="utf-8", errors="surrogateescape", newline="")
    try:
        yield file
    finally:
        with writing(path):
            file.close()
    if not special:
        with writing(path):
            target.replace(path)


@contextmanager
def writing(output: Path | str) -> Iterator[None]:
    """Turn what the system says while writing to an output into one sentence that names it."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever read has enough: the command line ends without a word
    except OSError as error:
        raise BlemishError(
            f"{output} cannot be written ({error.strerror or error}); make room or choose another place."
        ) from error
