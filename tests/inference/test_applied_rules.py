"""Rules on maps: what counts, what is large enough, and that false alarms stay as rare as asked."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from blemish.calibration import Calibration
from blemish.errors import ConfigError, ImageError
from blemish.images.frame import Frame
from blemish.inference.applied_rules import AppliedRules
from blemish.inference.held_out_maps import packed, peaks_of, unpacked
from blemish.inference.rules import Rules, Zone

FRAME = Frame(resize=64, crop=None)  # of pictures of 640 x 640: a cell is 10 x 10 pixels
LEFT = ((0, 0), (320, 0), (320, 640), (0, 640))
Map = np.ndarray


def good_maps(count: int, seed: int = 0) -> list[Map]:
    """Noise of up to 1, somewhat hotter on the left."""
    rng = np.random.default_rng(seed)
    maps = rng.random((count, 64, 64), np.float32)
    maps[:, :, :32] *= 1 + rng.random((count, 1, 1), np.float32)
    return list(maps)


GOOD = good_maps(99)
SCORES = Calibration(np.array(peaks_of(GOOD)), 0.01)


def applied(**fields: Any) -> AppliedRules:
    rules = Rules(picture=(640, 640), **fields)
    return AppliedRules(rules, "given", FRAME, GOOD, peaks_of(GOOD))


def hot(*spots: tuple[int, int, int, int, float]) -> Map:
    """Spots of top, left, height, width and value."""
    values = np.full((64, 64), 0.5, np.float32)
    for top, left, height, width, value in spots:
        values[top : top + height, left : left + width] = value
    return values


def judged(rules: AppliedRules, values: Map) -> tuple[str, str]:
    decision = rules.decide(float(values.max()), values, SCORES)
    return decision.verdict, decision.decided_by


def test_a_zone_that_does_not_count_hides_nothing_beside_it() -> None:
    rules = applied(zones=(Zone(name="edge", polygon=LEFT, look=False),))
    assert judged(rules, hot((10, 10, 4, 4, 9))) == ("good", 'zone "edge"')
    across = hot((10, 10, 4, 30, 9), (10, 32, 4, 8, 2.2))  # one region without rules, drawn on the left alone
    assert judged(rules, across) == ("defective", "no rule")
    ours, other = rules.find_regions(across, 640, 640, SCORES)[:1] + rules.find_regions(
        hot((10, 10, 4, 4, 9)), 640, 640, SCORES
    )
    assert ours.counts and ours.box == (320, 100, 80, 40) and ours.p_value == 1 / 100
    assert not other.counts and other.box == (100, 100, 40, 40)


def test_nothing_elsewhere_and_a_stricter_zone() -> None:
    right = tuple((640 - x, y) for x, y in LEFT)
    only = applied(zones=(Zone(name="face", polygon=right),), elsewhere=False)
    assert judged(only, hot((10, 10, 4, 4, 9))) == ("good", "elsewhere")
    assert judged(only, hot((10, 40, 4, 4, 1.1))) == ("defective", 'zone "face"'), "its own good level is 1"
    faint = hot((10, 40, 4, 4, 1.6))
    assert judged(applied(smallest_area=1), faint) == ("good", "no rule")
    strict = applied(zones=(Zone(name="face", polygon=right, strictness=3),))
    assert judged(strict, faint) == ("defective", 'zone "face"')
    (region,) = strict.find_regions(faint, 640, 640, SCORES)
    assert region.counts and region.peak == pytest.approx(1.6), "on the model's scale"


def test_only_regions_of_a_size_count() -> None:
    speck, scratch = hot((10, 10, 2, 2, 9)), hot((10, 10, 2, 20, 9))
    longer = applied(smallest_length=100)
    assert judged(longer, speck) == ("good", "smallest_length")
    assert judged(longer, scratch) == ("defective", "no rule")
    assert longer.decide(9, speck, SCORES).p_value == pytest.approx(1), "as if there were nothing"
    assert judged(applied(smallest_area=500), speck) == ("good", "smallest_area")
    both = hot((10, 10, 2, 2, 9), (40, 10, 2, 20, 5))
    assert judged(longer, both) == ("defective", "no rule")
    assert [region.counts for region in longer.find_regions(both, 640, 640, SCORES)] == [True, False]


def test_three_verdicts_at_two_rates_and_the_score_where_rules_say_no_more() -> None:
    rules = AppliedRules(Rules(look_again=0.05), "given", FRAME, None, [])
    rules.check_rates(SCORES)
    ranked = SCORES.scores[::-1]
    verdicts = [rules.decide(float(score) + 1e-6, GOOD[0], SCORES).verdict for score in (*ranked[:5], 0.0)]
    assert verdicts == ["defective", *["look again"] * 4, "good"]
    few = Calibration(np.arange(1.0, 20.0), 0.01)
    with pytest.raises(ConfigError, match=r"look_again \(0.05\) leaves nothing above the 0.05 in force"):
        rules.check_rates(few)
    with pytest.raises(ImageError, match="nan"):
        rules.decide(float("nan"), GOOD[0], SCORES)


def test_held_out_images_and_new_ones_have_one_statistic() -> None:
    zone, peaks = Zone(name="edge", polygon=LEFT, strictness=0.4), peaks_of(GOOD)
    for smallest, kinds in ((0, 3), (12, 2)):
        chosen = Rules(picture=(640, 640), zones=(zone,), smallest_length=smallest)
        rules = AppliedRules(chosen, "given", FRAME, unpacked(packed(GOOD), peaks), peaks)
        assert rules.statistics is not None
        expected = rules.calibration(SCORES).p_value(rules.statistics)
        found = [rules.decide(9.0, one, SCORES).p_value for one in GOOD]
        assert found == expected.tolist() and len(set(found)) >= kinds


@pytest.mark.parametrize(
    "fields",
    [
        {"zones": (Zone(name="edge", polygon=LEFT, strictness=0.5),)},
        {"zones": (Zone(name="edge", polygon=LEFT, look=False),), "smallest_length": 15},
        {"smallest_area": 250},
    ],
)
def test_false_alarms_are_as_rare_as_asked(fields: dict[str, Any]) -> None:
    rules = Rules(picture=(640, 640), look_again=0.2, **fields)
    verdicts = []
    for seed in range(40):
        maps = [np.minimum(one, np.roll(one, 1, 1)) for one in good_maps(39 + 10, seed)]
        peaks = peaks_of(maps[:39])
        model = AppliedRules(rules, "given", FRAME, maps[:39], peaks)
        of_scores = Calibration(np.array(peaks), 0.1)
        verdicts += [model.decide(float(one.max()), one, of_scores).verdict for one in maps[39:]]
    called = np.array(verdicts)
    assert np.mean(called == "defective") <= 0.1 + 0.03
    assert np.mean(called != "good") <= 0.2 + 0.04


def test_masks_and_pictures_of_another_size_scale_or_are_refused(tmp_path: Path) -> None:
    for name, size in (("right.png", (640, 640)), ("small.png", (64, 64))):
        mask = np.zeros(size, np.uint8)
        mask[:, size[1] // 2 :] = 255
        Image.fromarray(mask).save(tmp_path / name)
    rules = applied(zones=(Zone(name="face", mask="right.png", look=False),), folder=tmp_path)
    assert judged(rules, hot((10, 40, 4, 4, 9))) == ("good", 'zone "face"')
    assert judged(rules, hot((10, 10, 4, 4, 9))) == ("defective", "no rule")
    assert not rules.not_for(320, 320)
    assert "for pictures of 640 x 640 pixels, not 640 x 480" in rules.not_for(640, 480)
    with pytest.raises(ConfigError, match=r"small\.png is 64 x 64 pixels, and the rules' picture 640 x 640"):
        applied(zones=(Zone(name="face", mask="small.png"),), folder=tmp_path)


def test_what_does_not_fit_the_model_is_refused() -> None:
    rules, padded = Rules(picture=(640, 320), smallest_area=9), Frame(resize=64, crop=None, pad=True)
    with pytest.raises(ConfigError, match="holds no maps of good images"):
        AppliedRules(rules, "a.toml", FRAME, None, [1.0])
    with pytest.raises(ConfigError, match="99 of the model's 99 held-out good images have another shape"):
        AppliedRules(rules, "a.toml", padded, GOOD, peaks_of(GOOD))
    fits = AppliedRules(rules, "a.toml", padded, [one[:32] for one in GOOD], peaks_of(GOOD))
    assert not fits.not_for(1280, 640) and fits.not_for(640, 640)
    with pytest.raises(ConfigError, match="leave nothing of the picture that counts"):
        applied(zones=(Zone(name="a", polygon=LEFT, look=False), *rest_ignored()))
    tiny = Zone(name="tiny", polygon=((1, 1), (3, 1), (3, 3)))
    with pytest.raises(ConfigError, match=r'Zone "tiny" .* holds no cell of the map .* 10 x 10 pixels'):
        applied(zones=(tiny,))
    aligned = FRAME.model_copy(update={"align": True})
    zoned = Rules(picture=(640, 640), zones=(Zone(name="a", polygon=LEFT),))
    with pytest.raises(ConfigError, match="zones, which stay where they are while --align moves the parts"):
        AppliedRules(zoned, "a.toml", aligned, GOOD, peaks_of(GOOD))


def rest_ignored() -> tuple[Zone, ...]:
    return (Zone(name="b", polygon=tuple((640 - x, y) for x, y in LEFT), look=False),)
