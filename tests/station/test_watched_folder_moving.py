"""Files of a watched folder that are moved: a folder per verdict, with results, lots and serial numbers."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from blemish.station import watched_folder
from blemish.station.records import Filter
from blemish.station.settings import Settings
from blemish.station.station import Station
from tests.station.support import bad_part, encoded, good_part, grey_onnx, put, until


@pytest.fixture
def station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    """It tells lots and serial numbers by names, and puts files away by verdicts of rules."""
    (model := tmp_path / "grey.onnx").write_bytes(grey_onnx())
    (tmp_path / "grey.rules.toml").write_text("defective = 0.01\nlook_again = 0.5")
    monkeypatch.setattr(watched_folder, "SECONDS", 0.02)
    monkeypatch.setattr(watched_folder, "PATIENCE", 0.1)
    (tmp_path / "in").mkdir()
    values = {"model": model, "folder": tmp_path / "station", "min_free_gb": 0, "settle": 0.05}
    values |= {"watch": tmp_path / "in", "move_to": tmp_path / "done", "result_json": True}
    station = Station(Settings(**values, name_pattern=r"(?P<lot>\w+)_(?P<serial>\d+)"))
    station.start()
    yield station
    station.stop()


def test_each_verdict_has_a_folder_and_each_file_its_result(station: Station, tmp_path: Path) -> None:
    images = {"L1_001.png": good_part(1), "deep/L1_002.png": bad_part(2), "other.png": good_part(3)}
    for name, image in images.items():
        put(tmp_path / "in" / name, encoded(image))
    put(tmp_path / "in" / "L2_003.png", b"garbage")
    put(tmp_path / "in" / "L2_004.png", bytes(station.settings.max_upload + 1))
    done = {
        "good/L1_001.png": ("L1", "001"),
        "anomalous/deep/L1_002.png": ("L1", "002"),
        "look-again/other.png": (None, None),
        "error/L2_003.png": ("L2", "003"),
        "error/L2_004.png": ("L2", "004"),
    }
    verdicts = {"good": "good", "look-again": "look again", "anomalous": "defective", "error": None}
    until(lambda: all((tmp_path / "done" / name).exists() for name in done))
    for name, part in done.items():
        told = json.loads((tmp_path / "done" / f"{name}.json").read_text())
        record = station.store.get(told["id"])
        assert (told["lot"], told["serial"]) == (record.lot, record.serial) == part
        assert told["name"] == record.name == name.partition("/")[2]
        assert told["verdict"] == verdicts[name.partition("/")[0]]
    assert [one.name for one in station.store.select(Filter(lot="L1", serial="002"), limit=9)] == [
        "deep/L1_002.png"
    ]
    assert station.store.count(Filter(lot="L2")) == 2
