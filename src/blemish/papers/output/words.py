"""Sentences that all outputs share."""

from blemish.comparison.text import duration
from blemish.papers.output.numbers import signed
from blemish.papers.output.pairs import OVER_CATEGORIES, OVER_IMAGES, Pair
from blemish.papers.output.summary import Summary
from blemish.papers.table import METRIC_NAMES

HELD_OUT = {"cifar10", "stl10"}
DAGGER = "\N{DAGGER}"


def reading(summary: Summary) -> list[str]:
    """How the numbers are to be read."""
    shown = [cell.measured for cell in summary.cells if cell.measured]
    sentences = []
    if not shown:
        return ["Nothing is measured yet; all numbers are the paper's."]
    seeds = sorted({len(one.seeds) for one in shown if one.sd is not None})
    if seeds:
        sentences.append(
            f"± is the standard deviation over seeds ({' or '.join(map(str, seeds))} of them); of a mean of "
            "categories, over the seeds that all of them have."
        )
    else:
        sentences.append("One seed: how much another training would change is not known.")
    if any(not one.complete for one in shown):
        sentences.append(
            "A mean over only some of the categories says how many; no difference is given for it, because "
            "the paper's is over all."
        )
    if any(row.state == "quoted" for row in summary.rows):
        sentences.append(
            "Quoted: the paper took these numbers from others, and the method is not among ours."
        )
    return sentences


def intervals(summary: Summary) -> list[str]:
    """How the intervals of single numbers are to be read, where they are shown."""
    shown = [cell.measured for cell in summary.cells if cell.measured and cell.measured.interval]
    if not shown:
        return []
    sentences = [
        "Intervals are 95 % and say how far an image AUROC would move with other test images of the same "
        "kind and number; each class is resampled by itself."
    ]
    held_out = any(place[0] in HELD_OUT for column in summary.columns for place in column.places)
    if held_out and any(one.of > 1 for one in shown):
        sentences.append(
            "Classes held out in turn share test images; the interval of a mean takes them as different ones."
        )
    return sentences


def corrections(summary: Summary) -> list[str]:
    """What the daggers mean."""
    return [f"{DAGGER} {one.row}, {one.column}: {one.why}" for one in summary.corrections]


def progress(summary: Summary) -> str:
    """How much of the table is measured."""
    done = len(summary.results)
    return f"{done} of {done + summary.missing} results measured."


def total_time(summary: Summary) -> str:
    """What all trainings took."""
    seconds = duration(sum(training.seconds for training in summary.trainings))
    if len(summary.trainings) == 1:
        return f"The one training took {seconds}."
    return f"{len(summary.trainings)} trainings took {seconds}; one that rows share counts once here."


def family(data: str, metric: str) -> str:
    """What a group of pairs is about."""
    return f"{METRIC_NAMES[metric]} on {data}"


def pair_test(pair: Pair) -> str:
    """A pair's p-value, "" where there is none."""
    if pair.p_corrected is None:
        return ""
    return "p < 0.001" if pair.p_corrected < 0.001 else f"p = {pair.p_corrected:.2g}"


def pair_interval(pair: Pair, unit: str) -> str:
    """A pair's interval with signs: "-0.4 to +1.3"."""
    if pair.interval is None:
        return ""
    return " to ".join(signed(bound, unit) for bound in pair.interval)


def tests(pairs: list[Pair]) -> str:
    """What the tests of one group cover, in sentences."""
    tested = [pair for pair in pairs if pair.p is not None]
    used = {pair.test for pair in tested}
    over = {pair.resampled for pair in pairs if pair.resampled}
    sentences = []
    if OVER_CATEGORIES in used:
        sentences.append(f"p is by {OVER_CATEGORIES}: would other categories rank the two alike?")
    if OVER_IMAGES in used:
        several = any(pair.categories > 1 for pair in tested if pair.test == OVER_IMAGES)
        names = "these categories'" if several else "this category's"
        sentences.append(
            f"p is by {OVER_IMAGES}: it is about {names} test images only, and covers neither other "
            "trainings nor other categories."
        )
    if len(tested) > 1:
        sentences.append(f"It is corrected for the {len(tested)} pairs tested (Holm).")
    sentences += sorted({pair.why for pair in pairs if pair.why})
    if over:
        sentences.append(f"Intervals are 95 %, by a paired bootstrap over {' and '.join(sorted(over))}.")
    return " ".join(sentences)
