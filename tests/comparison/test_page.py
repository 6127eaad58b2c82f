"""The comparison's page is one harmless file that fits the screen, with and without real defects."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from blemish.comparison.assemble import (
    Runs,
    differences,
    method_table,
    rank_by_aupro,
    rank_by_defects,
    rank_by_synthetic,
)
from blemish.comparison.entries import Entry
from blemish.comparison.figures import interval_figure
from blemish.comparison.measure import load_overlaps, measure, save_overlaps
from blemish.comparison.page import write_page
from blemish.comparison.recommendation import recommend
from blemish.comparison.result import Comparison
from blemish.comparison.runs import Run
from blemish.datasets import Sample
from blemish.evaluation.metrics import auroc
from tests.browser import assert_fits, needs_browser
from tests.reports.test_report import NASTY, SIZE, FakeDetector, Page

LABELS = ("gtrans", "gtrans:paper", "patchcore", "padim", "spade")


def samples(folder: Path, good: int, bad: int, *, masks: bool, names: tuple[str, ...] = ()) -> list[Sample]:
    square = np.zeros((SIZE, SIZE), np.uint8)
    square[12:20, 12:20] = 1
    Image.fromarray(square).save(folder / "mask.png")
    mask = folder / "mask.png" if masks else None
    made = [Sample(Path(f"good/{index}.png"), 0) for index in range(good)]
    made += [
        Sample(Path(f"bad/{index}.png"), 1, ("scratch", "dent")[index % 2], mask) for index in range(bad)
    ]
    return made + [Sample(Path(name), 1, NASTY, mask) for name in names]


def synthetic_samples(folder: Path, originals: int) -> list[Sample]:
    _ = samples(folder, 0, 0, masks=True)
    made = []
    for number in range(originals):
        made.append(Sample(Path(f"{number}.png"), 0))
        for kind in ("patch", "blob", "scratch"):
            for strength in ("faint", "medium", "strong"):
                path = Path(f"{number}-{kind}-{strength}.png")
                made.append(Sample(path, 1, f"{kind}, {strength}", folder / "mask.png"))
    return made


def detector(everything: list[Sample], seed: int, quality: float) -> FakeDetector:
    rng = np.random.default_rng(seed)
    shared = np.random.default_rng(99).normal(0, 0.5, len(everything))
    scores = {
        str(sample.path): 1e-9 * np.exp(rng.normal(quality * (sample.label or 0), 0.5) + noise)
        for sample, noise in zip(everything, shared, strict=True)
    }
    return FakeDetector(scores)


def runs_of(
    folder: Path,
    test: list[Sample],
    synthetic: list[Sample] | None = None,
    *,
    seeds: int = 1,
    labels: tuple[str, ...] = LABELS,
) -> tuple[Runs, dict[str, FakeDetector]]:
    runs: Runs = {label: [] for label in labels}
    detectors = {}
    for number, label in enumerate(labels):
        for seed in range(seeds):
            one = detector(test + (synthetic or []), 10 * number + seed, 2 - 0.3 * number)
            detectors.setdefault(label, one)
            measured, curves = measure(one, test)  # type: ignore[arg-type]
            measured["false_alarms"]["p"] = 0.5
            drawn = measure(one, synthetic)[0] if synthetic else None  # type: ignore[arg-type]
            fit = {
                "seconds": 60.0 * (number + 1),
                "peak_memory_mb": 900.0,
                "model_bytes": 10**7 * (number + 1),
            }
            method, _, preset = label.partition(":")
            entry = Entry(label, {"method": method, "preset": preset or None}, None)
            runs[label].append(
                Run(entry, seed, folder / f"{label}.safetensors", fit, measured, drawn, curves)
            )
    return runs, detectors


def compared(folder: Path, runs: Runs, name: str = "parts") -> Comparison:
    first = next(iter(runs.values()))[0]
    ranking = rank_by_synthetic(runs) if first.synthetic else rank_by_defects(runs)
    title = ("synthetic AUROC" if first.synthetic else "image AUROC") if ranking else ""
    table = method_table(runs, ranking, {label: 10.0 * (index + 1) for index, label in enumerate(runs)})
    pairs = {title: differences(list(runs), ranking)} if ranking else {}
    if not first.synthetic and (aupro := rank_by_aupro(runs)):
        pairs["AUPRO"] = differences(list(runs), aupro)
    labels = [row["label"] for row in first.measured["images"]]
    images = {"train": 80, "good": labels.count(0), "defective": labels.count(1), "kept_out": 0}
    advice = recommend(table, pairs.get(title, []), measure=title, images=images)
    machine = {"device": "CPU", "threads": 2}
    return Comparison(name, images, title, table, pairs, advice, machine, ["Note " * 20 + NASTY])


def page(folder: Path, *, synthetic: bool = False, **options: Any) -> Page:
    drawn = synthetic_samples(folder, 4) if synthetic else None
    names = () if synthetic else ("<script>.png", "a_very_long_name_" * 8 + ".png")
    test = samples(folder, 20, 0 if synthetic else 12, masks=not synthetic, names=names)
    runs, detectors = runs_of(folder, test, drawn, seeds=2 if synthetic else 1, **options)
    path = folder / "page.html"
    write_page(compared(folder, runs, NASTY + "x" * 60), runs, detectors, path)  # type: ignore[arg-type]
    return Page(path.read_text(encoding="utf-8"))


class TestPage:
    def test_nothing_is_loaded_from_elsewhere_and_names_are_harmless(self, tmp_path: Path) -> None:
        made = page(tmp_path)
        assert made.links and all(link.startswith("data:image/") for link in made.links)
        assert not {"script", "link", "iframe", "object", "base"} & set(made.tags)
        assert not re.search(r"https?://|url\(|@import", made.source)
        assert "<script>.png" in made.text and made.text.count(NASTY) >= 3

    def test_the_recommendation_comes_first(self, tmp_path: Path) -> None:
        text = page(tmp_path).text
        order = [
            "Blemish comparison",
            "has the highest image AUROC",
            "Accuracy",
            "Differences in image AUROC",
        ]
        order += ["Differences in AUPRO", "AUROC by kind", "Verdicts", "Costs", "Heat maps"]
        places = [text.index(part) for part in order]
        assert places == sorted(places)
        assert "DeLong's test, corrected for the 10 pairs (Holm)" in text

    def test_every_method_has_a_map_of_every_image_shown(self, tmp_path: Path) -> None:
        made = page(tmp_path)
        cards = made.tags.count("article")
        assert cards == 12
        assert len(made.links) == 1 + cards * (1 + len(LABELS))
        for title in ("Hardest defects", "Disagreements", "Hottest good images"):
            assert title in made.text

    def test_synthetic_defects_are_named_so_everywhere(self, tmp_path: Path) -> None:
        text = page(tmp_path, synthetic=True).text
        for part in (
            "For a start, take",
            "they are not your defects",
            "Response to synthetic defects synthetic",
            "Differences in synthetic AUROC",
            "AUROC by kind of synthetic defect",
            "Stability",
            "Not your defects.",
        ):
            assert part in text
        assert "Defects found" not in text and "Accuracy" not in text

    def test_too_few_images_to_test(self, tmp_path: Path) -> None:
        text = page(tmp_path, synthetic=True).text
        assert "too few images to test" in text and "A test takes 10 images of each class or more." in text
        assert "Holm" not in text

    def test_one_method_alone(self, tmp_path: Path) -> None:
        text = page(tmp_path, labels=("padim",)).text
        assert "One method was measured" in text and "Differences" not in text

    def test_only_one_class(self, tmp_path: Path) -> None:
        test = samples(tmp_path, 0, 6, masks=False)
        runs, detectors = runs_of(tmp_path, test)
        comparison = compared(tmp_path, runs)
        assert comparison.measure == "" and comparison.recommendation["choice"] is None
        write_page(comparison, runs, detectors, tmp_path / "page.html")  # type: ignore[arg-type]
        assert "Accuracy could not be measured" in (tmp_path / "page.html").read_text(encoding="utf-8")


class TestAssembling:
    def test_seeds_are_averaged(self, tmp_path: Path) -> None:
        runs, _ = runs_of(tmp_path, samples(tmp_path, 15, 10, masks=True), seeds=3)
        for row in compared(tmp_path, runs).methods:
            assert row["auroc"] == pytest.approx(np.mean(row["auroc_seeds"]))
            assert len(row["auroc_seeds"]) == 3 and row["stability"] is not None

    def test_images_that_one_method_could_not_score_count_for_none(self, tmp_path: Path) -> None:
        test = samples(tmp_path, 15, 10, masks=False)
        runs, _ = runs_of(tmp_path, test)
        rows = runs["padim"][0].measured["images"]
        del rows[0]
        ranking = rank_by_defects(runs)
        assert ranking is not None
        kept = runs["gtrans"][0].measured["images"][1:]
        area = auroc([row["score"] for row in kept], [row["label"] for row in kept])
        assert ranking.values[0] == pytest.approx(area)

    @pytest.mark.parametrize(("count", "tested"), [(9, False), (10, True)])
    def test_no_difference_is_tested_on_a_handful_of_images(
        self, tmp_path: Path, count: int, tested: bool
    ) -> None:
        runs, _ = runs_of(tmp_path, samples(tmp_path, 12, count, masks=True), labels=("gtrans", "padim"))
        drawn, _ = runs_of(
            tmp_path,
            samples(tmp_path, 12, 0, masks=False),
            synthetic_samples(tmp_path, count),
            labels=("gtrans", "padim"),
        )
        for ranking in (rank_by_defects(runs), rank_by_aupro(runs), rank_by_synthetic(drawn)):
            assert ranking is not None
            (row,) = differences(["gtrans", "padim"], ranking)
            assert (row["p"] is not None) is tested and (tested or not row["significant"])

    def test_the_preset_in_force(self, tmp_path: Path) -> None:
        runs, _ = runs_of(tmp_path, samples(tmp_path, 5, 5, masks=False))
        presets = [row["preset"] for row in compared(tmp_path, runs).methods]
        assert presets == ["improved", "paper", "", "", ""]

    def test_aupro_is_not_compared_on_different_images(self, tmp_path: Path) -> None:
        runs, _ = runs_of(tmp_path, samples(tmp_path, 5, 5, masks=True))
        assert rank_by_aupro(runs) is not None
        runs["padim"][0].measured["masked"].pop()
        assert rank_by_aupro(runs) is None

    def test_an_original_that_lacks_a_score_is_left_out(self, tmp_path: Path) -> None:
        drawn = synthetic_samples(tmp_path, 5)
        runs, _ = runs_of(tmp_path, samples(tmp_path, 5, 0, masks=False), drawn)
        del runs["spade"][0].synthetic["images"][3]  # type: ignore[index]
        ranking = rank_by_synthetic(runs)
        assert ranking is not None
        kept = runs["gtrans"][0].synthetic["images"][10:]  # type: ignore[index]
        area = auroc([row["score"] for row in kept], [row["label"] for row in kept])
        assert ranking.values[0] == pytest.approx(area)

    def test_curves_survive_the_file(self, tmp_path: Path) -> None:
        runs, _ = runs_of(tmp_path, samples(tmp_path, 5, 5, masks=True))
        curves = runs["padim"][0].curves
        save_overlaps(tmp_path / "curves.npz", curves)
        read = load_overlaps(tmp_path / "curves.npz")
        assert read is not None and curves is not None
        assert all(np.array_equal(one, other) for one, other in zip(read, curves, strict=True))
        save_overlaps(tmp_path / "curves.npz", None)
        assert load_overlaps(tmp_path / "curves.npz") is None


def test_interval_figure() -> None:
    figure = interval_figure([("a", 0.9, [0.85, 0.95]), ("b", 1.0, [1.0, 1.0])], "a", "image AUROC")
    assert figure.count("<circle") == 2 and figure.count("dot chosen") == 1
    places = [float(x) for x in re.findall(r'cx="([\d.]+)"', figure)]
    low, high = (float(x) for x in re.search(r'chosen" x1="([\d.]+)" x2="([\d.]+)"', figure).groups())  # type: ignore[union-attr]
    assert low < places[0] < high < places[1]
    assert "nan" not in interval_figure([("a", 1.0, [1.0, 1.0])], None, "image AUROC")


@needs_browser
@pytest.mark.parametrize(("width", "synthetic"), [(390, False), (390, True), (1280, False)])
def test_fits_the_screen(tmp_path: Path, width: int, synthetic: bool) -> None:
    assert_fits(page(tmp_path, synthetic=synthetic).source, width, tmp_path)
