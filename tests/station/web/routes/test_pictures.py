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
    names = ("picture.png", "heat.png", "overlay.png", "thumbnail.jpg")
    pictures = {name: picture(running, f"{place}/{name}") for name in names}
    np.testing.assert_array_equal(pictures["picture.png"], image)
    scale = detector.heat_scale
    assert np.abs(pictures["heat.png"][..., 0] - 255 * scale.heat(expected.anomaly_map)).max() <= 1
    assert (pictures["heat.png"][..., 1] == 255).all()
    assert np.abs(pictures["overlay.png"].astype(int) - expected.overlay(scale)).max() <= 2
    assert pictures["thumbnail.jpg"].shape == (64, 64, 3)
    (found,) = running.client.get(f"{place}/regions").json()
    (region,) = expected.regions
    assert found["box"] == pytest.approx(region.box, abs=0.01) and found["p_value"] == region.p_value
    assert "To edge" in running.client.get(place.removeprefix("/v1")).text


def test_they_show_the_whole_original_and_what_the_frame_hides(running: Running) -> None:
    image = np.full((130, 260, 3), 128, np.uint8)
    image[26:39, 87:100] = 240
    number = running.inspect(image)["id"]
    place = f"/v1/inspections/{number}"
    for query, share in (("", 1.0), ("?side=130", 0.5)):
        heat = picture(running, f"{place}/heat.png{query}")
        rows, columns = np.nonzero(heat[..., 0] > 200)
        assert abs(rows.mean() - 32 * share) < 3 and abs(columns.mean() - 93 * share) < 3
        hidden = np.nonzero((heat[..., 1] == 0).all(axis=0))[0]
        assert abs(len(hidden) - 130 * share) <= 2
        for name in ("picture.png", "overlay.png"):
            drawn = picture(running, f"{place}/{name}{query}")
            assert drawn.shape == (*heat.shape[:2], 3) == (130 * share, 260 * share, 3)
    assert picture(running, f"{place}/thumbnail.jpg").shape == (120, 240, 3)
    raw = np.load(io.BytesIO(running.client.get(f"{place}/map.npy").content))
    assert raw.shape == (130, 260) and np.isnan(raw[:, :64]).all() and not np.isnan(raw[:, 66:194]).any()
    sentence = (
        "The frame shows the network the central 50 % of a picture; frame.crop=none shows it whole ones."
    )
    for page in ("/", "/models", f"/inspections/{number}"):
        assert running.client.get(page).text.count(sentence) == 1
    running.inspect(bad_part(3))
    assert "the crop cuts off" not in running.client.get("/").text


def picture(running: Running, address: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(running.client.get(address).content)))
