"""What the table of methods and the tested differences are made of."""

from pathlib import Path

import numpy as np
import pytest

from blemish.comparison.ranking import both_ways, differences, rank_by_defects, rank_by_synthetic
from blemish.evaluation.metrics import auroc
from tests.comparison.support import compared, fitted_models, synthetic_samples
from tests.reports.support import samples


def test_seeds_are_averaged_and_the_preset_in_force_is_told(tmp_path: Path) -> None:
    models, _ = fitted_models(samples(tmp_path, 15, 10, masks=True), seeds=3)
    rows = compared(models).methods
    for row in rows:
        assert row["auroc"] == pytest.approx(np.mean(row["auroc_seeds"]))
        assert row["pixel"]["aupro_30"] == pytest.approx(np.mean(row["aupro_seeds"]))
        assert len(row["auroc_seeds"]) == len(row["aupro_seeds"]) == 3 and row["stability"] is not None
    assert [row["preset"] for row in rows] == ["with-memory", "paper", "standard", "standard", "standard"]


def test_images_that_one_method_could_not_score_count_for_none(tmp_path: Path) -> None:
    """A synthetic image without a score takes its original and the other copies with it."""
    real, _ = fitted_models(samples(tmp_path, 15, 10))
    del real["padim"][0].test.rows["good/0.png"]
    drawn, _ = fitted_models(samples(tmp_path, 5, 0), synthetic_samples(5))
    del drawn["spade"][0].ranked.rows["0-patch-strong.png"]
    for models, ranking, first in ((real, rank_by_defects(real), 1), (drawn, rank_by_synthetic(drawn), 10)):
        assert ranking is not None
        kept = list(models["gtrans"][0].ranked.rows.values())[first:]
        area = auroc([row["score"] for row in kept], [row["label"] for row in kept])
        assert ranking.values[0] == pytest.approx(area)


@pytest.mark.parametrize(("count", "tested"), [(9, False), (10, True)])
def test_no_difference_is_tested_on_a_handful_of_images(tmp_path: Path, count: int, tested: bool) -> None:
    labels = ("gtrans", "padim")
    real, _ = fitted_models(samples(tmp_path, 12, count), labels=labels)
    drawn, _ = fitted_models(samples(tmp_path, 12, 0), synthetic_samples(count), labels=labels)
    for ranking in (rank_by_defects(real), rank_by_synthetic(drawn)):
        assert ranking is not None
        (row,) = differences(labels, ranking)
        assert (row["p"] is not None) is tested and (tested or not row["significant"])
        assert row["difference"] == pytest.approx(ranking.values[0] - ranking.values[1])
        assert row["interval"][0] <= row["difference"] <= row["interval"][1]


def test_pairs_both_ways() -> None:
    pair = {"first": "a", "second": "b", "difference": 0.2, "interval": [0.1, 0.4], "p": 0.5}
    found = both_ways([pair])
    assert found["a", "b"] == pair
    assert found["b", "a"]["difference"] == -0.2 and found["b", "a"]["interval"] == [-0.4, -0.1]
