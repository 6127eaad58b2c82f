"""blemish accept"""

from pathlib import Path
from typing import Annotated

import typer

from blemish.cli import options as opt
from blemish.cli.app import app


@app.command(
    epilog="""\b
Examples:
  blemish accept parts.onnx --golden golden/ --labels people.csv
  blemish accept parts.onnx --golden golden/ --min-found 0.95 --max-false-alarms 0.02 --min-repeatability 1
"""
)
def accept(
    model: opt.Model,
    golden: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Known parts: good/ and a folder for each kind of defect, in these a sub-folder for each "
            "part with several pictures; or a .csv table with the columns path, label and part.",
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="People's labels: columns path or part, person, label (good or defective); repeated rows "
            "are trials.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE.html", help="The page; the numbers go beside it.")
    ] = Path("acceptance.html"),
    min_found: Annotated[
        float | None,
        typer.Option(help="Share of defective parts found: the lower end of its 95 % interval."),
    ] = None,
    max_false_alarms: Annotated[
        float | None,
        typer.Option(help="Share of good parts called defective: the upper end of its 95 % interval."),
    ] = None,
    min_repeatability: Annotated[
        float | None,
        typer.Option(help="Share of repeated parts whose verdict never changed, as it was seen."),
    ] = None,
    min_kappa: Annotated[
        float | None,
        typer.Option(help="Kappa of the inspection against the reference: the lower end of its interval."),
    ] = None,
    false_alarm_rate: opt.Rate = None,
    engine: opt.EngineName = None,
    threads: opt.Threads = None,
    device: opt.Device = "auto",
    quiet: opt.Quiet = False,
) -> None:
    """Prove on known parts that an inspection holds: a page to sign, and limits to gate a release.

    Exit code 1: a limit is not kept; 2: something given cannot be used.
    """
    from blemish.acceptance.limits import Limits, judge
    from blemish.acceptance.measure import measure
    from blemish.acceptance.page import write_acceptance
    from blemish.api import load
    from blemish.datasets.golden import read_golden
    from blemish.errors import BlemishError
    from blemish.files import check_output

    opt.show(quiet)
    if out.suffix.lower() not in (".html", ".htm"):
        raise BlemishError(f"{out} is no name for a page; end it with .html.")
    check_output(out)
    check_output(out.with_suffix(".json"))
    limits = Limits(min_found, max_false_alarms, min_repeatability, min_kappa)
    known = read_golden(golden)
    limits.check(known)
    detector = load(model, engine=engine, threads=threads, device=device, false_alarm_rate=false_alarm_rate)
    acceptance, evaluation = measure(detector, model, known, labels)
    judged = judge(acceptance, limits)
    write_acceptance(acceptance, judged, evaluation, detector, known, out)
    found, alarms = acceptance.found, acceptance.false_alarms
    print(f"Found        {found['count']} of {found['of']} defective parts")
    print(f"False alarms {alarms['count']} of {alarms['of']} good parts")
    for row in judged:
        print(f"{'Kept' if row['kept'] else 'FALLS SHORT'}: {row['sentence']}")
    print(f"Page: {out}; numbers: {out.with_suffix('.json')}")
    if not all(row["kept"] for row in judged):
        raise typer.Exit(1)
