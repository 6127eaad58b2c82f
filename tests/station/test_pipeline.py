"""Images on their way to a record: what is slow, has no score, or meets a model that fails."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from blemish.images.known_part import KnownPart
from blemish.station.errors import Unusable
from blemish.station.records import Filter, Source
from tests.station.support import Running, Scoring, encoded, good_part, running_station, until

pytestmark = pytest.mark.slow
IMAGE = encoded(good_part(1))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with running_station(tmp_path, timeout=1) as it:
        yield it


def looked(running: Running) -> tuple[str, str]:
    """Health at this moment, and what it says."""
    running.station.monitor.look()
    health = running.station.monitor.health()
    return health.status, " ".join(part.message for part in health.parts if part.message)


def test_an_image_without_a_score_has_an_error(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline, store = running.station.pipeline, running.station.store
    detector = running.recipe.models.active.detector
    for count, (score, peak) in enumerate([(np.nan, 1), (np.inf, 1), (1, np.nan), (1, np.inf)]):
        scored = [(score, np.array([[1, peak]], np.float32))]
        monkeypatch.setattr(detector, "score_framed", lambda images, scored=scored: scored)
        with pytest.raises(Unusable, match=r"part\.png has no score: (the model gave|its anomaly map)"):
            pipeline.submit(running.recipe, IMAGE, source=Source.API, name="part.png").result(30)
        assert store.count(Filter()) == count
        kept = pipeline.submit(
            running.recipe, IMAGE, source=Source.WATCH, name="part.png", keep_failed=True
        ).result(30)
        assert (kept.score, kept.is_anomalous, kept.map, kept.width) == (None, None, None, 64)
        assert kept.error.startswith("part.png has no score")
        assert running.station.files.read(str(kept.image)) == IMAGE
    assert running.figure('failures_total{reason="model"}') == 8


def test_names_tell_lots_unless_these_are_given(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running_station(tmp_path, name_pattern=r"(?P<lot>\w+)_(?P<serial>\d+)?") as it:

        def part(name: str, **given: str) -> tuple[str | None, str | None]:
            submit = it.station.pipeline.submit
            kept = submit(it.recipe, IMAGE, source=Source.API, name=name, **given).result(30)
            return kept.lot, kept.serial

        assert part("day/L7_001.png") == ("L7", "001") and part("L7_.png") == ("L7", None)
        assert part("L7_001.png", lot="L8", serial="") == ("L8", "001")
        assert part("x" * 300 + "_1") == part("no") == (None, None)
        assert [vars(one)["image"] for one in caplog.records if "name_pattern" in one.msg] == ["x" * 255]


def test_a_picture_of_another_part_is_recorded_as_such(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert running.inspect(good_part(1))["is_other_part"] is None, "this model cannot tell"
    detector = running.recipe.models.active.detector
    monkeypatch.setattr(detector, "known_part", KnownPart(np.eye(16, dtype=np.uint8)[None] * 200, 0.5))
    kept = running.inspect(good_part(2))
    assert kept["is_other_part"] is True and kept["error"] == ""
    assert "Not this part?" in running.client.get(f"/inspections/{kept['id']}").text


def test_a_model_that_fails_is_trouble_until_it_works_again(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as broken, caplog.at_level("ERROR", "blemish"):
        broken.setattr(running.recipe.models.active.detector, "score_framed", lambda images: [])
        answer = running.client.post("/v1/inspect", content=IMAGE)
    assert answer.status_code == 503 and "could not score" in answer.json()["detail"]
    assert caplog.messages == ["scoring failed"] and looked(running)[0] == "degraded"
    running.inspect(good_part(1))
    assert looked(running) == ("ok", "")


def test_a_slow_image_is_finished_and_others_are_turned_away(running: Running, scoring: Scoring) -> None:
    release, size = threading.Event(), running.station.settings.queue_size
    scoring(running.station, lambda images: release.wait(30))
    answer = running.client.post("/v1/inspect", content=IMAGE)
    assert answer.status_code == 504 and "Idempotency-Key" in answer.json()["detail"]
    assert "has been in work for" in looked(running)[1]
    submit = running.station.pipeline.submit
    rest = [encoded(good_part(seed)) for seed in range(size - 1)]
    accepted = [submit(running.recipe, image, source=Source.API, name="") for image in rest]
    busy = running.client.post("/v1/inspect", content=IMAGE)
    assert busy.status_code == 503 and busy.headers["Retry-After"] == "1"
    release.set()
    assert len({future.result(30).id for future in accepted}) == size - 1
    until(lambda: running.station.pipeline.unfinished == 0)
    assert running.station.store.count(Filter()) == size
