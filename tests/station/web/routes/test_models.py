"""The rules of the model in use over HTTP: tried, written and in force at once, or refused in a sentence."""

from pathlib import Path
from typing import Any

import pytest

from blemish.inference.rules import beside
from blemish.station.errors import Conflict
from blemish.station.learning import threshold
from tests.station.support import good_part, running_station

pytestmark = pytest.mark.slow
LEFT = {"name": "left", "polygon": [[0, 0], [32, 0], [32, 64], [0, 64]], "look": False}
VALUES: dict[str, Any] = {"picture": [64, 64], "zone": [LEFT], "defective": 0.1, "look_again": 0.3}


def test_rules_are_tried_written_and_in_force(tmp_path: Path) -> None:
    with running_station(tmp_path) as it:
        image, file = good_part(1), beside(it.station.settings.model)
        assert it.client.get("/v1/rules").json() == {}
        tried = it.client.post("/v1/rules/preview", json=VALUES).json()
        assert (tried["images"], tried["rules"].startswith('zone "left" does not count')) == (199, True)
        assert 15 <= tried["defective"] <= 19 and 35 <= tried["look_again"] <= 40
        assert not file.exists() and it.inspect(image)["verdict"] is None
        assert it.client.put("/v1/rules", json=VALUES).json() == VALUES
        before = it.inspect(image)
        it.recipe.models.use("grey.onnx")
        after = it.inspect(image)
        for field in ("verdict", "decided_by", "p_value", "false_alarm_rate"):
            assert after[field] == before[field]
        assert (after["false_alarm_rate"], it.client.get("/v1/rules").json()) == (0.1, VALUES)
        assert it.client.put("/v1/rules", json={}).json() == {}
        assert it.inspect(image)["false_alarm_rate"] == 0.02  # the model's own again


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"defective": 2}, "defective: input should be less than 1."),
        ({"zone": [{**LEFT, "polygon": [[0, 0], [99, 0], [1, 1]]}]}, "outside the picture of 64 x 64 pixels"),
        ({"smallest_length": "2mm"}, "scale"),
        ({"elsewhere": False}, "leave nothing of the picture that counts"),
        ({"defective": 0.001, "look_again": 0.004}, "look_again (0.004) leaves nothing above the 0.005"),
        ({"folder": "/"}, "there is no field 'folder'"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_nothing_changes(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    with running_station(tmp_path) as it:
        for method, address in (("POST", "/v1/rules/preview"), ("PUT", "/v1/rules")):
            answer = it.client.request(method, address, json=VALUES | changes)
            assert answer.status_code == 422 and sentence in answer.json()["detail"], answer.text
        assert not beside(it.station.settings.model).exists() and it.recipe.models.active.rules is None


def test_a_file_that_cannot_be_written_and_a_change_meanwhile_are_refused(tmp_path: Path) -> None:
    with running_station(tmp_path) as it:
        first = it.recipe.models.active
        beside(it.station.settings.model).mkdir()
        answer = it.client.put("/v1/rules", json=VALUES)
        assert answer.status_code == 503 and "grey.rules.toml" in answer.json()["detail"]
        assert it.recipe.models.active is first
        threshold.set_rate(it.recipe, 0.2)
        with pytest.raises(Conflict, match="changed meanwhile"):
            it.recipe.models.set_rules(first, first.rules)
