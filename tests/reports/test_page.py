"""The evaluation page is one harmless file that says what was measured, whatever there was to measure."""

import base64
import io
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
from tests.reports.support import NASTY, SIZE, FakeDetector, Page, assert_harmless, samples


def report(folder: Path, *, broken: int = 0, name: str = "parts", **options: Any) -> Page:
    """Options are those of `samples` and `FakeDetector`."""
    fake = {key: options.pop(key) for key in ("rate", "redraws", "warning", "size") if key in options}
    test = samples(folder, **{"good": 20, "bad": 15} | options)
    rng = np.random.default_rng(0)
    detector = FakeDetector({str(s.path): 1e-9 * np.exp(rng.normal(2 * s.label, 0.8)) for s in test}, **fake)
    test += [Sample(Path(f"good/broken{index}.png"), 0) for index in range(broken)]
    evaluation = evaluate(detector, test, name=name)  # type: ignore[arg-type]
    path = folder / "new folder" / "report.html"
    write_report(evaluation, detector, path)  # type: ignore[arg-type]
    return Page(path.read_text(encoding="utf-8"))


def test_names_are_harmless_and_nothing_is_loaded(tmp_path: Path) -> None:
    names = ("<script>.png", 'x" onerror="alert(1).png')
    page = report(tmp_path, names=names, name=NASTY, masks=True)
    assert_harmless(page)
    assert all(name in page.text for name in names)
    assert page.text.count(NASTY) >= 4  # title, heading, table of kinds, training note
    assert "?.png" in report(tmp_path, names=("\udcff.png",)).text  # no unicode


def test_pictures_open_and_many_images_make_no_larger_page(tmp_path: Path) -> None:
    page = report(tmp_path, masks=True)
    legend, *drawn = (Image.open(io.BytesIO(base64.b64decode(link.partition(",")[2]))) for link in page.links)
    assert len(drawn) == 2 * 18  # for each of three times six images
    assert {image.size for image in drawn} == {(SIZE, SIZE)} and legend.width > SIZE
    assert len(report(tmp_path, good=1, bad=0).links) == 1 + 2
    source = report(tmp_path, redraws=True).source
    assert 'class="pictures crisp"' in source
    for caption in ("input", "reconstruction", "error map", "Grad-CAM (own scale)"):
        assert source.count(f"<span>{caption}</span>") == source.count(f'.png: {caption}"') == 18
    assert page.source.count('<label class="zoom"') == len(drawn), "each opens on a click"
    many = report(tmp_path, good=3000, bad=2000, masks=True)
    assert len(many.links) == len(page.links) and len(many.source) < 2 * len(page.source)


def test_large_pictures_are_shown_whole_and_smaller_and_what_is_hidden_is_said_once(tmp_path: Path) -> None:
    page = report(tmp_path, size=(1200, 600))
    sentence = (
        "The frame shows the network the central 50 % of a picture; frame.crop=none shows it whole ones."
    )
    assert page.text.count(sentence) == 1 and page.text.count("Hatched:") == 1
    drawn = [Image.open(io.BytesIO(base64.b64decode(link.partition(",")[2]))) for link in page.links[1:]]
    assert {image.size for image in drawn} == {(1000, 500)} and 'class="pictures crisp"' not in page.source
    assert 'class="cards stacked"' in page.source
    assert "Hatched:" not in report(tmp_path).text


PIXEL = ("Pixel AUROC", "AUPRO", "outline of the defect")
DEFECTS = ("Image AUROC", "ROC curve", "By kind of defect", "Best finds", "misses")
RATES = ("of 200 good images; 5 % asked", "95 % interval")
PICTURES = ("what it redraws badly is anomalous", "it also glows on good images")


@pytest.mark.parametrize(
    ("options", "present", "absent"),
    [
        ({}, ("resnet34", "training: epochs", "123", "0a1b0a1b", "good images 99"), (*PIXEL, *PICTURES)),
        ({"masks": True}, ("Defects found", "Image AUROC", *PIXEL), ("Please note",)),
        ({"good": 200, "bad": 50}, ("Worst misses", "✗ missed", "✗ false alarm", "✓ found", *RATES), ()),
        ({"good": 1, "bad": 1}, ("Image AUROC 1.000 perfect on these images",), ("1.000 to 1.000",)),
        ({"bad": 0}, ("only false alarms can be measured",), DEFECTS),
        ({"good": 0, "masks": True}, ("Defects found",), ("False alarms", "ROC curve")),
        ({"broken": 30}, ("good/broken0.png is damaged.", "and 10 more"), ()),
        ({"rate": 0.001}, ("99 calibration images cannot support a false-alarm rate of 0.1 %",), ()),
        ({"redraws": True}, PICTURES, ()),
    ],
)
def test_what_there_is_to_say(
    tmp_path: Path, options: dict[str, Any], present: tuple[str, ...], absent: tuple[str, ...]
) -> None:
    text = report(tmp_path, **options).text
    assert [part for part in present if part not in text] == [part for part in absent if part in text] == []


def test_the_fixed_scale_is_stated_and_one_of_peaks_is_not_passed_off_as_one_of_scores(
    tmp_path: Path,
) -> None:
    text, scale = report(tmp_path).text, FakeDetector({}).heat_scale
    for part in (*map(short_number, (scale.low, scale.alarm, scale.high)), "one fixed scale"):
        assert part in text
    assert "one third up the colours at the threshold." in text and "rare in good" not in text
    text, scale = report(tmp_path, redraws=True).text, FakeDetector({}, redraws=True).heat_scale
    assert f"{short_number(scale.alarm)} rare in good" in text
    assert "hottest spots of at most 5 % of good images exceed. This is not the threshold" in text
    assert "at the threshold" not in text.split("Error maps")[1].split("Worst misses")[0]


def test_the_warning_stands_under_the_title_before_any_number(tmp_path: Path) -> None:
    assert 'role="alert"' not in report(tmp_path).source
    page = report(tmp_path, warning=f"Not comparable {NASTY}.")
    order = ["Method gtrans", f"Not comparable {NASTY}.", "Image AUROC", "once more for their pictures"]
    places = [page.text.index(part) for part in order]
    assert places == sorted(places) and page.source.count('role="alert"') == 1


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize(("width", "redraws"), [(360, False), (360, True), (1280, True)])
def test_fits_the_screen(tmp_path: Path, width: int, redraws: bool) -> None:
    warning = "Not comparable. " * 9 if redraws else ""
    options: dict[str, Any] = {"masks": True, "rate": 0.001, "redraws": redraws, "warning": warning}
    page = report(tmp_path, names=("a_very_long_name_" * 8 + ".png",), name="x" * 90, **options)
    assert_fits(page.source, width, tmp_path)
