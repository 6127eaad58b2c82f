"""Looks at the good images of a data set, each in turn against all others."""

import importlib.util
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from blemish.checking.faults import faults, look
from blemish.checking.page import write_page
from blemish.checking.result import Check
from blemish.datasets import Dataset, Source, check_trainable, read_dataset, without_listed
from blemish.datasets.loading import Rows, load_rows
from blemish.errors import BlemishError, ConfigError
from blemish.extras import install_command
from blemish.files import check_output
from blemish.images.reading import image_size
from blemish.progress import show_messages_to_people

METHOD = "rad"


def check(
    data: Source,
    *,
    page: str | Path = "check.html",
    held_out: str | None = None,
    data_root: str | Path | None = None,
    exclude: str | Path | None = None,
    weights: str | Path | None = None,
    backbone: str | None = None,
    tile: int | None = None,
    assignments: Iterable[str] = (),
) -> Check:
    """Rank the good images by how odd they are to a memory bank of the others, and find copies and bad shots.

    Nothing is fitted for later use, and test images are not touched.

    Args:
        data, held_out, data_root, exclude, weights, backbone, tile, assignments: as for `blemish.fit`.
        page: HTML file to write.

    Raises:
        BlemishError: something given cannot be used, or fewer than two images can be read.
    """
    show_messages_to_people()
    if importlib.util.find_spec("torch") is None:
        raise BlemishError(f"Checking needs PyTorch: {install_command('train')}.")
    from blemish.training.backbone import find_teacher, suited_to_backbone
    from blemish.training.config import build_config

    page = Path(page)
    check_output(page)
    values: dict[str, Any] = {"model": {"backbone": backbone}, "frame": {"tile": tile}}
    config = build_config(None, assignments, {"method": METHOD} | values)
    if config.frame.align or config.tolerate or config.contamination:
        raise ConfigError(
            "Checking looks at all images as they are; leave out frame.align, tolerate and contamination."
        )
    whole = read_dataset(data, held_out=held_out, data_root=data_root)
    dataset = without_listed(whole, exclude)
    check_trainable(dataset)
    source = find_teacher(config, weights)

    from blemish.models.settings import kept_random_states, usual_settings
    from blemish.training.cache import room_for_images
    from blemish.training.oddness import Oddness
    from blemish.training.read_images import shapes_of

    config = suited_to_backbone(config, shapes_of(dataset.train))
    room = partial(room_for_images, gigabytes=config.training.cache_gigabytes, folder=page.parent)
    rows = load_rows(dataset.train, config.frame, skip_unreadable=True, allocate=room)
    check_trainable(Dataset(dataset.name, train=rows.samples))
    with usual_settings(), kept_random_states():
        oddness = Oddness(rows, config, source)
        looks = [look(rows.picture(index, config.frame)) for index in range(len(rows.samples))]
        found = faults(looks, [image_size(sample.path)[::-1] for sample in rows.samples])
        result = Check(dataset.name, _images(dataset, rows, oddness.scores, oddness.odd, found))
        write_page(result, oddness, page)
    return result


def _images(
    dataset: Dataset, rows: Rows, scores: np.ndarray, odd: np.ndarray, found: list[list[str]]
) -> list[dict[str, Any]]:
    """The rows of a `Check`, in the order of the samples."""
    rank = np.empty(len(scores), np.int64)
    rank[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    scored = {
        str(sample.path): {"score": score, "rank": place, "odd": is_odd, "faults": of_image}
        for sample, score, place, is_odd, of_image in zip(
            rows.samples, scores.tolist(), rank.tolist(), odd.tolist(), found, strict=True
        )
    }
    copies = {str(copy.path): {"copy_of": str(original.path)} for copy, original in rows.copies}
    for number, first in enumerate(rows.groups):
        if first != number:
            scored[str(rows.samples[number].path)]["copy_of"] = str(rows.samples[first].path)
    errors = {path: {"error": error} for path, error in rows.skipped}
    nothing: dict[str, Any] = {
        "score": None,
        "rank": None,
        "odd": False,
        "faults": [],
        "copy_of": "",
        "error": "",
    }
    paths = dict.fromkeys(str(sample.path) for sample in dataset.train)
    return [
        {"path": path, **nothing, **(scored.get(path) or copies.get(path) or errors.get(path) or {})}
        for path in paths
    ]
