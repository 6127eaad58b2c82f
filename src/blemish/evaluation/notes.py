"""Sentences that an evaluation's numbers are to be read with."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blemish.datasets.sample import Sample
from blemish.images.frame import hidden
from blemish.images.known_part import other_parts

if TYPE_CHECKING:
    from blemish.inference.detector import Detector

MOST_MARKED = 0.5  # of an image, by a mask that is hardly an inverted one


def image_notes(
    samples: list[Sample], masks: list[np.ndarray | None], unreadable: int, known: int
) -> list[str]:
    """What the images cannot tell; `unreadable` of them, and `known` ones that the model was fitted to."""
    notes = []
    if known:
        notes.append(
            f"{known} of {len(samples)} images were used to fit this model: the numbers here flatter it."
        )
    if unreadable:
        notes.append(f"{unreadable} of {len(samples)} images could not be read; no number counts them.")
    if not any(sample.label for sample in samples):
        notes.append("There are no defective test images: only false alarms can be measured.")
    if all(sample.label for sample in samples):
        notes.append("There are no good test images: only the share of defects found can be measured.")
    masked = sum(mask is not None for mask in masks)
    unmasked = sum(bool(sample.label) for sample in samples) - masked
    if masked and unmasked:
        notes.append(
            f"The pixel metrics leave out {unmasked} defective images that have no mask, or an empty one."
        )
    return notes


def mask_notes(marked: dict[str, float]) -> list[str]:
    """Masks that are empty or look inverted, by the share of its image that each marks, in 0..1."""
    empty = [mask for mask, share in marked.items() if not share]
    large = [mask for mask, share in marked.items() if share > MOST_MARKED]
    notes = []
    if empty:
        notes.append(
            f"{len(empty)} of {len(marked)} masks are empty and count as none; the first is {empty[0]}."
        )
    if large:
        notes.append(
            f"{len(large)} of {len(marked)} masks mark more than half of their image; if they are inverted, "
            f"swap black and white. The first is {large[0]}."
        )
    return notes


def part_notes(rows: list[dict[str, Any]]) -> list[str]:
    """How many good pictures show another part; a large defect may look like one."""
    looks = [bool(row["is_other_part"]) for row in rows if not row["label"]]
    return [other_parts(sum(looks), len(looks))] if any(looks) else []


def frame_notes(detector: "Detector") -> list[str]:
    """What the frame hides."""
    remark = hidden(detector.frame, detector.metadata.get("data", {}).get("visible_share"))
    return [remark] if remark else []


def rule_notes(detector: "Detector", verdicts: dict[str, dict[str, int]] | None) -> list[str]:
    """Which rules are in force, and the verdicts that they give (`Evaluation.verdicts`)."""
    if detector.rules is None or verdicts is None:
        return []
    notes = [f"Rules ({Path(detector.rules.name).name}) give the verdicts: {detector.rules.rules}."]
    for kind, counts in verdicts.items():
        called = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        notes.append(f"The {kind} images are called: {called}.")
    return notes
