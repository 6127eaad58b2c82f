"""Images on their way to a record: what is slow, has no score, or meets a model that fails."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from blemish.station.errors import Unusable
from blemish.station.records import Filter, Source
from tests.station.support import Running, encoded, good_part, running_station, until

pytestmark = pytest.mark.slow


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with running_station(tmp_path, timeout=1) as it:
        yield it


def scoring(running: Running, monkeypatch: pytest.MonkeyPatch, score: float, peak: float) -> None:
    """The model gives every image this score and a map with this peak."""
    anomaly_map = np.full((4, 4), 1, np.float32)
    anomaly_map[0, 0] = peak
    detector = running.station.models.active.detector
    monkeypatch.setattr(detector, "score_framed", lambda images: [(score, anomaly_map)] * len(images))


@pytest.mark.parametrize(("score", "peak"), [(np.nan, 1), (np.inf, 1), (1, np.nan), (1, np.inf)])
def test_an_image_without_a_score_is_refused_or_recorded_with_its_error(
    running: Running, monkeypatch: pytest.MonkeyPatch, score: float, peak: float
) -> None:
    scoring(running, monkeypatch, score, peak)
    pipeline, image = running.station.pipeline, encoded(good_part(1))
    with pytest.raises(Unusable, match=r"part\.png has no score: (the model gave|its anomaly map)"):
        pipeline.submit(image, source=Source.API, name="part.png").result(30)
    assert running.station.store.count(Filter()) == 0
    kept = pipeline.submit(image, source=Source.WATCH, name="part.png", keep_failed=True).result(30)
    assert (kept.score, kept.is_anomalous, kept.map) == (None, None, None)
    assert kept.error.startswith("part.png has no score") and kept.width == 64
    assert running.station.files.read(str(kept.image)) == image
    assert 'failures_total{reason="model"} 2.0' in running.client.get("/metrics").text


def test_a_model_that_fails_is_trouble_until_it_works_again(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    detector = running.station.models.active.detector
    with monkeypatch.context() as broken, caplog.at_level(logging.ERROR, "blemish"):
        broken.setattr(detector, "score_framed", lambda images: [])
        answer = running.client.post("/v1/inspect", content=encoded(good_part(1)))
        assert answer.status_code == 503 and "could not score" in answer.json()["detail"]
        assert caplog.messages == ["scoring failed"]
    running.station.monitor.look()
    assert running.station.monitor.health().status == "degraded"
    running.inspect(good_part(1))
    running.station.monitor.look()
    assert running.station.monitor.health().status == "ok"


def test_an_image_that_takes_too_long_is_told_and_finished_all_the_same(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    detector = running.station.models.active.detector
    score = detector.score_framed
    monkeypatch.setattr(detector, "score_framed", lambda images: (release.wait(30), score(images))[1])
    answer = running.client.post("/v1/inspect", content=encoded(good_part(1)))
    assert answer.status_code == 504 and "Idempotency-Key" in answer.json()["detail"]
    running.station.monitor.look()
    (message,) = [part.message for part in running.station.monitor.health().parts if part.message]
    assert "has been in work for" in message
    release.set()
    until(lambda: running.station.pipeline.unfinished == 0)
    assert running.station.store.count(Filter()) == 1


def test_what_is_not_accepted_is_not_recorded_and_comes_back_as_busy(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    detector = running.station.models.active.detector
    score = detector.score_framed
    monkeypatch.setattr(detector, "score_framed", lambda images: (release.wait(30), score(images))[1])
    accepted = [
        running.station.pipeline.submit(encoded(good_part(seed)), source=Source.API, name="")
        for seed in range(running.station.settings.queue_size)
    ]
    answer = running.client.post("/v1/inspect", content=encoded(good_part(99)))
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "1"
    release.set()
    assert len({future.result(30).id for future in accepted}) == len(accepted)
