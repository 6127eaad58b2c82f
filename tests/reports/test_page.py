"""The evaluation page is one harmless file that says what was measured, whatever there was to measure."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from blemish.datasets.sample import Sample
from blemish.evaluation.evaluate import evaluate
from blemish.reports import write_report
from blemish.reports.numbers import short_number
from tests.browser import assert_fits, needs_browser
from tests.reports.support import NASTY, SIZE, FakeDetector, Page, assert_harmless, pictures


def report(
    folder: Path,
    *,
    good: int = 20,
    bad: int = 15,
    names: Iterable[str] = (),
    masks: bool = False,
    broken: int = 0,
    name: str = "parts",
    **detector_options: Any,
) -> Page:
    rng = np.random.default_rng(0)
    mask = folder / "mask.png"
    square = np.zeros((SIZE, SIZE), np.uint8)
    square[12:20, 12:20] = 1
    Image.fromarray(square).save(mask)
    samples = [Sample(Path(f"good/{index}.png"), 0) for index in range(good)]
    samples += [
        Sample(Path(f"bad/{index}.png"), 1, ("scratch", "dent")[index % 2], mask if masks else None)
        for index in range(bad)
    ]
    samples += [Sample(Path(name), 1, NASTY, None) for name in names]
    scores = {str(s.path): 1e-9 * np.exp(rng.normal(2 * (s.label or 0), 0.8)) for s in samples}
    samples += [Sample(Path(f"good/broken{index}.png"), 0) for index in range(broken)]
    detector = FakeDetector(scores, **detector_options)
    evaluation = evaluate(detector, samples, name=name)  # type: ignore[arg-type]
    path = folder / "new folder" / "report.html"
    write_report(evaluation, detector, path)  # type: ignore[arg-type]
    return Page(path.read_text(encoding="utf-8"))


def test_names_are_harmless_and_nothing_is_loaded(tmp_path: Path) -> None:
    names = ["<script>.png", 'x" onerror="alert(1).png']
    page = report(tmp_path, names=names, name=NASTY, masks=True)
    assert_harmless(page)
    assert all(name in page.text for name in names)
    assert page.text.count(NASTY) >= 4  # title, heading, table of kinds, training note
    assert "?.png" in report(tmp_path, names=["\udcff.png"]).text  # no unicode


def test_every_picture_opens(tmp_path: Path) -> None:
    drawn = pictures(report(tmp_path, masks=True))
    assert len(drawn) == 1 + 2 * 18  # legend, and two for each of three times six images
    assert {image.size for image in drawn[1:]} == {(SIZE, SIZE)}
    assert len(pictures(report(tmp_path, masks=True, redraws=True))) == 1 + 4 * 18
    assert len(pictures(report(tmp_path, good=1, bad=0))) == 1 + 2


PIXEL = ("Pixel AUROC", "AUPRO", "outline of the defect")
DEFECTS = ("Image AUROC", "ROC curve", "By kind of defect", "Best finds", "misses")


@pytest.mark.parametrize(
    ("options", "present", "absent"),
    [
        ({}, ("resnet34", "training: epochs", "123", "0a1b0a1b", "numpy", "good images 99"), PIXEL),
        ({"masks": True}, ("Defects found", "Image AUROC", *PIXEL), ("Please note",)),
        ({"good": 200, "bad": 50}, ("Worst misses", "✗ missed", "✗ false alarm", "✓ found"), ("Faintest",)),
        ({"good": 1, "bad": 1}, ("Image AUROC 1.000 perfect on these images",), ("1.000 to 1.000",)),
        ({"bad": 0}, ("only false alarms can be measured",), DEFECTS),
        ({"good": 0, "masks": True}, ("Defects found",), ("False alarms", "ROC curve")),
        ({"broken": 30}, ("good/broken0.png is damaged.", "and 10 more"), ()),
        ({"rate": 0.001}, ("99 calibration images cannot support a false-alarm rate of 0.1 %",), ()),
    ],
)
def test_what_there_is_to_say(
    tmp_path: Path, options: dict[str, Any], present: tuple[str, ...], absent: tuple[str, ...]
) -> None:
    text = report(tmp_path, **options).text
    assert [part for part in present if part not in text] == [part for part in absent if part in text] == []


def test_rates_and_intervals(tmp_path: Path) -> None:
    text = report(tmp_path, good=100, bad=100).text
    assert re.search(r"Image AUROC 0\.\d+ 95 % interval 0\.\d+ to [01]\.\d+", text)
    assert re.search(r"\d+ of 100 good images; 5 % asked", text)


def test_the_fixed_scale_is_stated(tmp_path: Path) -> None:
    text = report(tmp_path).text
    scale = FakeDetector({}).heat_scale
    for part in (*map(short_number, (scale.low, scale.alarm, scale.high)), "one fixed scale"):
        assert part in text
    assert "one third up the colours at the threshold." in text and "rare in good" not in text


def test_a_scale_of_peaks_is_not_passed_off_as_one_of_scores(tmp_path: Path) -> None:
    text = report(tmp_path, redraws=True).text
    scale = FakeDetector({}, redraws=True).heat_scale
    assert f"{short_number(scale.alarm)} rare in good" in text
    assert "hottest spots of at most 5 % of good images exceed. This is not the threshold" in text
    assert "at the threshold" not in text.split("Error maps")[1].split("Worst misses")[0]


def test_reconstructions_are_shown_and_explained(tmp_path: Path) -> None:
    plain, page = report(tmp_path), report(tmp_path, redraws=True)
    assert "redraws" not in plain.text and "Grad-CAM" not in plain.text
    assert "what it redraws badly is anomalous" in page.text
    assert "it also glows on good images" in page.text
    for caption in ("input", "reconstruction", "error map", "Grad-CAM (own scale)"):
        assert page.source.count(f"<span>{caption}</span>") == page.source.count(f'.png: {caption}"') == 18
    assert 'class="pictures crisp"' in page.source


def test_the_warning_stands_under_the_title_before_any_number(tmp_path: Path) -> None:
    assert 'role="alert"' not in report(tmp_path).source
    page = report(tmp_path, warning=f"Not comparable {NASTY}.")
    order = [
        "Method gtrans",
        f"Not comparable {NASTY}.",
        "Image AUROC",
        "scored once more for their pictures",
    ]
    places = [page.text.index(part) for part in order]
    assert places == sorted(places) and page.source.count('role="alert"') == 1


def test_many_images_make_no_larger_page(tmp_path: Path) -> None:
    few, many = report(tmp_path), report(tmp_path, good=3000, bad=2000)
    assert len(many.links) == len(few.links) and len(many.source) < 2 * len(few.source)


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize(("width", "redraws"), [(360, False), (360, True), (1280, True)])
def test_fits_the_screen(tmp_path: Path, width: int, redraws: bool) -> None:
    warning = "Not comparable. " * 9 if redraws else ""
    options: dict[str, Any] = {"masks": True, "rate": 0.001, "redraws": redraws, "warning": warning}
    page = report(tmp_path, names=["a_very_long_name_" * 8 + ".png"], name="x" * 90, **options)
    assert_fits(page.source, width, tmp_path)
