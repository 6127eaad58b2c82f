"""Sentences and numbers that stay true, whatever was measured."""

from blemish.papers.output import text
from blemish.papers.output.files import to_markdown
from blemish.papers.output.page import to_html
from blemish.papers.output.summary import Summary, summarise
from tests.papers.support import CATEGORIES, full, missing, result, section, table


def test_numbers() -> None:
    numbers = [text.number(value, "percent") for value in (float("nan"), 0.97, 0.99999)]
    assert numbers == [text.NONE, "97.0", "99.99"]


def test_how_to_read_the_numbers(complete: Summary) -> None:
    assert "(2 of them)" in text.reading(complete)[0] and "Quoted" in text.reading(complete)[-1]
    assert "One seed" in text.reading(summarise(table(), full(1), []))[0]
    assert text.reading(summarise(table(), [], []))[0].startswith("Nothing is measured yet")
    some = summarise(table(), [one for one in full() if one["category"] == "part0"], [])
    assert any(sentence.startswith("A mean over only some") for sentence in text.reading(some))


def test_intervals_are_explained_where_they_are_shown(complete: Summary) -> None:
    (sentence,) = text.intervals(complete)
    assert sentence in to_html(complete) and sentence not in to_markdown(complete)
    assert text.intervals(summarise(table(), [], [])) == []
    of = [one | {"data": "cifar10"} for one in full()]
    held_out = summarise(table(sections=(section(CATEGORIES, "cifar10"),)), of, [])
    assert text.intervals(held_out)[1].startswith("Classes held out in turn share test images")


def test_missing_results_with_the_same_reason_are_one_sentence() -> None:
    gone = [missing("first", name, seed, "Not there.") for name in CATEGORIES[1:] for seed in (0, 1)]
    told = "5 categories (part1, part2, part3, part4, part5), 1*2|3, seeds 0, 1: Not there."
    assert text.missing_results(table(), gone) == [told]
    summary = summarise(table(), [result("first", "part0", seed) for seed in (0, 1)], gone)
    assert text.progress(summary) == "2 of 12 results measured."

    gone = [missing(row, "part0", 0, "No images.") for row in ("first", "second")]
    gone += [missing(row, "part1", seed, "No masks.") for row, seed in (("first", 0), ("second", 1))]
    assert text.missing_results(table(), gone) == [
        "1 category (part0), all rows, seed 0: No images.",
        "1 category (part1), 1*2|3, seed 0: No masks.",
        "1 category (part1), S_2, seed 1: No masks.",
    ]
    assert text.missing_results(table(), []) == text.missing_results(table(name="other-1"), gone) == []


def test_a_shared_training_counts_once_in_the_costs() -> None:
    places = [(row, "part0", seed) for row in ("first", "second") for seed in (0, 1)]
    summary = summarise(table(), [result(*place, fit=f"fit {place[2]}") for place in places], [])
    first, _ = text.costs(summary)
    assert text.total_time(summary).startswith("2 trainings took 2 min 0 s;")
    assert (first["fit"], first["trainings"], first["shared"]) == ("2 min 0 s", "2", "S_2")
    shown = [first[key] for key in ("speed", "epoch", "epochs", "memory")]
    assert shown == ["10", "2 s", "1", text.NONE]

    summary = summarise(table(), [result("first", "part0", curve=[], peak_memory_mb=900.0)], [])
    (one,) = text.costs(summary)
    assert [one[key] for key in ("epoch", "epochs", "memory")] == [text.NONE, text.NONE, "900 MB"]
    assert text.total_time(summary) == "The one training took 1 min 0 s."
