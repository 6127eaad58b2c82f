"""The program: its commands are the other files of this folder."""

import io
import os
import signal
import sys
from typing import Annotated

import typer

from blemish import __version__
from blemish.errors import BlemishError, Interrupted
from blemish.files import STANDARD_OUTPUT, writing

app = typer.Typer(
    name="blemish",
    help="Finds defects in pictures after seeing only good ones.",
    epilog="A first run: blemish demo. Your own images: blemish fit good/ --out parts.safetensors, "
    "then blemish predict parts.safetensors new/ --overlays out/.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"blemish {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version.")
    ] = False,
) -> None:
    """Options of the program itself."""


def main() -> None:
    """Run the command line. What the user can mend is one sentence and exit code 2; Ctrl-C exits with 1.

    SIGTERM is taken as Ctrl-C.
    """
    _mend_streams()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        try:
            app()
        finally:
            _flush()
    except Interrupted as stop:
        _fail(str(stop), 1)
    except BlemishError as error:
        _fail(f"blemish: {error}", 2)
    except BrokenPipeError:
        sys.exit(1)  # whoever read has enough
    except OSError as error:
        what = error.filename or "Standard output or a temporary file"
        _fail(f"blemish: {what} cannot be used: {error.strerror or error}.", 2)
    except SystemExit as end:
        if end.code == 130:  # the command-line library's code for Ctrl-C
            _fail("Stopped.", 1)
        raise


def _mend_streams() -> None:
    """Let nothing that cannot be printed, or is closed, end a run."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # it is closed: the next file to be opened would take its place
            os.set_inheritable(os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY), True)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _flush() -> None:
    """Write out what was printed; at the interpreter's end a failure would be no sentence."""
    if sys.stdout is None:
        return
    try:
        with writing(STANDARD_OUTPUT):
            sys.stdout.flush()
    except (BlemishError, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else it fails once more
        raise


def _fail(message: str, code: int) -> None:
    from blemish.training.checks import has_voice

    if sys.argv[1:2] != ["fit"] or has_voice():
        print(message, file=sys.stderr)
    sys.exit(code)
