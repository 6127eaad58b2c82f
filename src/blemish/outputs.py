"""Files that take their name once they are complete."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from blemish.errors import BlemishError


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """A text file that takes its name once it is complete; devices and pipes are written to directly."""
    if path.is_dir():
        raise BlemishError(f"{path} is a folder; name a file to write.")
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
