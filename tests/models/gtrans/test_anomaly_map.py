"""GTrans's loss and anomaly map against eqs. 13-19 computed another way."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from blemish.models.gtrans.anomaly_map import (
    FLOOR,
    REACH,
    AnomalyMap,
    Standardise,
    combine,
    distance,
    level_weight,
    loss,
    rough_distance,
    training_loss,
)
from blemish.models.gtrans.config import GTransConfig
from tests.models.support import literal_resize

SHAPES = ((6, 16), (8, 8), (10, 4))  # channels and side of each level


def features(seed: int, count: int = 2) -> list[Tensor]:
    torch.manual_seed(seed)
    return [torch.rand(count, channels, side, side) for channels, side in SHAPES]


@pytest.mark.parametrize("apart", [1.0, 1e-2, 1e-4])
@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_the_rough_distance_and_its_gradients_are_off_by_rounding_only(apart: float, scale: float) -> None:
    torch.manual_seed(0)
    f_g = torch.randn(2, 32, 6, 6)
    f_m = scale * (f_g + apart * torch.randn_like(f_g))
    exact, rough = f_m.double().requires_grad_(), f_m.clone().requires_grad_()
    literal = 1 - torch.nn.functional.cosine_similarity(f_g.double(), exact, dim=1)
    computed = rough_distance(f_g, rough)
    assert (computed - literal).abs().max() < 1e-6
    assert (distance(f_g, f_m) - literal).abs().max() < 1e-6
    literal.sum().backward()
    computed.sum().backward()
    assert exact.grad is not None and rough.grad is not None
    assert (rough.grad - exact.grad).norm() < 0.01 * exact.grad.norm()


def test_the_loss_is_eq_14_of_each_image() -> None:
    torch.manual_seed(0)
    shapes = ((4, 6, 8, 8), (4, 10, 4, 2))
    f_g, f_m = ([torch.randn(shape) for shape in shapes] for _ in range(2))
    literal = torch.zeros(4)
    for g, m in zip(f_g, f_m, strict=True):
        _, _, height, width = g.shape
        for i in range(height):
            for j in range(width):
                a, b = g[:, :, i, j], m[:, :, i, j]
                a, b = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)
                literal += 0.5 * (a - b).square().sum(dim=1) / (width * height)
    torch.testing.assert_close(loss(f_g, f_m), literal, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(training_loss(f_g, f_m, 0), literal.mean(), rtol=1e-4, atol=1e-5)
    assert torch.equal(loss(f_g, f_g), torch.zeros(4)), "validation measures exactly"


def test_soft_mining_weighs_a_position_by_the_power_of_its_relative_distance() -> None:
    f_g, f_m = features(0)[:1], [features(1)[0].requires_grad_()]
    training_loss(f_g, f_m, 2).backward()
    found = f_m[0].grad
    f_m[0].grad = None
    distances = distance(f_g[0], f_m[0])
    weights = (distances / distances.mean()).detach() ** 2
    (distances * weights).mean().backward()
    torch.testing.assert_close(found, f_m[0].grad, rtol=1e-4, atol=1e-7)


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


@pytest.mark.parametrize("alpha", ["harmonic", "mse", "cos", "fixed"])
def test_equal_features_give_zero_and_silent_ones_on_one_side_no_nan(alpha: str) -> None:
    config = GTransConfig.model_validate({"alpha": alpha})
    same = features(0)
    same[0][:, :, :4] = 0  # positions where no channel is active
    assert AnomalyMap(config, (32, 32))(same, same).abs().max() < 1e-9
    silent = [torch.zeros_like(level) for level in same]
    for f_g, f_m in ((silent, same), (same, silent)):
        assert AnomalyMap(config, (32, 32))(f_g, f_m).isfinite().all()
    for level in same:
        assert torch.equal(distance(level, level), torch.zeros_like(level[:, 0]))
        if alpha != "fixed":
            weight = level_weight(level, level, alpha, 0.1)
            assert weight.abs().max() < 1e-6 and (weight >= 0).all()


def test_combinations_are_table_7_or_the_geometric_mean_of_any_levels() -> None:
    maps = list(torch.rand(3, 2, 4, 4) + 0.1)
    m1, m2, m3 = maps
    table_7 = [m3, m1 * m3, m2 * m3, m1 + m2 + m3, m1 * m2 * m3, m3 * (m1 + m2), m1 * m2 * m3**2]
    for number, expected in enumerate(table_7, start=1):
        torch.testing.assert_close(combine(maps, f"P{number}"), expected)
    for levels in (1, 2, 3, 4):
        maps = list(torch.rand(levels, 2, 5, 5) + 0.1)
        expected = torch.stack(maps).prod(dim=0) ** (1 / levels)
        torch.testing.assert_close(combine(maps, "geometric"), expected)
    assert combine([torch.zeros(1, 2, 2)], "geometric").isfinite().all()


def test_the_whole_map_is_eq_15_to_18_combined_by_p6_and_smoothed() -> None:
    size = 32
    maps = AnomalyMap(GTransConfig(), (size, size))(features(0), features(1)).numpy()
    for image in range(2):
        levels = []
        for f_g, f_m in zip(features(0), features(1), strict=True):
            a, b = f_g[image].double().numpy(), f_m[image].double().numpy()
            p = 0.5 * ((unit(a) - unit(b)) ** 2).sum(axis=0) / (a.shape[1] * a.shape[2])
            mse, cos = literal_weights(a, b)
            levels.append(0.1 * cos * mse / (mse + 0.1 * cos) * literal_resize(p, size))
        literal = gaussian_filter(levels[0] * levels[2] + levels[1] * levels[2], 4)
        np.testing.assert_allclose(maps[image], literal, rtol=1e-4)


LEVELS, SIZE = 2, 48


def distances(count: int, seed: int) -> Tensor:
    """Noise whose mean and spread differ from place to place and from level to level."""
    generator = torch.Generator().manual_seed(seed)
    place = torch.linspace(1, 3, SIZE)[:, None] * torch.tensor([1.0, 50.0])[:, None, None, None]
    return place * (1 + 0.3 * torch.rand(LEVELS, count, SIZE, SIZE, generator=generator))


@pytest.mark.parametrize("batch", [4, 11])
def test_its_statistics_are_those_of_numpy_and_scipy(batch: int) -> None:
    learned, module = distances(11, 0), Standardise(LEVELS, (SIZE, SIZE))
    module.learn(learned.split(batch, dim=1))
    for level, values in enumerate(learned.double().numpy()):
        mean = gaussian_filter(values.mean(axis=0), REACH)
        variance = gaussian_filter(((values - mean) ** 2).mean(axis=0), REACH)
        spread = np.sqrt(variance) + FLOOR * values.std()
        np.testing.assert_allclose(module.spread[level], spread, rtol=1e-3)
        torch.testing.assert_close(module(learned)[level], learned[level] / module.spread[level])


def test_a_student_without_error_gives_no_division_by_zero() -> None:
    nothing, module = torch.zeros(LEVELS, 3, SIZE, SIZE), Standardise(LEVELS, (SIZE, SIZE))
    module.learn([nothing])
    assert module(nothing).isfinite().all() and module(nothing + 1).isfinite().all()
