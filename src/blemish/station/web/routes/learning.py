"""What the scores and the judgements teach: false-alarm rate, calibration, drift, the next data set."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from blemish.station.errors import Conflict, Unusable
from blemish.station.learning import dataset, threshold
from blemish.station.learning.drift import measure_drift
from blemish.station.learning.fits import split
from blemish.station.learning.to_judge import to_judge
from blemish.station.records import Verdict
from blemish.station.schemas import Fit, Preview, Rate, RateChange, Recalibration, Threshold
from blemish.station.web import charts
from blemish.station.web.deps import AuthorDep, Engineer, Operator, RecipeDep, RecordNumber, StationDep
from blemish.station.web.pages import download, fragment, page

PERIODS = (200, 1000, 5000)  # inspections
IN_TABLE = 200  # of them

router = APIRouter(tags=["learning"])
pages = APIRouter(include_in_schema=False)


@router.get("/threshold")
def read_threshold(recipe: RecipeDep, _: Operator) -> Threshold:
    return Threshold.of(threshold.by_scores(recipe).calibrated)


@router.put("/threshold")
def set_threshold(recipe: RecipeDep, by: AuthorDep, change: RateChange) -> Threshold:
    """Keep another false-alarm rate from the next image on; past verdicts stay as they are."""
    rate, expected = change.false_alarm_rate, change.calibration
    return Threshold.of(threshold.set_rate(recipe, rate, expected=expected, by=by))


@router.get("/threshold/preview")
def preview_threshold(
    recipe: RecipeDep,
    _: Operator,
    false_alarm_rate: Annotated[Rate, Query()],
    last: Annotated[int, Query(ge=1, le=100_000, description="Past inspections to look at.")] = 1000,
) -> Preview:
    """What a false-alarm rate would have meant for past inspections."""
    return threshold.preview(recipe, false_alarm_rate, last=last)


@router.post("/calibrations", status_code=201)
def recalibrate(recipe: RecipeDep, by: AuthorDep, how: Recalibration) -> Threshold:
    """Calibrate from the images confirmed as good; the rate asked for stays."""
    return Threshold.of(threshold.recalibrate(recipe, keep=how.keep, expected=how.calibration, by=by))


@router.post("/calibrations/{number}/use")
def use_calibration(recipe: RecipeDep, by: AuthorDep, number: RecordNumber) -> Threshold:
    """Go back to an earlier calibration of the model in use, with the rate it had."""
    return Threshold.of(threshold.use_again(recipe, number, by))


@pages.get("/judge")
def judge_page(request: Request, recipe: RecipeDep, _: Operator) -> Response:
    chosen = {reason: recipe.store.get_many(numbers) for reason, numbers in to_judge(recipe).items()}
    return page(
        request, "judge.html.j2", chosen=chosen, review=[one.id for of in chosen.values() for one in of]
    )


@pages.get("/threshold")
def threshold_page(request: Request, recipe: RecipeDep, _: Engineer) -> Response:
    try:
        active = threshold.by_scores(recipe)
    except Conflict as error:
        return page(request, "threshold_ruled.html.j2", sentence=str(error))
    return page(
        request,
        "threshold.html.j2",
        force=Threshold.of(active.calibrated),
        evidence=threshold.evidence(recipe),
        history=recipe.store.calibrations(recipe.name, active.fingerprint),
        rules=active.rules,
    )


@pages.get("/threshold/preview")
def preview_fragment(
    request: Request, recipe: RecipeDep, _: Engineer, false_alarm_rate: Annotated[Rate, Query()]
) -> Response:
    preview = threshold.preview(recipe, false_alarm_rate)
    changing = recipe.store.get_many(preview.changed)
    return fragment(request, "preview.html.j2", preview=preview, changing=changing)


@pages.get("/history")
def scores_page(request: Request, recipe: RecipeDep, _: Operator, last: int = PERIODS[0]) -> Response:
    if last not in PERIODS:
        raise Unusable(f"last is one of {', '.join(map(str, PERIODS))}, not {last}; choose one.")
    active = recipe.models.active
    points = recipe.store.points(recipe.scored, last)
    return page(
        request,
        "history.html.j2",
        points=points,
        table=points[: -IN_TABLE - 1 : -1],
        periods=PERIODS,
        last=last,
        rules_decide=active.rules_decide,
        most=charts.MOST_POINTS,
        chart=charts.history_chart(points, active.calibration) if points else "",
        distribution=charts.distribution_chart(points, active.calibration) if points else "",
        drift=measure_drift(recipe),
    )


@router.get("/fits")
def list_fits(station: StationDep, recipe: RecipeDep, _: Engineer) -> list[Fit]:
    """Models that were fitted here from what people judged, newest first."""
    return station.fits.all(recipe)


@router.post("/fits", status_code=201)
def start_fit(station: StationDep, recipe: RecipeDep, _: Engineer) -> Fit:
    """Fit a model as the one in use was, beside the work; it is not used until somebody says so."""
    return station.fits.start(recipe)


@router.post("/fits/stop", status_code=202)
def stop_fit(station: StationDep, recipe: RecipeDep, _: Engineer) -> list[Fit]:
    """Ask the fit that runs to end."""
    station.fits.stop(recipe)
    return station.fits.all(recipe)


@pages.get("/models/fit")
def fit_page(request: Request, station: StationDep, recipe: RecipeDep, _: Engineer) -> Response:
    learn, others = split(recipe)
    found = [
        (fit, fit.comparison and recipe.store.get_many(fit.comparison.differ))
        for fit in station.fits.all(recipe)
    ]
    return page(
        request,
        "fit.html.j2",
        fits=found,
        running=any(fit.state == "running" for fit, _ in found),
        usable=[model.name for model in recipe.models.states() if not model.active],
        learn=len(learn),
        good=sum(one.feedback == Verdict.GOOD for one in others),
        defective=sum(one.feedback == Verdict.DEFECT for one in others),
        fitted_to=station.settings.by_recipe[recipe.name].fitted_to,
    )


@router.get("/dataset.zip", response_class=Response)
def dataset_zip(recipe: RecipeDep, _: Engineer) -> Response:
    """The images that people judged, as a data set for the next fit: train/good and test/defect."""
    return download("dataset.zip", "application/zip", dataset.stream(recipe))
