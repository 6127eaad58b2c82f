"""How far a destination has come: kept over restarts, and nothing is passed over that is recorded late."""

import threading
from collections.abc import Callable

from blemish.station.storage.store import Outbox, Store
from tests.station.storage.support import new


def numbers(outbox: Outbox) -> list[int]:
    return [one.id for one in outbox.next(100)]


def test_a_position_is_kept_for_each_destination(new_database: Callable[[], str]) -> None:
    url = new_database()
    store = Store(url)
    assert Outbox(store, "first").position == 0
    store.add([new(number) for number in range(3)])
    first, second = Outbox(store, "first"), Outbox(store, "second")
    assert (numbers(first), first.count()) == ([1, 2, 3], 3) and numbers(second) == []
    first.taken(2)
    store.add([new(9)])
    assert (numbers(first), numbers(second)) == ([3, 4], [4])
    store.delete([3, 4])
    store.close()
    again = Store(url)
    assert again.add([new(10)])[0].id == 5  # no number is given twice
    assert [(box.position, numbers(box)) for box in (Outbox(again, "first"), Outbox(again, "second"))] == [
        (2, [5]),
        (3, [5]),
    ]
    again.close()


def test_whoever_reads_while_several_add_misses_none(store: Store) -> None:
    outbox, seen = Outbox(store, "reader"), []
    adding = [
        threading.Thread(target=lambda: [store.add([new(number)] * 3) for number in range(15)])
        for _ in range(6)
    ]
    for thread in adding:
        thread.start()
    while any(thread.is_alive() for thread in adding) or outbox.count():
        if found := outbox.next(7):
            seen += [one.id for one in found]
            outbox.taken(seen[-1])
    assert seen == sorted(set(seen)) and len(seen) == 6 * 15 * 3
