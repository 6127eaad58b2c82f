"""blemish serve"""

import inspect
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from blemish.cli.app import app
from blemish.errors import BlemishError

EPILOG = """\b
Examples:
  blemish serve parts.onnx
  blemish serve parts.onnx --watch camera/ --move-to done/ --keep-days 30
  blemish serve --recipes line.toml
  blemish serve --config station.toml --check
  blemish serve parts.onnx --host 0.0.0.0 --token-file token --tls-certificate cert.pem --tls-key key.pem

\b
Every option may stand in --config too (keep_days = 30) or in the environment (BLEMISH_KEEP_DAYS=30). An
option is stronger than the environment, and that than the file.

\b
Exit codes: 0 stopped by Ctrl-C or SIGTERM after all that was accepted was finished, 2 stopped by what the
message names."""
FILE = typer.Option(metavar="FILE.toml", help="Settings, by the names of these options.")
Config = Annotated[Path | None, FILE]
Check = Annotated[bool, typer.Option("--check", help="See whether it can start, and stop.")]
METAVARS: dict[Any, str] = {Path: "PATH", int: "N", float: "NUMBER"}


@app.command(
    add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def serve(ctx: typer.Context) -> None:
    """Inspect images as they arrive, with a page and an HTTP API."""
    try:
        from blemish.station.settings import Settings, load_settings
        from blemish.station.web.server import serve as run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("blemish"):
            raise
        from blemish.extras import install_command

        raise BlemishError(f"The station needs more packages: {install_command('serve')}.") from error

    def command(*, config: Config = None, check: Check = False, **options: Any) -> None:
        run(load_settings(config, **options), check=check)

    parameters = list(inspect.signature(command).parameters.values())[:2]
    for name, field in Settings.model_fields.items():  # an option for each; they check the values themselves
        given: Any = typer.Argument(metavar=name.upper(), help=field.description)
        if name != "model":
            kind: Any = next(iter(get_args(field.annotation)), field.annotation)  # of `Path | None` too
            kind = getattr(kind, "__origin__", kind)  # without its constraints
            default = f" [default: {field.default}]" if field.default else ""
            option, metavar = f"--{name.replace('_', '-')}", METAVARS.get(kind, "TEXT")  # not --no-... too
            given = typer.Option(option, metavar=metavar, help=f"{field.description}{default}")
        parameter = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
        flag = field.annotation is bool
        parameters.append(parameter.replace(annotation=Annotated[bool if flag else str | None, given]))
    command.__doc__ = serve.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    parser = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=app.info.context_settings,
    )
    parser.command(epilog=EPILOG)(command)
    parser(ctx.args, prog_name=ctx.command_path)
