"""Eqs. 13 and 14 of GTrans computed another way."""

import pytest
import torch

from blemish.models.gtrans.loss import distance, loss, rough_distance


def test_distance_is_one_minus_cosine() -> None:
    f_g, f_m = torch.randn(2, 6, 5, 5), torch.randn(2, 6, 5, 5)
    cosine = torch.nn.functional.cosine_similarity(f_g, f_m, dim=1)
    torch.testing.assert_close(distance(f_g, f_m), 1 - cosine, rtol=0, atol=1e-6)


@pytest.mark.parametrize("apart", [1.0, 0.1, 1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
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
    torch.testing.assert_close(loss(f_g, f_m, rough_distance), literal, rtol=1e-4, atol=1e-5)
    assert torch.equal(loss(f_g, f_g), torch.zeros(4)), "validation measures exactly"
