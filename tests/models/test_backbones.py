"""timm networks as feature extractors."""

import pytest
import timm
import torch

from blemish.errors import ConfigError
from blemish.models.backbones import check_image_size, create_backbone
from blemish.models.weights import ALIASES


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("test_resnet", [32, 48, 192]),
        ("test_convnext", [24, 32, 48]),
        ("test_mambaout", [16, 32, 48]),
        ("efficientnet_lite0", [24, 40, 112]),
        ("resnet18", [64, 128, 256]),
    ],
)
def test_levels_are_channels_first_at_strides_4_8_and_16(name: str, channels: list[int]) -> None:
    backbone = create_backbone(name, (1, 2, 3)).eval()
    with torch.inference_mode():
        maps = backbone(torch.rand(1, 3, 64, 64))
    assert backbone.channels == channels
    sides = (16, 8, 4)
    assert [tuple(f.shape) for f in maps] == [(1, c, s, s) for c, s in zip(channels, sides, strict=True)]


def test_channels_last_maps_are_turned_even_when_as_many_channels_as_rows() -> None:
    backbone = create_backbone("test_mambaout", (1, 2)).eval()
    images = torch.rand(1, 3, 64, 64)  # level 1 has 16 channels and 16 rows
    with torch.inference_mode():
        turned, raw = backbone(images), backbone.network(images)
    assert raw[0].shape == (1, 16, 16, 16)
    assert all(torch.equal(f, r.permute(0, 3, 1, 2)) for f, r in zip(turned, raw, strict=True))


def test_swin_transformers_and_relatives_of_the_resnet_without_its_options_give_levels() -> None:
    with torch.device("meta"):
        maps = create_backbone("swin_tiny_patch4_window7_224", (1, 2))(torch.rand(1, 3, 224, 224))
        assert create_backbone("nf_resnet26", (1, 2)).channels == [256, 512]
    assert [tuple(f.shape) for f in maps] == [(1, 96, 56, 56), (1, 192, 28, 28)]


def test_stages_behind_the_last_level_are_cut_off() -> None:
    resnet = create_backbone("test_resnet", (1, 2)).network
    assert hasattr(resnet, "layer2") and not hasattr(resnet, "layer3")
    lite = create_backbone("efficientnet_lite0", (1, 2, 3))
    assert len(lite.network.blocks) == 5
    reference = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(1, 2, 3)).eval()
    reference.load_state_dict(lite.network.state_dict(), strict=False)
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        for ours, full in zip(lite.eval()(images), reference(images), strict=True):
            assert torch.equal(ours, full)


def test_residual_branches_start_with_batchnorm_weights_of_one() -> None:
    network = create_backbone("resnet18", (1, 2, 3)).network
    weights = [block.bn2.weight for layer in (network.layer1, network.layer2) for block in layer]
    assert all(torch.equal(weight, torch.ones_like(weight)) for weight in weights)


def test_images_are_normalised_as_the_backbone_was_trained() -> None:
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    for name in ("resnet18", "efficientnet_lite0"):
        config = timm.get_pretrained_cfg(ALIASES[name])
        mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (config.mean, config.std))
        expected = (images / 255 - mean) / std
        torch.testing.assert_close(create_backbone(name, (1,)).normalise(images), expected)


@pytest.mark.parametrize(
    ("name", "layers", "words"),
    [
        ("resnet43", (1, 2), "no backbone 'resnet43'; did you mean"),
        ("resnet34.nonsense", (1, 2), "no backbone 'resnet34.nonsense'"),
        ("", (1,), "no backbone ''"),
        ("test_convnext", (1, 2, 5), r"levels \[1, 2, 3, 4\], not all of \[1, 2, 5\]"),
        ("tresnet_m", (1, 2, 3), "gives no feature maps"),
        ("test_vit", (1, 7), r"blocks 1 to 6, not all of \[1, 7\]"),
    ],
)
def test_what_timm_cannot_give_is_refused(name: str, layers: tuple[int, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        create_backbone(name, layers)


@pytest.mark.parametrize(
    ("name", "size", "nearest"),
    [
        ("swinv2_cr_tiny_ns_224", 96, "224"),  # positions of one size
        ("maxvit_tiny_tf_224", 256, "224 or 448"),  # windows
        ("coatnet_0_rw_224", 64, "224"),
        ("dla34", 33, "32 or 64"),
        ("vit_small_patch14_reg4_dinov2", 230, "224 or 238"),
        ("vit_tiny_patch16_224", 336, ""),
        ("test_resnet", 33, ""),
        ("maxvit_tiny_tf_224", 224, ""),
    ],
)
def test_images_of_a_size_that_a_backbone_cannot_take_are_refused(name: str, size: int, nearest: str) -> None:
    if not nearest:
        return check_image_size(name, (2, 3), (size, size))
    with pytest.raises(
        ConfigError, match=rf"{name}' cannot take images of {size} x {size} pixels; .* to {nearest}\.$"
    ):
        check_image_size(name, (2, 3), (size, size))
