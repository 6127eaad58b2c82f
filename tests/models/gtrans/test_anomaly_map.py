"""GTrans's anomaly map against eqs. 13 and 15-19 computed another way."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates
from torch import Tensor

from blemish.models.gtrans.anomaly_map import AnomalyMap, combine, distance, level_weight, rough_distance
from blemish.models.gtrans.config import Combination, GTransConfig
from blemish.models.smoothing import gaussian_matrix

SHAPES = ((6, 16), (8, 8), (10, 4))  # channels and side of each level


def features(seed: int, count: int = 2) -> list[Tensor]:
    torch.manual_seed(seed)
    return [torch.rand(count, channels, side, side) for channels, side in SHAPES]


def unit(array: np.ndarray) -> np.ndarray:
    return np.asarray(array / np.sqrt((array**2).sum(axis=0, keepdims=True)))


def literal_weights(teacher: np.ndarray, student: np.ndarray) -> tuple[float, float]:
    """alpha_mse and alpha_cos (eqs. 16 and 17) of one image and level, [c, h, w]."""
    mse = np.mean((unit(teacher) - unit(student)) ** 2)
    cos = 1 - np.vdot(teacher, student) / np.linalg.norm(teacher) / np.linalg.norm(student)
    return float(mse), float(cos)


def test_distance_is_one_minus_cosine() -> None:
    teacher, student = torch.randn(2, 6, 5, 5), torch.randn(2, 6, 5, 5)
    cosine = torch.nn.functional.cosine_similarity(teacher, student, dim=1)
    torch.testing.assert_close(distance(teacher, student), 1 - cosine, rtol=0, atol=1e-6)


@pytest.mark.parametrize("apart", [1.0, 0.1, 1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_the_rough_distance_and_its_gradients_are_off_by_rounding_only(apart: float, scale: float) -> None:
    torch.manual_seed(0)
    teacher = torch.randn(2, 32, 6, 6)
    student = scale * (teacher + apart * torch.randn_like(teacher))
    exact, rough = student.double().requires_grad_(), student.clone().requires_grad_()
    literal = 1 - torch.nn.functional.cosine_similarity(teacher.double(), exact, dim=1)
    computed = rough_distance(teacher, rough)
    assert (computed - literal).abs().max() < 1e-6
    assert (distance(teacher, student) - literal).abs().max() < 1e-6
    literal.sum().backward()
    computed.sum().backward()
    assert exact.grad is not None and rough.grad is not None
    assert (rough.grad - exact.grad).norm() < 0.01 * exact.grad.norm()


def test_weights_are_eq_16_to_18_of_each_image() -> None:
    teacher, student = features(0, 3)[0], 3 * features(1, 3)[0]
    for image in range(3):
        mse, cos = literal_weights(teacher[image].double().numpy(), student[image].double().numpy())
        expected = {"mse": mse, "cos": cos, "fixed": 0.5, "harmonic": 0.1 * cos * mse / (mse + 0.1 * cos)}
        for mode, value in expected.items():
            alpha = level_weight(teacher, student, mode, 0.1)
            assert alpha.shape == (3,)
            assert alpha[image].item() == pytest.approx(value, rel=1e-4), mode


def test_lambda_of_a_tenth_is_the_authors_harmonic_mean_up_to_a_constant() -> None:
    teacher, student = features(0)[0], features(1)[0]
    a, b = 100 * level_weight(teacher, student, "mse", 0.1), 10 * level_weight(teacher, student, "cos", 0.1)
    ours = level_weight(teacher, student, "harmonic", 0.1)
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
    for teacher, student in ((silent, features(0)), (features(0), silent)):
        assert torch.isfinite(AnomalyMap(GTransConfig(), 32)(teacher, student)).all()


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


@pytest.mark.parametrize("size", [16, 33, 224])
@pytest.mark.parametrize("sigma", [0.7, 4.0, 9.3])
def test_the_gaussian_is_scipys(size: int, sigma: float) -> None:
    image = np.random.default_rng(0).random((size, size))
    matrix = gaussian_matrix(size, sigma).double().numpy()
    np.testing.assert_allclose(matrix @ image @ matrix.T, gaussian_filter(image, sigma), atol=1e-6)


def literal_resize(image: np.ndarray, size: int) -> np.ndarray:
    """Bilinear between pixel centres (align_corners false)."""
    centres = (np.arange(size) + 0.5) * len(image) / size - 0.5
    return np.asarray(
        map_coordinates(image, np.meshgrid(centres, centres, indexing="ij"), order=1, mode="nearest")
    )


def test_the_whole_map_is_eq_15_to_18_combined_by_p6_and_smoothed() -> None:
    size, teacher, student = 32, features(0), features(1)
    maps = AnomalyMap(GTransConfig(), size)(teacher, student).numpy()
    for image in range(2):
        levels = []
        for f_g, f_m in zip(teacher, student, strict=True):
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
