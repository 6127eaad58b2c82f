"""GTrans's anomaly map against eqs. 15-19 computed another way."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates
from torch import Tensor

from blemish.models.gtrans.anomaly_map import FLOOR, REACH, AnomalyMap, Standardise, combine, level_weight
from blemish.models.gtrans.config import Combination, GTransConfig
from blemish.models.gtrans.loss import distance

SHAPES = ((6, 16), (8, 8), (10, 4))  # channels and side of each level


def features(seed: int, count: int = 2) -> list[Tensor]:
    torch.manual_seed(seed)
    return [torch.rand(count, channels, side, side) for channels, side in SHAPES]


def unit(array: np.ndarray) -> np.ndarray:
    return np.asarray(array / np.sqrt((array**2).sum(axis=0, keepdims=True)))


def literal_weights(f_g: np.ndarray, f_m: np.ndarray) -> tuple[float, float]:
    """alpha_mse and alpha_cos (eqs. 16 and 17) of one image and level, [c, h, w]."""
    mse = np.mean((unit(f_g) - unit(f_m)) ** 2)
    cos = 1 - np.vdot(f_g, f_m) / np.linalg.norm(f_g) / np.linalg.norm(f_m)
    return float(mse), float(cos)


def test_weights_are_eq_16_to_18_of_each_image() -> None:
    f_g, f_m = features(0, 3)[0], 3 * features(1, 3)[0]
    for image in range(3):
        mse, cos = literal_weights(f_g[image].double().numpy(), f_m[image].double().numpy())
        expected = {"mse": mse, "cos": cos, "fixed": 0.5, "harmonic": 0.1 * cos * mse / (mse + 0.1 * cos)}
        for mode, value in expected.items():
            alpha = level_weight(f_g, f_m, mode, 0.1)
            assert alpha.shape == (3,)
            assert alpha[image].item() == pytest.approx(value, rel=1e-4), mode


def test_lambda_of_a_tenth_is_the_authors_harmonic_mean_up_to_a_constant() -> None:
    f_g, f_m = features(0)[0], features(1)[0]
    a, b = 100 * level_weight(f_g, f_m, "mse", 0.1), 10 * level_weight(f_g, f_m, "cos", 0.1)
    ours = level_weight(f_g, f_m, "harmonic", 0.1)
    torch.testing.assert_close(2 * a * b / (a + b), 200 * ours, rtol=1e-5, atol=0)


@pytest.mark.parametrize("alpha", ["harmonic", "mse", "cos", "fixed"])
def test_equal_features_give_zero_without_nan(alpha: str) -> None:
    config = GTransConfig.model_validate({"alpha": alpha})
    same = features(0)
    same[0][:, :, :4] = 0  # positions where no channel is active
    assert AnomalyMap(config, 32)(same, same).abs().max() < 1e-9
    for level in same:
        assert torch.equal(distance(level, level), torch.zeros_like(level[:, 0]))
        if alpha != "fixed":
            weight = level_weight(level, level, alpha, 0.1)
            assert weight.abs().max() < 1e-6 and (weight >= 0).all()


def test_silent_features_on_one_side_only_give_finite_maps() -> None:
    silent = [torch.zeros_like(level) for level in features(0)]
    for f_g, f_m in ((silent, features(0)), (features(0), silent)):
        assert torch.isfinite(AnomalyMap(GTransConfig(), 32)(f_g, f_m)).all()


@pytest.mark.parametrize(
    ("mode", "formula"),
    [
        ("P1", lambda m1, m2, m3: m3),
        ("P2", lambda m1, m2, m3: m1 * m3),
        ("P3", lambda m1, m2, m3: m2 * m3),
        ("P4", lambda m1, m2, m3: m1 + m2 + m3),
        ("P5", lambda m1, m2, m3: m1 * m2 * m3),
        ("P6", lambda m1, m2, m3: m3 * (m1 + m2)),
        ("P7", lambda m1, m2, m3: m1 * m2 * m3**2),
    ],
)
def test_combinations_are_table_7(mode: Combination, formula: object) -> None:
    maps = list(torch.rand(3, 2, 4, 4) + 0.1)
    assert callable(formula)
    torch.testing.assert_close(combine(maps, mode), formula(*maps))


def literal_resize(image: np.ndarray, size: int) -> np.ndarray:
    """Bilinear between pixel centres (align_corners false)."""
    centres = (np.arange(size) + 0.5) * len(image) / size - 0.5
    return np.asarray(
        map_coordinates(image, np.meshgrid(centres, centres, indexing="ij"), order=1, mode="nearest")
    )


def test_the_whole_map_is_eq_15_to_18_combined_by_p6_and_smoothed() -> None:
    size = 32
    maps = AnomalyMap(GTransConfig(), size)(features(0), features(1)).numpy()
    for image in range(2):
        levels = []
        for f_g, f_m in zip(features(0), features(1), strict=True):
            a, b = f_g[image].double().numpy(), f_m[image].double().numpy()
            p = 0.5 * ((unit(a) - unit(b)) ** 2).sum(axis=0) / (a.shape[1] * a.shape[2])
            mse, cos = literal_weights(a, b)
            levels.append(0.1 * cos * mse / (mse + 0.1 * cos) * literal_resize(p, size))
        literal = gaussian_filter(levels[0] * levels[2] + levels[1] * levels[2], 4)
        np.testing.assert_allclose(maps[image], literal, rtol=1e-4)


@pytest.mark.parametrize("levels", [1, 2, 3, 4])
def test_geometric_mean_of_any_levels(levels: int) -> None:
    maps = torch.rand(levels, 2, 5, 5) + 0.1
    torch.testing.assert_close(combine(list(maps), "geometric"), maps.prod(dim=0) ** (1 / levels))
    assert combine([torch.zeros(1, 2, 2)], "geometric").isfinite().all()


LEVELS, SIZE = 2, 48


def distances(count: int, seed: int) -> Tensor:
    """Noise whose mean and spread differ from place to place and from level to level."""
    generator = torch.Generator().manual_seed(seed)
    place = torch.linspace(1, 3, SIZE)[:, None] * torch.tensor([1.0, 50.0])[:, None, None, None]
    return place * (1 + 0.3 * torch.rand(LEVELS, count, SIZE, SIZE, generator=generator))


def fitted(maps: Tensor, batch: int = 4) -> Standardise:
    module = Standardise(LEVELS, SIZE)
    module.learn(maps.split(batch, dim=1))
    return module


def test_standardising_changes_nothing_before_it_has_learned() -> None:
    maps = distances(3, 0)
    assert torch.equal(Standardise(LEVELS, SIZE)(maps), maps)


def test_its_statistics_are_those_of_numpy_and_scipy() -> None:
    learned = distances(11, 0)
    module = fitted(learned)
    for level, values in enumerate(learned.double().numpy()):
        mean = gaussian_filter(values.mean(axis=0), REACH)
        variance = gaussian_filter(((values - mean) ** 2).mean(axis=0), REACH)
        spread = np.sqrt(variance) + FLOOR * values.std()
        np.testing.assert_allclose(module.spread[level], spread, rtol=1e-3)


def test_batches_do_not_matter_to_it() -> None:
    one, other = fitted(distances(11, 0), batch=4), fitted(distances(11, 0), batch=11)
    torch.testing.assert_close(one.spread, other.spread)


def test_levels_and_places_come_on_one_scale() -> None:
    scaled = fitted(distances(30, 0))(distances(30, 2))[:, :, 8:-8, 8:-8]
    spreads = torch.stack([part.std(dim=1).mean() for level in scaled for part in level.chunk(3, dim=1)])
    assert spreads.max() / spreads.min() < 2
    levels = scaled.mean(dim=(1, 2, 3))
    torch.testing.assert_close(levels[0], levels[1], rtol=0.02, atol=0)


def test_a_student_without_error_gives_no_division_by_zero() -> None:
    nothing = torch.zeros(LEVELS, 3, SIZE, SIZE)
    module = fitted(nothing)
    assert module(nothing).isfinite().all()
    assert module(nothing + 1).isfinite().all()
