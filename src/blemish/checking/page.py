"""One self-contained HTML page about a check: no network, no scripts, no other files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from blemish.checking.result import Check
from blemish.images.drawing import data_uri
from blemish.images.maps import shrink
from blemish.images.reading import read_image
from blemish.inference.result import PAGE_SIDE
from blemish.reports.gallery import Card, Gallery, Picture, are_small, legend, most_hidden
from blemish.reports.numbers import short_number
from blemish.reports.template import render, write_text

if TYPE_CHECKING:
    from blemish.training.oddness import Oddness

ODDEST, FAULTY, COPIES = 12, 6, 6  # cards per gallery
LISTED = 20  # rows of the table


def write_page(check: Check, oddness: "Oddness", path: Path) -> None:
    """Write the page over an older one; folders on the way must be there.

    Args:
        check: what was found.
        oddness: what the images were ranked by; those shown are scored once more, left out.
        path: the HTML file.
    """
    sizes: set[tuple[int, int]] = set()
    numbers = {str(sample.path): number for number, sample in enumerate(oddness.rows.samples)}

    def cards(rows: list[dict[str, Any]]) -> list[Card]:
        return [_card(row, numbers[row["path"]], oddness, sizes) for row in rows]

    ranked = check.ranked
    faulty = [row for row in ranked if row["faults"]][:FAULTY]
    all_odd = sum(row["odd"] for row in ranked)
    text = (
        f"{all_odd or 'None'} of {len(ranked)} stand out. Highest scores first, each by a bank of the others."
    )
    galleries = [
        Gallery("Oddest images", text, cards(ranked[:ODDEST])),
        Gallery("Badly taken", "Beside the others of this folder.", cards(faulty)),
        Gallery(
            "Copies",
            "Equal or nearly equal; together they count once in the false-alarm rate.",
            _copies(check),
        ),
    ]
    html = render(
        "blemish.checking",
        check=check,
        tiles=_tiles(check),
        galleries=[gallery for gallery in galleries if gallery.cards],
        scale=oddness.heat_scale,
        legend=legend(oddness.heat_scale),
        hidden=most_hidden(sizes, oddness.frame),
        crisp=are_small(sizes),
        suspects=check.suspects[:LISTED],
    )
    write_text(path, html)


def _tiles(check: Check) -> list[tuple[str, int]]:
    rows = check.images
    return [
        ("Images", len(rows)),
        ("Odd", sum(row["odd"] for row in rows)),
        ("Badly taken", sum(bool(row["faults"]) for row in rows)),
        ("Copies", sum(bool(row["copy_of"]) for row in rows)),
        ("Unreadable", sum(bool(row["error"]) for row in rows)),
    ]


def _card(row: dict[str, Any], number: int, oddness: "Oddness", sizes: set[tuple[int, int]]) -> Card:
    """Of the image with this number; its width and height are added to `sizes`."""
    result = oddness.result(number)
    assert result.size is not None
    sizes.add(result.size)
    pictures = [
        Picture(caption, data_uri(picture))
        for caption, picture in result.pictures(oddness.heat_scale).items()
    ]
    score = f"Rank {row['rank']}, score {short_number(row['score'])}"
    head = ", ".join((["odd"] if row["odd"] else []) + row["faults"])
    return Card(Path(row["path"]).name, head, pictures, details=[score])


def _copies(check: Check) -> list[Card]:
    cards = []
    for row in [row for row in check.images if row["copy_of"]][:COPIES]:
        pictures = [
            Picture(caption, data_uri(shrink(read_image(path), PAGE_SIDE)))
            for caption, path in (("copy", row["path"]), ("original", row["copy_of"]))
        ]
        cards.append(Card(Path(row["path"]).name, f"of {Path(row['copy_of']).name}", pictures))
    return cards
