"""A detector without a model, and what a page says."""

import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from PIL import Image

from blemish.calibration import Calibration
from blemish.datasets import Sample
from blemish.images.drawing import HeatScale
from blemish.images.frame import Frame
from blemish.inference.result import Result

SIZE = 32
NASTY = '<script>alert("1")</script>&'


def samples(
    folder: Path, good: int, bad: int, *, masks: bool = False, names: Iterable[str] = ()
) -> list[Sample]:
    """Good images, scratches and dents, and more defective ones of these names; there are no files."""
    mask = folder / "mask.png" if masks else None
    if mask:
        square = np.zeros((SIZE, SIZE), np.uint8)
        square[12:20, 12:20] = 1
        Image.fromarray(square).save(mask)
    made = [Sample(Path(f"good/{index}.png"), 0) for index in range(good)]
    kinds = [("scratch", "dent")[index % 2] for index in range(bad)]
    made += [Sample(Path(f"bad/{index}.png"), 1, kind, mask) for index, kind in enumerate(kinds)]
    return made + [Sample(Path(name), 1, NASTY, mask) for name in names]


class FakeDetector:
    """Scores each path as it was told to; a blob in the map peaks at the score."""

    frame = Frame(resize=SIZE, crop=SIZE)
    rules = None

    def __init__(
        self,
        scores: dict[str, float],
        rate: float = 0.05,
        *,
        redraws: bool = False,
        warning: str = "",
        size: tuple[int, int] = (SIZE, SIZE),
    ) -> None:
        """Every picture has this width and height."""
        self.scores, self.redraws, self.warning, self.size = scores, redraws, warning, size
        self.calibration = Calibration(1e-9 * np.exp(np.linspace(-1, 1, 99)), rate)
        peaks = self.calibration.scores * (50 if redraws else 1)
        self.map_peaks = Calibration(peaks, rate)
        self.heat_scale = HeatScale.from_calibration(self.map_peaks)
        self.metadata = {
            "method": "gtrans",
            "config": {"backbone": "resnet34"},
            "training": {"epochs": 7, "seed": 11, "note": NASTY},
            "data": {"images": 123, "sha256": "0a1b" * 16},
        }

    def predict_many(
        self, paths: Iterable[Path | str], *, explain: bool = False, consecutive: bool = False
    ) -> Iterator[Result]:
        for path in map(str, paths):
            if path not in self.scores:
                yield Result(path, error=f"{path} is damaged.")
                continue
            score = self.scores[path]
            p_value = self.calibration.p_value(score)
            rows, columns = np.mgrid[:SIZE, :SIZE]
            blob = np.exp(-((rows - 16) ** 2 + (columns - 16) ** 2) / 20) * score
            image = np.random.default_rng(len(path)).integers(60, 180, (SIZE, SIZE, 3), dtype=np.uint8)
            anomalous = self.calibration.is_anomalous(score)
            pictures = (255 - image, (blob / score).astype(np.float32)) if explain and self.redraws else ()
            anomaly_map = blob.astype(np.float32)
            width, height = self.size
            of = {"frame": self.frame, "size": self.size, "array": np.resize(image, (height, width, 3))}
            yield Result(path, score, p_value, anomalous, anomaly_map, image, *pictures, **of)


class Page(HTMLParser):
    """Text, tags and everything a page could load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.source = text
        self.words, self.tags, self.links = [], [], []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if re.fullmatch("src|srcset|(xlink:)?href", name)]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "p"):
            self.words.append(" ")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words)).replace("\N{NON-BREAKING HYPHEN}", "-")


def assert_harmless(page: Page) -> None:
    assert page.links and all(link.startswith("data:image/") for link in page.links)
    assert not {"script", "link", "iframe", "object", "base"} & set(page.tags)
    assert not re.search(r"https?://|url\(|@import", page.source)
