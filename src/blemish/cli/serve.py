"""blemish serve"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from blemish.cli.app import app
from blemish.cli.options import EngineName, Rate, Threads


@app.command(
    epilog="""\b
Examples:
  blemish serve parts.onnx
  blemish serve parts.onnx --watch camera/ --move-to done/ --keep-days 30
  blemish serve --config station.toml --check
  blemish serve parts.onnx --host 0.0.0.0 --token-file token --tls-certificate cert.pem --tls-key key.pem

\b
Every option may stand in --config too (keep_days = 30) or in the environment (BLEMISH_KEEP_DAYS=30). An
option is stronger than the environment, and that than the file.

\b
Exit codes: 0 stopped by Ctrl-C or SIGTERM after all that was accepted was finished, 2 stopped by what the
message names.
"""
)
def serve(
    model: Annotated[
        Path | None, typer.Argument(metavar="MODEL", help="A model file; .onnx from export is best.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Settings, by the names of these options.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Look whether all is in order, change nothing, and stop.")
    ] = False,
    models: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Further model files, to choose from in the page.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where images, maps and the database are kept. [default: station]"),
    ] = None,
    store: Annotated[
        str | None, typer.Option(metavar="URL", help="Database. [default: a SQLite file in --folder]")
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on; others than 127.0.0.1 need a token. [default: 127.0.0.1]"),
    ] = None,
    port: Annotated[int | None, typer.Option(help="0 is any free one. [default: 8000]")] = None,
    token: Annotated[
        str | None,
        typer.Option(help="Whoever has it may use the station. Other users here can see it: use the next."),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Holds the token; or set BLEMISH_TOKEN.")
    ] = None,
    tls_certificate: Annotated[
        Path | None, typer.Option(metavar="FILE.pem", help="For https, with --tls-key.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE.pem", help="The certificate's key, without a password.")
    ] = None,
    watch: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Inspect the images that appear in this folder.")
    ] = None,
    move_to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where they go then. [default: they stay]")
    ] = None,
    settle: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Take a file when it has not changed for so long. [default: 1]"),
    ] = None,
    keep_days: Annotated[
        float | None,
        typer.Option(help="Delete images nobody has judged after so many days. [default: never]"),
    ] = None,
    keep_gb: Annotated[
        float | None, typer.Option(help="Delete the oldest of them beyond this many gigabytes.")
    ] = None,
    min_free_gb: Annotated[
        float | None, typer.Option(help="Accept nothing with less free on the disk. [default: 0.5]")
    ] = None,
    false_alarm_rate: Rate = None,
    engine: EngineName = None,
    threads: Threads = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="auto|cpu|cuda|tensorrt|gpu", help="As for predict. [default: auto]"),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images scored at once. [default: 8]")] = None,
    max_wait: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="An image waits so long for others to join. [default: 0.02]"),
    ] = None,
    queue_size: Annotated[
        int | None, typer.Option(help="Images accepted and unfinished at most. [default: 64]")
    ] = None,
    max_upload: Annotated[
        int | None, typer.Option(metavar="BYTES", help="Of one request, at most. [default: 64000000]")
    ] = None,
    max_pixels: Annotated[int | None, typer.Option(help="Of one image, at most. [default: 50000000]")] = None,
    max_images: Annotated[int | None, typer.Option(help="Of one request, at most. [default: 64]")] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="For a request to arrive, and again to be answered. [default: 30]"
        ),
    ] = None,
) -> None:
    """Inspect images as they arrive, with a page and an HTTP API."""
    options: dict[str, Any] = {
        name: value for name, value in locals().items() if name not in ("config", "check")
    }
    from blemish.errors import BlemishError

    try:
        from blemish.station.check import check as check_all
        from blemish.station.settings import load_settings
        from blemish.station.web.server import serve as run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("blemish"):
            raise
        raise BlemishError('The station needs more packages: pip install "blemish[serve]".') from error

    settings = load_settings(config, **options)
    if not check:
        run(settings, lambda sentence: print(f"{sentence} (Ctrl-C stops it).", file=sys.stderr, flush=True))
        return
    findings = check_all(settings)
    for finding in findings:
        print(finding)
    if any(finding.problem for finding in findings):
        raise typer.Exit(2)
