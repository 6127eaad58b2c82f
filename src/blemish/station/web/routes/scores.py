"""The course of the scores, and whether they have drifted."""

from fastapi import APIRouter, Request, Response

from blemish.station.errors import Unusable
from blemish.station.learning.drift import measure_drift
from blemish.station.records import Filter
from blemish.station.schemas import Drift
from blemish.station.web import charts
from blemish.station.web.deps import StationDep, problems
from blemish.station.web.pages import page

PERIODS = (200, 1000, 5000)  # inspections
IN_TABLE = 200  # of them

router = APIRouter()


@router.get("/v1/drift", tags=["threshold"], responses=problems(503))
def read_drift(station: StationDep) -> Drift:
    """Whether recent scores still look like those of the calibration."""
    return measure_drift(station)


@router.get("/history", include_in_schema=False)
def scores_page(request: Request, station: StationDep, last: int = PERIODS[0]) -> Response:
    """The scores of the active model over time."""
    if last not in PERIODS:
        raise Unusable(f"last is one of {', '.join(map(str, PERIODS))}, not {last}; choose one.")
    active = station.models.active
    points = station.store.points(Filter(model=active.fingerprint), last)
    return page(
        request,
        "history.html.j2",
        points=points,
        table=points[: -IN_TABLE - 1 : -1],
        periods=PERIODS,
        last=last,
        most=charts.MOST_POINTS,
        chart=charts.history_chart(points, active.calibration) if points else "",
        distribution=charts.distribution_chart(points, active.calibration) if points else "",
        drift=measure_drift(station),
    )
