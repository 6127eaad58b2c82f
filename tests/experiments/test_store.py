"""Results are written whole and once, whoever else writes."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from blemish.experiments.store import Store

from blemish.errors import BlemishError
from blemish.papers.tasks import Task

TASK = Task("gtrans-7", "p6", "mvtec", "screw", 0, {"method": "gtrans"}, {"combine": "P6"}, "fit", "result")
OTHER = replace(TASK, row="p4", scoring={"combine": "P4"}, fingerprint="other")


def answer(*tasks: Task, auroc: float = 0.875) -> dict[str, Any]:
    """What a job gives; 0.1 has no exact form in decimal digits or in float32."""
    result = {
        "metrics": {"image_auroc": auroc},
        "scores": [0.1, 1e-9],
        "labels": [0, 1],
        "score_seconds": 1.5,
    }
    return {
        "results": {task.fingerprint: result for task in tasks},
        "fit_seconds": 60.5,
        "curve": [{"epoch": 1, "loss": 0.1, "validation_loss": 1 / 3, "seconds": 2.0}],
        "facts": {"machine": "m"},
    }


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    store = Store(tmp_path / "results.sqlite")
    store.add([TASK], answer(TASK))
    found, nothing = Store(f"sqlite:///{tmp_path}/results.sqlite").read([TASK, OTHER])
    assert nothing is None and found is not None
    assert (found.row, found.data, found.category, found.seed) == ("p6", "mvtec", "screw", 0)
    assert found.scores == [0.1, 1e-9] and found.labels == [0, 1] and found.metrics == {"image_auroc": 0.875}
    assert found.curve[0]["validation_loss"] == 1 / 3 and found.fit_seconds == 60.5
    assert found.facts["fingerprint"] == "result" and found.facts["fit"] == "fit"


def test_one_result_serves_several_rows(tmp_path: Path) -> None:
    store = Store(tmp_path / "results.sqlite")
    same = replace(TASK, table="gtrans-4", row="with-tfm")
    store.add([TASK, same], answer(TASK))
    one, other = store.read([TASK, same])
    assert one and other and (one.row, other.row) == ("p6", "with-tfm") and one.scores == other.scores


def test_the_first_of_several_writers_counts(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: Store(tmp_path / "results.sqlite"), range(4)))
        list(pool.map(lambda number: stores[number].add([TASK], answer(TASK, auroc=number / 4)), range(4)))
    first = stores[0].read([TASK])
    stores[1].add([TASK, OTHER], answer(TASK, OTHER, auroc=0.99))
    assert stores[2].read([TASK]) == first
    assert stores[3].read([OTHER])[0] is not None


def test_many_tasks(tmp_path: Path) -> None:
    store = Store(tmp_path / "results.sqlite")
    tasks = [replace(TASK, fingerprint=f"result {number}") for number in range(2500)]
    store.add(tasks[:3], answer(*tasks[:3]))
    found = store.read(tasks)
    assert [one is not None for one in found[:4]] == [True, True, True, False] and not any(found[4:])


def test_passwords_are_not_told(tmp_path: Path) -> None:
    with pytest.raises(BlemishError) as error:
        Store("sqlite://user:secret@/nowhere")
    assert "secret" not in str(error.value)
