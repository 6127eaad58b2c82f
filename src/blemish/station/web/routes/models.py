"""The models to choose from."""

from fastapi import APIRouter, Request, Response

from blemish.station.schemas import ModelState
from blemish.station.web.deps import ModelName, StationDep, problems
from blemish.station.web.pages import page

router = APIRouter()


@router.get("/v1/models", tags=["models"], responses=problems())
def list_models(station: StationDep) -> list[ModelState]:
    """The models to choose from."""
    return station.models.states()


@router.post("/v1/models/{name}/use", tags=["models"], responses=problems(404, 409, 503))
def use_model(station: StationDep, name: ModelName) -> ModelState:
    """Load a model, for the verdicts from the next image on; those in hand are finished with the old one."""
    return station.models.use(name)


@router.get("/models", include_in_schema=False)
def models_page(request: Request, station: StationDep) -> Response:
    """The models to choose from."""
    return page(request, "models.html.j2", models=station.models.states())
