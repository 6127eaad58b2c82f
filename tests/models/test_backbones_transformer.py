"""Plain Vision Transformers as feature extractors."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed
from torch import Tensor

from blemish.errors import WeightsError
from blemish.models import weights as weights_module
from blemish.models.backbones import FrozenBackbone, create_backbone, default_blocks, side_step
from blemish.models.weights import find_weights, read_weights
from tests.models.support import scrambled, whole_classifier

VIT = "test_vit"  # 6 blocks of 64 channels, patches of 16 pixels, trained on 160
SHAPE = (64, 96)


def whole_transformer(name: str = VIT) -> dict[str, Tensor]:
    """As on the hub: for the images it was trained on, with all blocks and a head."""
    return scrambled(timm.create_model(name)).state_dict()


def filled(weights: dict[str, Tensor], layers: tuple[int, ...] = (2, 5)) -> FrozenBackbone:
    frozen = FrozenBackbone(VIT, layers, SHAPE)
    frozen.backbone.load_weights(weights)
    return frozen


@pytest.mark.parametrize(
    ("name", "patch", "channels"),
    [
        (VIT, 16, 64),
        pytest.param("vit_small_patch14_reg4_dinov2.lvd142m", 14, 384, marks=pytest.mark.slow),
        pytest.param("vit_small_patch16_dinov3.lvd1689m", 16, 384, marks=pytest.mark.slow),
        pytest.param("beit_base_patch16_224", 16, 768, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("grid", [(3, 3), (2, 5)])
def test_all_levels_are_as_large_as_the_grid_of_patches(
    name: str, patch: int, channels: int, grid: tuple[int, int]
) -> None:
    shape = grid[0] * patch, grid[1] * patch
    frozen = FrozenBackbone(name, (2, 3), shape).train()
    assert side_step(name) == patch and frozen.backbone.channels == [channels] * 2
    maps = frozen.backbone(torch.rand(2, 3, *shape))
    for one in maps:
        assert one.shape == (2, channels, *grid) and not one.requires_grad
        torch.testing.assert_close(one.square().mean(dim=1), torch.ones(2, *grid))
    assert not any(module.training for module in frozen.modules())
    assert len(frozen.backbone.network.blocks) == 3, "later blocks are not run"


def test_the_last_block_has_the_tokens_that_timm_gives_in_their_order() -> None:
    weights = whole_transformer()
    network: Any = timm.create_model(VIT, img_size=SHAPE).eval()
    converted = timm.models.vision_transformer.checkpoint_filter_fn(weights, network)
    network.load_state_dict(converted)
    images = torch.rand(2, 3, *SHAPE)
    with torch.inference_mode():
        tokens = network.forward_features(images)[:, network.num_prefix_tokens :]
        (found,) = filled(weights, (6,)).backbone(images)
    expected = tokens.reshape(2, 4, 6, 64)
    expected = expected / expected.square().mean(dim=3, keepdim=True).sqrt()
    torch.testing.assert_close(found, expected.permute(0, 3, 1, 2), rtol=1e-4, atol=1e-5)


def test_no_image_changes_the_features_of_another() -> None:
    backbone, images = filled(whole_transformer()).backbone, torch.rand(3, 3, *SHAPE)
    alone = [backbone(image[None]) for image in images]
    for level, together in enumerate(backbone(images)):
        torch.testing.assert_close(torch.cat([one[level] for one in alone]), together, rtol=1e-4, atol=1e-5)


def test_blocks_are_taken_at_a_third_seven_twelfths_five_sixths_and_the_end() -> None:
    assert default_blocks("vit_tiny_patch16_224") == (4, 7, 10, 12)
    assert default_blocks("vit_large_patch16_224") == (8, 14, 20, 24)
    assert default_blocks(VIT) == (2, 3, 5, 6)
    assert default_blocks("resnet18") is None and side_step("resnet18") == 32


@pytest.mark.parametrize("prefix", ["", "module."])
def test_positions_are_interpolated_to_those_of_the_images(prefix: str) -> None:
    weights = whole_transformer()
    found = filled({prefix + key: value for key, value in weights.items()}).backbone.network
    prefixed = found.num_prefix_tokens if not found.no_embed_class else 0
    expected = resample_abs_pos_embed(weights["pos_embed"], [4, 6], num_prefix_tokens=prefixed)
    assert torch.equal(found.pos_embed, expected)
    assert torch.equal(found.blocks[4].mlp.fc2.weight, weights["blocks.4.mlp.fc2.weight"])


@pytest.mark.slow
def test_files_in_the_authors_own_names_are_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    """DINOv3's: tokens and scales have other names, positions a buffer, and queries biases of zero."""
    name = "vit_small_patch16_dinov3"
    own = {key: value.clone() for key, value in create_backbone(name, (1,)).network.state_dict().items()}
    renamed = {"reg_token": "storage_tokens", "gamma_1": "ls1.gamma", "gamma_2": "ls2.gamma"}
    given = {"mask_token": torch.zeros(1, 384), "rope_embed.periods": torch.ones(16)}
    given["blocks.0.attn.qkv.bias"] = torch.zeros(3 * 384)
    for key, value in own.items():
        for ours, theirs in renamed.items():
            key = key.replace(ours, theirs)
        given[key] = value + 1
    backbone = create_backbone(name, (1,))
    backbone.load_weights(given)
    assert not capsys.readouterr().out
    assert all(torch.equal(value, own[key] + 1) for key, value in backbone.network.state_dict().items())


def test_weights_of_something_else_are_refused() -> None:
    with pytest.raises(WeightsError, match="lack 'cls_token'"):
        filled(whole_classifier())
    with pytest.raises(WeightsError, match=r"not those of this very backbone \("):
        filled({"patch_embed.proj.weight": torch.ones(5)})


def test_weights_come_from_the_hub_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(weights_module, "_hub_reachable", lambda: True)
    source = find_weights("vit_small_patch16_dinov3")
    assert source.description == "hub, timm/vit_small_patch16_dinov3.lvd1689m"
    monkeypatch.setattr(weights_module, "_hub_reachable", lambda: False)
    place = "huggingface.co/timm/vit_small_patch14_reg4_dinov2.lvd142m/resolve/main/model.safetensors"
    with pytest.raises(WeightsError, match=place):
        find_weights("vit_small_patch14_reg4_dinov2")
    save_file(whole_transformer(), tmp_path / "vit.safetensors")
    filled(read_weights(find_weights(VIT, tmp_path / "vit.safetensors")))
