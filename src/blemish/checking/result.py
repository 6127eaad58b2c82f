"""What a check found, as sentences, rows and a list of suspects."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from blemish.files import whole_file, writing
from blemish.reports.numbers import several
from blemish.spreadsheet import uncalculated

NAMED = 5  # images in a sentence
COLUMNS = ("path", "score", "rank", "odd", "faults", "copy_of", "error")


@dataclass(frozen=True, repr=False)
class Check:
    """What was found in the good images of a data set.

    Attributes:
        name: of the data set.
        images: a row for each file: "path"; "score" of the left-out image by a memory bank of the others,
            and "rank", 1 for the oddest, both None of an equal copy and what cannot be read; "odd", whether
            the score stands out; "faults", a list; "copy_of", a path or ""; "error", a sentence or "".
    """

    name: str
    images: list[dict[str, Any]]

    def __repr__(self) -> str:
        images = several(len(self.images), "image")
        return f"<Check of {self.name}: {images}, {len(self.suspects)} suspect>"

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    @property
    def ranked(self) -> list[dict[str, Any]]:
        """The rows with a score, the oddest first."""
        return sorted((row for row in self.images if row["rank"]), key=lambda row: int(row["rank"]))

    @property
    def suspects(self) -> list[dict[str, Any]]:
        """The rows of odd, faulty and unreadable images, the oddest first; copies are none."""
        broken = [row for row in self.images if row["error"]]
        return broken + [row for row in self.ranked if row["odd"] or row["faults"]]

    @property
    def sentences(self) -> list[str]:
        """What was found, a sentence for each kind."""
        rows = self.images
        found = [
            _sentence("Unreadable", [row["error"].rstrip(".") for row in rows if row["error"]]),
            _sentence(
                "Copies, which count once",
                [f"{row['path']} looks like {row['copy_of']}" for row in rows if row["copy_of"]],
            ),
        ]
        for fault in sorted({fault for row in rows for fault in row["faults"]}):
            named = [row["path"] for row in rows if fault in row["faults"]]
            found.append(_sentence(f"{fault[0].upper()}{fault[1:]}, unlike the others", named))
        found.append(
            _sentence(
                "Odd, unlike all others in some part", [row["path"] for row in self.ranked if row["odd"]]
            )
        )
        return [one for one in found if one] or ["Nothing stands out."]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"findings": self.sentences}

    def write_csv(self, path: Path) -> None:
        """Write the rows.

        Raises:
            BlemishError: the file cannot be written.
        """
        with whole_file(path) as file, writing(path):
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            for row in self.images:
                told = {"path": uncalculated(row["path"]), "faults": ", ".join(row["faults"])}
                table.writerow(row | told)

    def write_suspects(self, path: Path) -> None:
        """Write the paths of the suspects, one a line, for --exclude.

        Raises:
            BlemishError: the file cannot be written.
        """
        with whole_file(path) as file, writing(path):
            file.writelines(f"{row['path']}\n" for row in self.suspects)


def _sentence(what: str, named: Sequence[str]) -> str:
    """What how many images are, and the first of them; "" for none."""
    if not named:
        return ""
    images = several(len(named), "image")
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return f"{what}: {images}, {'; '.join(named[:NAMED])}{more}."
