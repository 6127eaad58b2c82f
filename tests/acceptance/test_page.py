"""The page to sign and the numbers beside it."""

import json
from pathlib import Path

from blemish.acceptance.limits import Limits, judge
from blemish.acceptance.page import write_acceptance
from tests.acceptance.support import HIGH, LOW, measured
from tests.reports.support import Page, assert_harmless

SCORES = {
    **{"good/g1/1.png": LOW, "good/g1/2.png": LOW, "good/<b>.png": HIGH},
    **{"dent/d1/1.png": HIGH, "dent/d2/1.png": LOW, "scratch/s1/1.png": HIGH},
}


def test_page_and_numbers_say_what_fell_short_and_show_every_error(tmp_path: Path) -> None:
    labels = tmp_path / "people.csv"
    labels.write_text(
        "part,person,label\n" + "".join(f"{p},<i>Ann,good\n{p},Bo,bad\n" for p in ("g1", "d1", "d2"))
    )
    acceptance, evaluation, detector, golden = measured(tmp_path / "golden", SCORES, labels)
    judged = judge(acceptance, Limits(min_found=0.9, min_repeatability=1))
    write_acceptance(acceptance, judged, evaluation, detector, golden, tmp_path / "page.html")
    source = (tmp_path / "page.html").read_text(encoding="utf-8")
    page = Page(source)
    assert_harmless(page)
    assert "Falls short" in page.text and judged[0]["sentence"] in page.text
    for shown in ("dent/d2/1.png", "good/<b>.png", "<i>Ann", "onnxruntime, int8", "Signature"):
        assert shown in page.text
    assert "size: A4" in source and str(tmp_path) not in source
    numbers = json.loads((tmp_path / "page.json").read_text())
    assert numbers["accepted"] is False
    assert [row["kept"] for row in numbers["limits"]] == [False, True]
    assert numbers["found"]["count"] == 2 and numbers["kinds"]["scratch"]["of"] == 1
    assert str(tmp_path) not in json.dumps(numbers)


def test_without_limits_labels_and_repeats_the_page_says_so(tmp_path: Path) -> None:
    acceptance, *rest = measured(tmp_path / "golden", {"good/1.png": LOW, "dent/1.png": HIGH})
    write_acceptance(acceptance, [], *rest, tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "No limits were set" in page.text and "nothing can be said of repeatability" in page.text
    assert json.loads((tmp_path / "page.json").read_text())["accepted"] is None
