"""GTrans against the equations and numbers of its paper (arXiv 2305.14880)."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from blemish.models.base import Batch, images_to_tensor
from blemish.models.gtrans.anomaly_map import loss, training_loss
from blemish.models.gtrans.config import GTransConfig
from blemish.models.gtrans.model import TFM, Block, GTrans, Mapper, Tokenizer
from tests.models.support import scrambled
from tests.support import BACKBONE, SIZE, count_parameters, textures

TOKENS, DIM = 3, 16


def make(**fields: Any) -> GTrans:
    torch.manual_seed(0)
    return GTrans(GTransConfig(backbone=BACKBONE, tokens=TOKENS, token_dim=DIM, **fields), (SIZE, SIZE))


def make_batch(model: GTrans, count: int = 4) -> Batch:
    images = images_to_tensor(textures(count))
    with torch.no_grad():
        return Batch(images, model.frozen_features(images))


def mapped(model: GTrans, batch: Batch) -> list[Tensor]:
    return model.mapped_features(model.trans.normalise(batch.images), list(batch.frozen))


def loss_of(model: GTrans, batch: Batch) -> Tensor:
    (step,) = model.training_steps(batch)
    return step.loss


def test_tokens_are_eq_1_to_3() -> None:
    torch.manual_seed(0)
    tokenizer = Tokenizer(5, TOKENS, DIM)
    features = torch.randn(2, 12, 5)
    for image, tokens in zip(features, tokenizer(features), strict=True):
        groups = image @ tokenizer.group.weight.T / math.sqrt(5)  # eq. 1, hw x g
        values = image @ tokenizer.value.weight.T  # eq. 2, hw x d
        literal = groups.softmax(dim=0).T @ values  # eq. 3, with the softmax over the positions
        torch.testing.assert_close(tokens, literal)


def literal_norm(matrix: Tensor, norm: nn.LayerNorm) -> Tensor:
    """LayerNorm over a whole d x N matrix."""
    centred = matrix - matrix.mean()
    return centred / (centred.square().mean() + norm.eps).sqrt() * norm.weight.T + norm.bias.T


def literal_block(block: Block, own: Tensor, memory: Tensor) -> Tensor:
    """Eqs. 4-7, and 8-11 with E_out as memory, on d x N matrices as printed."""
    q, k, v = block.query.weight @ own, block.key.weight @ memory, block.value.weight @ memory
    attention = (k.T @ q / math.sqrt(len(own))).softmax(dim=0)  # each query's column sums to 1 over the keys
    middle = own + literal_norm(v @ attention, block.attention_norm)
    network = block.reduce.weight @ (block.expand.weight @ middle).relu()
    return literal_norm(middle + network, block.output_norm)


def test_a_block_is_eq_4_to_7_and_8_to_11() -> None:
    block = scrambled(Block(6, DIM))
    tokens, memory = torch.randn(2, 6, DIM), torch.randn(2, 6, DIM)
    for image in range(2):
        for other in (tokens, memory):
            literal = literal_block(block, tokens[image].T, other[image].T)
            torch.testing.assert_close(block(tokens, other)[image], literal.T, rtol=1e-4, atol=1e-5)


def test_every_decoder_block_attends_to_the_last_encoder_output() -> None:
    tfm = scrambled(TFM(6, DIM, 2))
    e_in, d_in = torch.randn(1, 6, DIM), torch.randn(1, 6, DIM)
    encoded = e_in[0].T
    for block in tfm.encoder:
        encoded = literal_block(block, encoded, encoded)
    decoded = d_in[0].T
    for block in tfm.decoder:
        decoded = literal_block(block, decoded, encoded)
    torch.testing.assert_close(tfm(e_in, d_in)[0], decoded.T, rtol=1e-4, atol=1e-5)


def test_the_mapper_is_eq_12() -> None:
    mapper = scrambled(Mapper(5, DIM))
    features, tokens = torch.randn(2, 12, 5), torch.randn(2, TOKENS, DIM)
    for image in range(2):
        query = mapper.query.weight @ features[image].T  # c x hw
        key, value = mapper.key.weight @ tokens[image].T, mapper.value.weight @ tokens[image].T  # c x g
        attention = (query.T @ key / math.sqrt(5)).softmax(dim=1)  # hw x g
        literal = features[image].T + value @ attention.T
        torch.testing.assert_close(mapper(features, tokens)[image], literal.T, rtol=1e-4, atol=1e-5)


def test_a_level_is_mapped_from_its_own_group_of_tokens() -> None:
    model = make(tfm="bypass").eval()
    batch = make_batch(model, 2)
    before = mapped(model, batch)
    with torch.no_grad():
        model.tokenizers[1].value.weight.mul_(3)
    changed = [not torch.equal(b, a) for b, a in zip(before, mapped(model, batch), strict=True)]
    assert changed == [False, True, False]


def test_the_decoder_lets_agns_tokens_guide_and_the_encoder_alone_does_not() -> None:
    for tfm, guided in (("encoder-decoder", True), ("encoder", False), ("bypass", False), ("none", False)):
        model = make(tfm=tfm).eval()
        batch = make_batch(model, 2)
        other = Batch(batch.images, tuple(level.roll(1, dims=0) for level in batch.frozen))
        pairs = zip(mapped(model, batch), mapped(model, other), strict=True)
        assert any(not torch.equal(a, b) for a, b in pairs) is guided, tfm


def test_validation_measures_each_image_exactly_and_training_the_mean_roughly() -> None:
    model = make().eval()
    batch = make_batch(model)
    f_m = mapped(model, batch)
    torch.testing.assert_close(model.validation_loss(batch), loss(batch.frozen, f_m))
    torch.testing.assert_close(loss_of(model, batch), training_loss(batch.frozen, f_m, 0))


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_transs_convolutions_start_from_a_share_of_agns(share: float) -> None:
    model, other = make(warm_start=share), make()
    teacher = {name: 1 + value for name, value in other.agn.backbone.network.state_dict().items()}
    model.load_teacher(teacher)
    own = zip(model.trans.parameters(), other.trans.parameters(), model.agn.parameters(), strict=True)
    for started, random, guide in own:
        expected = torch.lerp(random, guide, share) if random.dim() > 1 else random
        torch.testing.assert_close(started, expected)


ABLATIONS: list[dict[str, Any]] = [
    *({"tfm": tfm} for tfm in ("none", "bypass")),
    *({"tfm": tfm, "tfm_depth": depth} for tfm in ("encoder", "encoder-decoder") for depth in (1, 2, 3)),
    *({"alpha": alpha} for alpha in ("fixed", "mse", "cos", "harmonic")),
    *({"combine": f"P{number}"} for number in range(1, 8)),
    *({"combine": "P4", "layers": layers} for layers in ((1, 2, 3, 4), (2, 3, 4), (2, 3), (3,))),
]


@pytest.mark.parametrize("fields", ABLATIONS, ids=str)
def test_every_ablation_trains_and_scores_by_the_maximum_of_its_map(fields: dict[str, Any]) -> None:
    model = make(**fields).train()
    batch = make_batch(model)
    optimiser = torch.optim.Adam(model.parameter_groups()["student"], 1e-3)
    losses = []
    for _ in range(3):
        optimiser.zero_grad()
        loss = loss_of(model, batch)
        loss.backward()
        without = {name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()}
        assert without == {name for name, _ in model.named_parameters() if name.startswith("agn.")}
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    with torch.inference_mode():
        scores, maps = model.eval()(batch.images)
    assert torch.isfinite(maps).all() and (scores > 0).all()
    assert torch.equal(scores, maps.amax(dim=(1, 2)))


def test_parameter_counts_are_the_papers_networks() -> None:
    with torch.device("meta"):
        model = GTrans(GTransConfig(backbone="resnet34"), (SIZE, SIZE))
        small = GTrans(GTransConfig(backbone="resnet18", tfm="none"), (SIZE, SIZE))
        wide = GTrans(GTransConfig(backbone="wide_resnet50_2", tfm="none"), (SIZE, SIZE))
    assert count_parameters(model.trans) == count_parameters(model.agn) == 8_170_304
    assert count_parameters(small.trans) == 2_782_784
    assert count_parameters(wide.trans) == 24_862_528
    assert count_parameters(model.tokenizers) == 118_272
    assert count_parameters(model.mappers) == 315_392
    blocks = [*model.tfm.encoder, *model.tfm.decoder]
    assert [count_parameters(block) for block in blocks] == [352_256] * 4


def test_damage_is_seen_by_trans_and_tokenizers_but_not_by_the_target(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    black = torch.zeros(4, 3, SIZE, SIZE)
    monkeypatch.setattr("blemish.models.gtrans.model.damage", lambda images: black)
    model = make(damage=1.0)
    batch = make_batch(model)
    f_m = mapped(model, Batch(black, model.frozen_features(black)))
    torch.testing.assert_close(loss_of(model, batch), loss(batch.frozen, f_m).mean())


def test_the_named_share_of_images_is_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(damage=0.25)
    batch = Batch(torch.full((400, 3, 8, 8), 9, dtype=torch.uint8), ())
    monkeypatch.setattr("blemish.models.gtrans.model.damage", lambda images: images * 0)
    monkeypatch.setattr("blemish.models.gtrans.model.training_loss", lambda f_g, f_m, mining: f_m.mean())
    monkeypatch.setattr(model.trans, "normalise", lambda images: images)
    monkeypatch.setattr(model.agn, "forward", lambda images: [])
    monkeypatch.setattr(model, "mapped_features", lambda images, f_g: (images == 0).float())
    assert 0.18 < loss_of(model, batch) < 0.32


def test_standardising_divides_by_what_good_images_show_and_centring_takes_the_mean_off() -> None:
    images = images_to_tensor(textures(12))
    fields = {"alpha": "fixed", "combine": "geometric"}
    model = make(**fields, standardise=True).eval()
    with torch.inference_mode():
        before = model(images)[1]
        model.after_training(lambda: iter(images.split(5)), np.arange(len(images)) < 10, 0)
        after = model(images)[1]
        centred = make(**fields, standardise=True, centre=True).eval()
        centred.load_state_dict(model.state_dict())
        assert centred(images)[1].mean(dim=(1, 2)).abs().max() < 1e-4
        torch.testing.assert_close(make(**fields).eval()(images)[1], before)  # without statistics no change
    assert not torch.allclose(after / after.mean(), before / before.mean(), rtol=0.01)
