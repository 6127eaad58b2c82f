"""The comparison's page is one harmless file that fits the screen, with and without real defects."""

from pathlib import Path
from typing import Any

import pytest

from blemish.comparison.page import write_comparison
from tests.browser import assert_fits, needs_browser
from tests.comparison.support import LABELS, compared, fitted_models, samples, synthetic_samples
from tests.reports.support import NASTY, Page, assert_harmless


def page(folder: Path, *, synthetic: bool = False, seeds: int = 1, **options: Any) -> Page:
    names = () if synthetic else ("<script>.png", "a_very_long_name_" * 8 + ".png")
    test = samples(folder, 20, 0 if synthetic else 12, masks=not synthetic, names=names)
    drawn = synthetic_samples(4) if synthetic else None
    models, detectors = fitted_models(test, drawn, seeds=seeds, **options)
    path = folder / "page.html"
    write_comparison(compared(models, NASTY + "x" * 60), models, detectors, path)  # type: ignore[arg-type]
    return Page(path.read_text(encoding="utf-8"))


def test_nothing_is_loaded_from_elsewhere_and_names_are_harmless(tmp_path: Path) -> None:
    made = page(tmp_path)
    assert_harmless(made)
    assert "<script>.png" in made.text and made.text.count(NASTY) >= 3


def test_the_recommendation_comes_first(tmp_path: Path) -> None:
    text = page(tmp_path).text
    order = ["Blemish comparison", "has the highest image AUROC", "Accuracy", "Differences in image AUROC"]
    order += ["AUROC by kind", "Verdicts", "Costs", "Heat maps"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert "DeLong's test, corrected for the 10 pairs (Holm)" in text


def test_every_method_has_a_map_of_every_image_shown(tmp_path: Path) -> None:
    made = page(tmp_path)
    cards = made.tags.count("article")
    assert cards == 12
    assert len(made.links) == 1 + cards * (1 + len(LABELS))
    for title in ("Hardest defects", "Disagreements", "Hottest good images"):
        assert title in made.text


def test_aurocs_and_aupros_have_their_spread_over_seeds(tmp_path: Path) -> None:
    assert "±" not in page(tmp_path, labels=("padim", "spade")).text
    assert page(tmp_path, labels=("padim", "spade"), seeds=2).text.count("±") == 4


def test_synthetic_defects_are_named_so_everywhere(tmp_path: Path) -> None:
    text = page(tmp_path, synthetic=True, seeds=2).text
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
    assert "too few images to test" in text and "A test takes 10 images of each class or more." in text
    assert "Holm" not in text


def test_one_method_alone(tmp_path: Path) -> None:
    text = page(tmp_path, labels=("padim",)).text
    assert "One method was measured" in text and "Differences" not in text


def test_only_one_class(tmp_path: Path) -> None:
    models, detectors = fitted_models(samples(tmp_path, 0, 6, masks=False), labels=("padim", "spade"))
    comparison = compared(models)
    assert comparison.measure == "" and comparison.recommendation["choice"] is None
    write_comparison(comparison, models, detectors, tmp_path / "page.html")  # type: ignore[arg-type]
    assert "Accuracy could not be measured" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize(("width", "synthetic"), [(390, False), (390, True), (1280, False)])
def test_fits_the_screen(tmp_path: Path, width: int, synthetic: bool) -> None:
    assert_fits(page(tmp_path, synthetic=synthetic, seeds=2).source, width, tmp_path)
