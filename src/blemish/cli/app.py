"""The program: its commands are the other files of this folder."""

import sys

import typer

from blemish.errors import BlemishError, Interrupted

app = typer.Typer(
    name="blemish",
    help="Finds defects in pictures after seeing only good ones.",
    epilog="A first run: blemish demo. Your own images: blemish fit good/ --out parts.safetensors, "
    "then blemish predict parts.safetensors new/ --overlays out/.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def main() -> None:
    """Run the command line. What the user can mend is one sentence and exit code 2; Ctrl-C exits with 1."""
    try:
        app()
    except Interrupted as stop:
        _fail(str(stop), 1)
    except BlemishError as error:
        _fail(f"blemish: {error}", 2)
    except OSError as error:
        _fail(f"blemish: {error.filename or 'A file'} cannot be used: {error.strerror or error}.", 2)
    except SystemExit as end:
        if end.code == 130:  # the command-line library's code for Ctrl-C
            _fail("Stopped.", 1)
        raise


def _fail(message: str, code: int) -> None:
    from blemish.training.checks import process_rank

    if sys.argv[1:2] != ["fit"] or process_rank() == 0:  # processes that fit one model have one voice
        print(message, file=sys.stderr)
    sys.exit(code)
