"""The evaluation page is one harmless file that says what was measured, whatever there was to measure."""

import re
from collections.abc import Iterable
from pathlib import Path

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
    rate: float = 0.05,
    name: str = "parts",
    redraws: bool = False,
    warning: str = "",
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
    detector = FakeDetector(scores, rate, redraws=redraws, warning=warning)
    evaluation = evaluate(detector, samples, name=name)  # type: ignore[arg-type]
    path = folder / "new folder" / "report.html"
    write_report(evaluation, detector, path)  # type: ignore[arg-type]
    return Page(path.read_text(encoding="utf-8"))


class TestSelfContained:
    def test_nothing_is_loaded_from_elsewhere(self, tmp_path: Path) -> None:
        assert_harmless(report(tmp_path, masks=True))

    def test_names_are_harmless(self, tmp_path: Path) -> None:
        page = report(tmp_path, names=["<script>.png", 'x" onerror="alert(1).png'], name=NASTY)
        assert "script" not in page.tags
        assert "<script>.png" in page.text
        assert 'x" onerror="alert(1).png' in page.text
        assert page.text.count(NASTY) >= 4  # title, heading, table of kinds, training note

    def test_a_name_that_is_no_unicode(self, tmp_path: Path) -> None:
        assert "?.png" in report(tmp_path, names=["\udcff.png"]).text

    def test_every_picture_opens(self, tmp_path: Path) -> None:
        drawn = pictures(report(tmp_path, masks=True))
        assert len(drawn) == 1 + 2 * 18  # legend, and two for each of three times six images
        assert {image.size for image in drawn[1:]} == {(SIZE, SIZE)}
        assert len(pictures(report(tmp_path, masks=True, redraws=True))) == 1 + 4 * 18


class TestContents:
    def test_headlines(self, tmp_path: Path) -> None:
        text = report(tmp_path, good=100, bad=100, masks=True).text
        for label in ("Image AUROC", "Defects found", "False alarms", "Pixel AUROC", "AUPRO"):
            assert label in text
        assert re.search(r"Image AUROC 0\.\d+ 95 % interval 0\.\d+ to [01]\.\d+", text)
        assert re.search(r"\d+ of 100 good images; 5 % asked", text)

    def test_perfect_separation_claims_no_interval(self, tmp_path: Path) -> None:
        text = report(tmp_path, good=1, bad=1).text
        assert "Image AUROC 1.000 perfect on these images" in text
        assert "1.000 to 1.000" not in text

    def test_how_the_model_was_made(self, tmp_path: Path) -> None:
        text = report(tmp_path).text
        for fact in ("resnet34", "training: epochs", "123", "0a1b0a1b", "numpy", "good images 99"):
            assert fact in text

    def test_the_fixed_scale_is_stated(self, tmp_path: Path) -> None:
        text = report(tmp_path).text
        scale = FakeDetector({}).heat_scale
        assert "one fixed scale" in text
        for value in (scale.low, scale.alarm, scale.high):
            assert short_number(value) in text
        assert "one third up the colours at the threshold." in text
        assert "rare in good" not in text

    def test_a_scale_of_peaks_is_not_passed_off_as_one_of_scores(self, tmp_path: Path) -> None:
        text = report(tmp_path, redraws=True).text
        scale = FakeDetector({}, redraws=True).heat_scale
        assert f"{short_number(scale.alarm)} rare in good" in text
        assert "hottest spots of at most 5 % of good images exceed. This is not the threshold" in text
        assert "at the threshold" not in text.split("Error maps")[1].split("Worst misses")[0]

    def test_reconstructions_are_shown_and_explained(self, tmp_path: Path) -> None:
        plain, page = report(tmp_path), report(tmp_path, redraws=True)
        assert "redraws" not in plain.text and "Grad-CAM" not in plain.text
        assert "what it redraws badly is anomalous" in page.text
        assert "it also glows on good images" in page.text
        for caption in ("input", "reconstruction", "error map", "Grad-CAM (own scale)"):
            assert page.source.count(f"<span>{caption}</span>") == 18
            assert page.source.count(f'.png: {caption}"') == 18
        assert 'class="pictures crisp"' in page.source

    def test_the_warning_stands_under_the_title_before_any_number(self, tmp_path: Path) -> None:
        assert 'role="alert"' not in report(tmp_path).source
        page = report(tmp_path, warning=f"Not comparable {NASTY}.")
        assert page.source.count('role="alert"') == 1
        order = [
            page.text.index(text) for text in ("Method gtrans", f"Not comparable {NASTY}.", "Image AUROC")
        ]
        assert order == sorted(order)
        assert page.source.index("</header>") < page.source.index('role="alert"')
        assert "scored once more for their pictures" in page.text

    def test_verdicts_are_written_out(self, tmp_path: Path) -> None:
        text = report(tmp_path, good=200, bad=50).text
        assert "Worst misses" in text
        assert "False alarms" in text
        assert "Best finds" in text
        for verdict in ("✗ missed", "✗ false alarm", "✓ found"):
            assert verdict in text

    def test_calibration_note(self, tmp_path: Path) -> None:
        assert "Please note" not in report(tmp_path).text
        text = report(tmp_path, rate=0.001).text
        assert "99 calibration images cannot support a false-alarm rate of 0.1 %" in text

    def test_unreadable_images(self, tmp_path: Path) -> None:
        text = report(tmp_path, broken=30).text
        assert "good/broken0.png is damaged." in text
        assert "and 10 more" in text


class TestWhatIsMissing:
    def test_no_masks(self, tmp_path: Path) -> None:
        text = report(tmp_path).text
        assert "Pixel AUROC" not in text
        assert "outline of the defect" not in text

    def test_no_defects(self, tmp_path: Path) -> None:
        page = report(tmp_path, bad=0)
        for absent in ("Image AUROC", "ROC curve", "By kind of defect", "Best finds", "misses"):
            assert absent not in page.text
        assert "only false alarms can be measured" in page.text
        assert page.tags.count("svg") == 1

    def test_no_good_images(self, tmp_path: Path) -> None:
        page = report(tmp_path, good=0, masks=True)
        assert "Defects found" in page.text
        assert "False alarms" not in page.text
        assert "ROC curve" not in page.text

    def test_one_image(self, tmp_path: Path) -> None:
        assert len(pictures(report(tmp_path, good=1, bad=0))) == 3

    def test_many_images_make_no_larger_page(self, tmp_path: Path) -> None:
        few, many = report(tmp_path), report(tmp_path, good=3000, bad=2000)
        assert len(many.links) == len(few.links)
        assert len(many.source) < 2 * len(few.source)


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize(("width", "redraws"), [(360, False), (360, True), (1280, True)])
def test_fits_the_screen(tmp_path: Path, width: int, redraws: bool) -> None:
    page = report(
        tmp_path,
        names=["a_very_long_name_" * 8 + ".png"],
        masks=True,
        rate=0.001,
        name="x" * 90,
        redraws=redraws,
        warning="Not comparable. " * 9 if redraws else "",
    )
    assert_fits(page.source, width, tmp_path)
