"""Which results are not there, as a few sentences."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from blemish.papers.measured import Missing

NOT_YET = "Not measured yet."


@dataclass(frozen=True)
class Gap:
    """Results that are missing for the same reason.

    Attributes:
        rows: ids.
        data, categories, seeds: each row lacks all of these.
        count: how many results that is.
        reason: a sentence.
    """

    rows: tuple[str, ...]
    data: str
    categories: tuple[str, ...]
    seeds: tuple[int, ...]
    count: int
    reason: str


def group(missing: Iterable[Missing]) -> list[Gap]:
    """Missing results in as few groups as is simple, in the order met."""
    lacking: dict[tuple[str, str], dict[str, dict[str, list[int]]]] = {}
    for one in missing:
        of_row = lacking.setdefault((one.data, one.reason or NOT_YET), {}).setdefault(one.row, {})
        of_row.setdefault(one.category, []).append(one.seed)
    blocks: dict[tuple[str, str, tuple[str, ...], tuple[int, ...]], list[str]] = {}
    for (data, reason), rows in lacking.items():
        for row, categories in rows.items():
            by_seeds: dict[tuple[int, ...], list[str]] = {}
            for category, seeds in categories.items():
                by_seeds.setdefault(tuple(sorted(seeds)), []).append(category)
            for of_seeds, names in by_seeds.items():
                blocks.setdefault((data, reason, tuple(names), of_seeds), []).append(row)
    return [
        Gap(tuple(rows), data, names, seeds, len(rows) * len(names) * len(seeds), reason)
        for (data, reason, names, seeds), rows in blocks.items()
    ]


def sentence(gap: Gap, names: dict[str, str], rows: Sequence[str]) -> str:
    """A group as a sentence.

    Args:
        gap: the group.
        names: of rows, by id.
        rows: ids of all rows that are measured, to say so where all of them lack the same.
    """
    who = "all rows" if set(gap.rows) == set(rows) else ", ".join(names[row] for row in gap.rows)
    many = f"{len(gap.categories)} categories" if len(gap.categories) > 1 else "1 category"
    seeds = f"seed{'s' if len(gap.seeds) > 1 else ''} {', '.join(map(str, gap.seeds))}"
    return f"{many} ({', '.join(gap.categories)}), {who}, {seeds}: {gap.reason}"
