"""A new model, fitted and compared in a process of its own, on parts of a running station."""

from pathlib import Path

import pytest

from blemish.datasets import Dataset, Sample
from blemish.errors import ModelFileError
from blemish.inference.model_file import fingerprint_of
from blemish.station.learning.candidate import Order, run
from blemish.station.records import CalibrationRecord
from blemish.training.config import RunConfig, build_config
from blemish.training.fit import fit
from tests.station.learning.support import BEGIN
from tests.station.support import SIZE, bad_part, encoded, good_part, grey_onnx, running_station, until


def part_files(folder: Path, *seeds: int) -> list[Path]:
    """Good parts."""
    folder.mkdir()
    paths = [folder / f"{seed}.png" for seed in seeds]
    for path, seed in zip(paths, seeds, strict=True):
        path.write_bytes(encoded(good_part(seed)))
    return paths


@pytest.fixture
def order(grey_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Order:
    """To fit as the grey model, an .onnx file; this process keeps its priority."""
    monkeypatch.setattr("blemish.station.learning.candidate.os.nice", lambda by: None)
    return Order(
        out=tmp_path / "new.onnx",
        in_use=grey_model,
        fingerprint=fingerprint_of(grey_model),
        calibrated=CalibrationRecord(
            id=1, recipe="", model="", made=BEGIN, scores=[1, 2], false_alarm_rate=0.3, origin=""
        ),
        learn=part_files(tmp_path / "judged", 8, 9),
        compare={},
        fitted_to=part_files(tmp_path / "good", 0, 1)[0].parent,
        weights=None,
        options={},
        max_pixels=10_000,
    )


def test_a_model_that_was_replaced_is_not_compared_with(order: Order) -> None:
    with pytest.raises(ModelFileError, match=r"grey\.onnx was replaced since it was loaded"):
        run(order.model_copy(update={"fingerprint": "0"}))


def test_it_is_fitted_and_exported_as_the_model_in_use_was(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[RunConfig] = []

    def fit_nothing(data: Dataset, config: RunConfig, out: Path, **_: object) -> None:
        assert [sample.path.name for sample in data.train] == ["0.png", "1.png", "8.png", "9.png"]
        fitted.append(config)
        out.write_bytes(b"fitted")

    monkeypatch.setattr("blemish.training.fit.fit", fit_nothing)
    monkeypatch.setattr("blemish.export.export.export_model", lambda _, out: out.write_bytes(grey_onnx(2.0)))
    sentences = run(order).sentences
    assert (fitted[0].method, fitted[0].frame.size, fitted[0].false_alarm_rate) == ("patchcore", SIZE, 0.3)
    assert not order.out.with_suffix(".safetensors").exists() and order.out.is_file()
    assert sentences[1] == "They are compared on 0 good pictures and 0 with a defect, new to both."


@pytest.mark.slow
def test_a_station_fits_compares_and_switches(tmp_path: Path) -> None:
    files = part_files(tmp_path / "good", *range(10))
    config = build_config(values={"method": "padim", "frame": {"resize": SIZE, "crop": SIZE}})
    model = tmp_path / "parts.safetensors"
    fit(Dataset("parts", [Sample(path, label=0) for path in files]), config, model)
    with running_station(tmp_path, model=model, fitted_to=tmp_path / "good", false_alarm_rate=0.2) as it:
        for seed in range(100, 120):
            number = it.inspect(good_part(seed))["id"]
            it.client.put(f"/v1/inspections/{number}/feedback", json={"feedback": "good"})
        known = it.inspect(good_part(3))["id"]
        it.client.put(f"/v1/inspections/{known}/feedback", json={"feedback": "good"})
        for seed in range(3):
            number = it.inspect(bad_part(seed))["id"]
            it.client.put(f"/v1/inspections/{number}/feedback", json={"feedback": "defect"})
        before = it.recipe.models.active
        assert it.client.post("/v1/fits").status_code == 201
        until(lambda: it.client.get("/v1/fits").json()[0]["state"] != "running", 300)
        (found,) = it.client.get("/v1/fits").json()
        assert found["state"] == "finished", found["message"]
        sentences = " ".join(found["comparison"]["sentences"])
        learned = int(sentences.split("learned from ")[1].split()[0])
        compared = int(sentences.split("compared on ")[1].split()[0])
        assert learned > 10 and learned - 10 + compared == 20  # none that it learned from
        assert " and 3 with a defect" in sentences and "People chose what they judged" in sentences
        assert it.recipe.models.active is before and it.client.get("/v1/fits").json() == [found]
        used = it.client.post("/v1/models/parts-fit-1.safetensors/use").json()
        assert used["active"] and it.recipe.models.active.detector.metadata["data"]["images"] == learned
        assert it.recipe.models.active.detector.metadata["method"] == "padim"
        assert it.recipe.models.active.calibrated.false_alarm_rate == 0.2
