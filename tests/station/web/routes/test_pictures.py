"""Pictures of past inspections are those that the detector would draw."""

import io

import numpy as np
import pytest
from PIL import Image

from blemish.inference.detector import Detector
from tests.station.support import Running, bad_part, encoded

pytestmark = pytest.mark.slow


def test_pictures_and_map_are_those_of_the_detector(running: Running) -> None:
    detector = Detector.load(running.station.settings.model)
    image = bad_part(3)
    place = f"/v1/inspections/{running.inspect(image)['id']}"
    expected = detector.predict(image)
    assert expected.anomaly_map is not None
    raw = np.load(io.BytesIO(running.client.get(f"{place}/map.npy").content))
    assert raw.dtype == np.float32
    np.testing.assert_allclose(raw, expected.anomaly_map, atol=np.ptp(expected.anomaly_map) / 60_000)
    assert running.client.get(f"{place}/image").content == encoded(image)
    assert running.client.get(f"{place}/image").headers["content-type"] == "image/png"
    pictures = {
        name: np.asarray(Image.open(io.BytesIO(running.client.get(f"{place}/{name}").content)))
        for name in ("frame.png", "heat.png", "overlay.png", "thumbnail.jpg")
    }
    np.testing.assert_array_equal(pictures["frame.png"], image)
    scale = detector.heat_scale
    assert np.abs(pictures["heat.png"] - 255 * scale.heat(expected.anomaly_map)).max() <= 1
    assert np.abs(pictures["overlay.png"].astype(int) - expected.overlay(scale)).max() <= 2
    assert pictures["thumbnail.jpg"].shape == (64, 64, 3)
