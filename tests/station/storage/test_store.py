"""What the station writes down comes back as it was, from SQLite and from PostgreSQL."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta, timezone
from typing import Any

import pytest

from blemish.station.errors import NotFound
from blemish.station.records import Filter, Inspection, NewInspection, Source, Verdict
from blemish.station.schemas import Feedback
from blemish.station.storage.store import Store
from tests.station.storage.support import MODEL, NOON, new


def failed(number: int, **fields: Any) -> NewInspection:
    """An image that is none."""
    empty = dict.fromkeys(("map", "map_low", "map_high", "score", "p_value", "is_anomalous", "threshold"))
    return new(number, **empty, map_bytes=0, error="It is no image.", **fields)


def numbers(found: list[Inspection]) -> list[int]:
    return [inspection.id for inspection in found]


def test_what_goes_in_comes_out(store: Store) -> None:
    given = [new(1, key="first"), failed(2, source=Source.WATCH), new(3, is_anomalous=True)]
    kept = store.add(given)
    fields = set(NewInspection.model_fields)
    assert [NewInspection.model_validate(one.model_dump(include=fields)) for one in kept] == given
    assert numbers(kept) == [1, 2, 3]
    assert [store.get(number) for number in (1, 2, 3)] == kept
    assert store.select(Filter(), limit=9) == kept[::-1] and numbers(store.get_many([2, 9, 1])) == [2, 1]
    assert store.with_key("first") == kept[0] and store.with_key("second") is None


def test_times_of_other_zones_are_kept_as_utc(store: Store) -> None:
    there = NOON.astimezone(timezone(timedelta(hours=-7)))
    (kept,) = store.add([new(received=there)])
    assert kept.received == NOON and kept.received.utcoffset() == timedelta(0)
    assert (store.count(Filter(since=there)), store.count(Filter(until=there))) == (1, 0)


def test_a_key_counts_once(store: Store) -> None:
    first, again, other, unkeyed = store.add([new(1, key="k"), new(2, key="k"), new(3, key="o"), new(4)])
    assert again == first and other.id != first.id
    assert numbers(store.add([new(5), new(6, key="o"), new(7, key="k")]))[1:] == [other.id, first.id]
    assert store.count(Filter()) == 4 and unkeyed.key is None


def test_a_key_that_another_connection_adds_meanwhile(database_url: str) -> None:
    stores = [Store(database_url) for _ in range(4)]
    rounds = 15

    def add(store: Store) -> list[int]:
        return [store.add([new(turn, key=f"key {turn}"), new(turn)])[0].id for turn in range(rounds)]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(add, stores))
    assert all(answer == answers[0] for answer in answers)
    assert stores[0].count(Filter()) == rounds + 4 * rounds
    for store in stores:
        store.close()


def test_what_is_of_no_recipe_is_adopted_once(store: Store) -> None:
    store.add([new(1, recipe="", key="k"), new(2, recipe=""), new(3, recipe="bottle", key="b")])
    store.add_calibration("", MODEL, [1.0], 0.5, "the model file")
    assert (store.adopt("parts"), store.adopt("screw")) == (2, 0)
    told = [(one.recipe, one.key) for one in store.select(Filter(), limit=9)]
    assert told == [("bottle", "b"), ("parts", None), ("parts", "parts/k")]
    assert store.calibration("parts", MODEL) is not None


def test_numbers_are_never_given_again(store: Store) -> None:
    store.add([new(1), new(2), new(3)])
    store.delete([2, 3])
    assert store.add([new(4)])[0].id == 4
    for number in (0, 3):
        for ask in (store.get, lambda number: store.set_feedback(number, Feedback(note=""))):
            with pytest.raises(NotFound, match=f"no inspection {number}"):
                ask(number)


def test_any_text_can_be_kept(store: Store) -> None:
    name = "ß \0 𝄞 '\"; DROP TABLE inspections; -- \\ % _"
    (kept,) = store.add([new(name=name, key="\ud800half")])
    assert kept.name == name.replace("\0", "\N{REPLACEMENT CHARACTER}")
    assert store.with_key("\N{REPLACEMENT CHARACTER}half") == kept
    assert store.count(Filter(text="\0")) == 1


@pytest.fixture(scope="module")
def filled(new_database: Callable[[], str]) -> Iterator[Store]:
    store = Store(new_database())
    store.add([new(number) for number in range(1, 101)])
    store.add([failed(101, name="Bad_1.PNG", source=Source.WATCH, model=None)])
    more = {"recipe": "bottle", "is_other_part": True}
    store.add([new(102, name="100% ÄRGER.png", model="ab" * 32, source=Source.PAGE, score=0.95, **more)])
    store.set_feedback(10, Feedback(feedback=Verdict.GOOD, note="sauber"))
    store.set_feedback(95, Feedback(feedback=Verdict.DEFECT, note="Kratzer_links"))
    yield store
    store.close()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"anomalous": True}, [99, 98, 97, 96, 95, 94, 93, 92, 91]),
        ({"anomalous": False, "min_score": 0.9}, [102, 90]),
        ({"recipe": "bottle"}, [102]),
        ({"other_part": True}, [102]),
        ({"other_part": False}, []),
        ({"failed": True}, [101]),
        ({"failed": False, "source": "page"}, [102]),
        ({"feedback": "good"}, [10]),
        ({"feedback": Verdict.DEFECT}, [95]),
        ({"feedback": "any"}, [95, 10]),
        ({"feedback": "none", "anomalous": True}, [99, 98, 97, 96, 94, 93, 92, 91]),
        ({"source": "watch"}, [101]),
        ({"model": "ab" * 32}, [102]),
        ({"model": "ABAB"}, [102]),
        ({"image": f"{7:064x}"}, [7]),
        ({"since": NOON + timedelta(seconds=100)}, [102, 101, 100]),
        ({"until": NOON + timedelta(seconds=3)}, [2, 1]),
        ({"min_score": 0.5, "max_score": 0.52}, [52, 51, 50]),
        ({"text": "PART 7.p"}, [7]),
        ({"text": "%"}, [102]),
        ({"text": "_"}, [101, 95]),
        ({"text": "ärger"}, [102]),
        ({"text": "SAUBER"}, [10]),
        ({"text": "\\"}, []),
    ],
)
def test_filters(filled: Store, fields: dict[str, Any], expected: list[int]) -> None:
    wanted = Filter(**fields)
    assert numbers(filled.select(wanted, limit=50)) == expected
    assert filled.count(wanted) == len(expected)


def test_what_is_known_of_many(filled: Store) -> None:
    points = filled.points(Filter(), 3)
    assert [point.id for point in points] == [99, 100, 102]
    assert (points[0].score, points[0].is_anomalous, points[0].feedback) == (0.99, True, None)
    (judged,) = filled.points(Filter(feedback="defect"), 3)
    assert judged.feedback is Verdict.DEFECT and judged.received == NOON + timedelta(seconds=95)
    tally = {(True, Verdict.DEFECT): 1, (False, Verdict.GOOD): 1, (True, None): 8, (False, None): 90}
    fields = ("is_anomalous", "feedback")
    assert filled.tally(Filter(model=MODEL, failed=False), *fields) == tally
    assert not filled.tally(Filter(model="00" * 32), *fields)
    assert numbers(filled.expired(None, 11)) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12]
    assert numbers(filled.expired(NOON + timedelta(seconds=3), 10)) == [1, 2]
    assert f"{1:064x}" in filled.digests("00") and f"f{1:063x}" in filled.digests("f0")
    assert filled.digests("ab") == set() and filled.digests(f"{7:064x}") == {f"{7:064x}"}


def test_deleting_names_the_files_that_nobody_needs_any_more(store: Store) -> None:
    shared, other = "aa" * 32, "bb" * 32
    store.add([new(1, image=shared), new(2, image=shared, map=other), new(3, image=other), failed(4), new(5)])
    store.set_feedback(5, Feedback(feedback=Verdict.GOOD))
    assert store.stored_bytes() == 4 * 1000 + 3 * 10 + 10
    assert store.delete([1]) == [f"f{1:063x}"]
    assert store.delete([2, 4]) == sorted([shared, f"{4:064x}"])
    assert store.stored_bytes() == 2 * 1000 + 2 * 10
    assert store.delete([3, 5, 99]) == sorted([other, f"f{3:063x}"])  # the judged stay
    assert store.delete([]) == [] and numbers(store.select(Filter(), limit=5)) == [5]


def test_models_and_calibrations(store: Store) -> None:
    with pytest.raises(NotFound, match="5f5f5f"):
        store.model(MODEL)
    description = {"method": "gtrans", "a": [1, None]}
    store.add_model(MODEL, "parts.onnx", description)
    store.add_model(MODEL, "other.onnx", {})
    kept = store.model(MODEL)
    assert (kept.name, kept.description) == ("parts.onnx", description)
    assert store.calibration("parts", MODEL) is None
    scores = [0.1, 1e-9, 1 / 3]
    first = store.add_calibration("parts", MODEL, scores, 0.01, "the model file")
    second = store.add_calibration("parts", MODEL, scores[:1], 0.02, "another rate")
    store.add_calibration("parts", "ff" * 32, [1.0], 0.5, "the model file")
    store.add_calibration("others", MODEL, [1.0], 0.5, "the model file")
    assert store.calibration("parts", MODEL) == second
    assert store.calibrations("parts", MODEL) == [second, first]
    assert first.scores == scores and first.made.utcoffset() == timedelta(0)
