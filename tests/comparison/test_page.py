"""The comparison's page is one harmless file that fits the screen, with and without real defects."""

import re
from html import escape
from pathlib import Path
from typing import Any

import pytest

from blemish.comparison.page import write_comparison
from tests.browser import assert_fits, needs_browser
from tests.comparison.support import LABELS, compared, fitted_models, synthetic_samples
from tests.reports.support import NASTY, Page, assert_harmless, samples


def page(folder: Path, good: int = 20, bad: int = 12, *, synthetic: bool = False, **options: Any) -> Page:
    names = ("<script>.png", "a_very_long_name_" * 8 + ".png") if good and bad else ()
    test = samples(folder, good, bad, masks=not synthetic, names=names)
    models, detectors = fitted_models(test, synthetic_samples(4) if synthetic else None, **options)
    path = folder / "page.html"
    write_comparison(compared(models, NASTY + "x" * 60), models, detectors, path)  # type: ignore[arg-type]
    return Page(path.read_text(encoding="utf-8"))


def test_the_recommendation_comes_first_and_names_are_harmless(tmp_path: Path) -> None:
    made = page(tmp_path)
    assert_harmless(made)
    assert "<script>.png" in made.text and made.text.count(NASTY) >= 3
    order = ["Blemish comparison", "has the highest image AUROC", "Accuracy", "Differences in image AUROC"]
    order += ["AUROC by kind", "Verdicts", "Costs", "Heat maps"]
    places = [made.text.index(part) for part in order]
    assert places == sorted(places)
    assert "DeLong's test, corrected for the 10 pairs (Holm)" in made.text
    cards = made.tags.count("article")
    assert cards == 12 and len(made.links) == 1 + cards * (1 + len(LABELS)), "a map of each method"
    for title in ("Hardest defects", "Disagreements", "Hottest good images"):
        assert title in made.text


def test_aurocs_and_aupros_have_their_spread_over_seeds(tmp_path: Path) -> None:
    assert "±" not in page(tmp_path, labels=("padim", "spade")).text
    assert page(tmp_path, labels=("padim", "spade"), seeds=2).text.count("±") == 4


def test_synthetic_defects_are_named_so_everywhere(tmp_path: Path) -> None:
    text = page(tmp_path, bad=0, synthetic=True, seeds=2).text
    present = ["For a start, take", "they are not your defects", "Not your defects.", "Stability"]
    present += ["Response to synthetic defects synthetic", "Differences in synthetic AUROC"]
    present += ["AUROC by kind of synthetic defect", "A test takes 10 images of each class or more."]
    present += ["too few images to test"]
    assert [part for part in present if part not in text] == []
    assert not re.search("Defects found|Accuracy|Holm", text)


def test_one_method_alone_and_only_one_class(tmp_path: Path) -> None:
    text = page(tmp_path, labels=("padim",)).text
    assert "One method was measured" in text and "Differences" not in text
    text = page(tmp_path, good=0, labels=("padim", "spade")).text
    assert "Accuracy could not be measured" in text and "No recommendation" in text


@pytest.mark.parametrize(
    ("interval", "marked"), [([0.3, 0.5], True), ([0.0, 0.1], True), ([0.1, 0.5], False)]
)
def test_false_alarms_whose_interval_excludes_the_rate_are_marked(
    tmp_path: Path, interval: list[float], marked: bool
) -> None:
    models, detectors = fitted_models(samples(tmp_path, 20, 12), labels=("padim", "spade"))
    models["spade"][0].test.result.measured["false_alarms"] |= {"interval": interval, "in_force": 0.2}
    found = compared(models)
    write_comparison(found, models, detectors, tmp_path / "page.html")  # type: ignore[arg-type]
    text = Page((tmp_path / "page.html").read_text(encoding="utf-8")).text
    assert ("A star marks a share whose interval excludes" in " ".join(text.split())) is marked
    assert [" % *" in line for line in str(found).splitlines()[1:3]] == [False, marked]


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize(("width", "synthetic"), [(390, False), (390, True), (1280, False)])
def test_fits_the_screen(tmp_path: Path, width: int, synthetic: bool) -> None:
    made = page(tmp_path, bad=0 if synthetic else 12, synthetic=synthetic, seeds=2)
    assert_fits(made.source, width, tmp_path)


def test_it_prints_as_a_table_and_is_named_in_a_line(tmp_path: Path) -> None:
    found = compared(fitted_models(samples(tmp_path, 20, 12))[0])
    line = repr(found)
    assert line.startswith("<Comparison on parts: image AUROC, ") and len(line.splitlines()) == 1
    assert all(f"{row['label']} " in line for row in found.methods)
    assert found._repr_html_() == f"<pre>{escape(str(found))}</pre>" and str(found).startswith("method")
