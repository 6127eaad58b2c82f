"""The judged images, for the next model."""

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from blemish.station.learning.dataset import stream
from blemish.station.web.deps import StationDep, problems

router = APIRouter(tags=["learning"])


@router.get("/v1/dataset.zip", response_class=Response, responses=problems(503))
def dataset_zip(station: StationDep) -> StreamingResponse:
    """The images that people judged, as a data set for the next fit: train/good and test/defect."""
    headers = {"Content-Disposition": 'attachment; filename="dataset.zip"'}
    return StreamingResponse(stream(station), media_type="application/zip", headers=headers)
