"""The audit trail: a page to look through, and a table of all of it."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from blemish.station.records import Kind
from blemish.station.schemas import AuditQuery
from blemish.station.spreadsheet import AUDIT, csv_of
from blemish.station.storage.audit import AT_ONCE, entries, every_entry
from blemish.station.web.deps import Engineer, StationDep
from blemish.station.web.pages import download, page

router = APIRouter(tags=["operation"])


@router.get("/audit", include_in_schema=False)
def audit_page(
    request: Request, station: StationDep, _: Engineer, query: Annotated[AuditQuery, Query()]
) -> Response:
    found = entries(station.store.database, query)
    narrowing = {name: text for name, text in request.query_params.items() if text and name != "before"}
    return page(
        request,
        "audit.html.j2",
        entries=found,
        kinds=list(Kind),
        asked=request.query_params,
        query=urlencode(narrowing),
        older=found[-1].id if len(found) == AT_ONCE else None,
    )


@router.get("/v1/audit.csv", response_class=Response)
def audit_csv(station: StationDep, _: Engineer, query: Annotated[AuditQuery, Query()]) -> Response:
    """Every change of a threshold, a model, rules, a judgement or a user, and the logins, as a table."""
    found = every_entry(station.store.database, query)
    return download("audit.csv", "text/csv; charset=utf-8", csv_of(AUDIT, found))
