"""GTrans: AGN guides Trans; anomalies are where the two disagree (figure 2, sections 3.1 to 3.3).

Images go through the frozen AGN and through Trans; the Tokenizer makes a few tokens of each level of both;
the TFM relates the tokens; the Mapper gives them back to Trans's features, which are to equal AGN's. Tokens
are [B, N, d] here, the transpose of the paper's d x N.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from blemish.images.frame import Shape
from blemish.models.backbones import FrozenBackbone, create_backbone
from blemish.models.base import Batch, Step, TrainedModel
from blemish.models.gtrans.anomaly_map import AnomalyMap, Standardise, loss, training_loss
from blemish.models.gtrans.config import GTransConfig
from blemish.models.gtrans.damage import damage
from blemish.models.gtrans.memory import AddedMemory, chosen


class AGN(FrozenBackbone):
    """Anomaly guided network (section 3.1): an ImageNet backbone that never changes."""

    def forward(self, images: Tensor) -> list[Tensor]:
        """Normalised images [B, 3, H, W] to F_G, one [B, c_l, h_l, w_l] per level."""
        return self.backbone(images)


class Tokenizer(nn.Module):
    """From one level's features, of either network, to a few visual tokens (section 3.1.2, eqs. 1-3).

    The paper does not say whether AGN and Trans share a tokenizer; they do here, as in the authors' code.
    """

    def __init__(self, channels: int, tokens: int, token_dim: int) -> None:
        super().__init__()
        self.scale = channels**-0.5
        self.group = nn.Linear(channels, tokens, bias=False)
        self.value = nn.Linear(channels, token_dim, bias=False)

    def attention(self, features: Tensor) -> Tensor:
        """Eq. 1 and the softmax of eq. 3: features [B, hw, c] to weights [B, g, hw] that sum to 1 over hw."""
        return (self.group(features) * self.scale).softmax(dim=1).transpose(1, 2)

    def forward(self, features: Tensor) -> Tensor:
        """Features [B, hw, c] to tokens [B, g, d].

        Eq. 3 is softmax(G)^T V with V = features W (eq. 2). Both are linear in the features, so the
        positions are pooled before the projection: the same result without the [hw, d] tensor V.
        """
        return self.value(self.attention(features) @ features)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Eqs. 5, 9, 12: query [B, n, c], key [B, m, c], value [B, m, d] to [B, n, d]; softmax over the keys.

    Spelt out, because PyTorch's fused function does not export to ONNX for three-dimensional tensors, and
    with a few dozen keys it gains nothing.
    """
    scores = query @ key.transpose(1, 2) * query.shape[-1] ** -0.5
    return scores.softmax(dim=-1) @ value


class Block(nn.Module):
    """One encoder or decoder block of the TFM (section 3.2.2): attention, then a point-wise network.

    An encoder block attends to itself (eqs. 4-7); a decoder block takes queries from AGN's tokens and keys
    and values from the encoder's output (eqs. 8-11). The two LayerNorms are placed as printed: the first
    inside its residual (eqs. 6 and 10), the second outside (eqs. 7 and 11). The paper does not give their
    shape; they normalise jointly over [N, d], as in the authors' code, each with its own affine parameters.
    No positional embedding, one head, no bias in any projection and no dropout, as the paper prescribes.
    """

    def __init__(self, tokens: int, dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(dim, dim, bias=False)
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim, bias=False)
        self.attention_norm = nn.LayerNorm((tokens, dim))
        self.expand = nn.Linear(dim, dim, bias=False)
        self.reduce = nn.Linear(dim, dim, bias=False)
        self.output_norm = nn.LayerNorm((tokens, dim))

    def forward(self, tokens: Tensor, memory: Tensor) -> Tensor:
        """Tokens [B, N, d] attending to memory [B, N, d], softmax over the keys; returns [B, N, d]."""
        attended = attend(self.query(tokens), self.key(memory), self.value(memory))
        tokens = tokens + self.attention_norm(attended)
        return self.output_norm(tokens + self.reduce(functional.relu(self.expand(tokens))))


class TFM(nn.Module):
    """A stack of S encoder blocks and, unless `decoder` is False, S decoder blocks with their own weights.

    Every decoder block attends to the last encoder output. The text under fig. 2 names Trans's tokens E_in
    and AGN's D_in; the sentence before eq. 4 swaps them, and eq. 8 only fits the former, which is used.
    """

    def __init__(self, tokens: int, dim: int, depth: int, *, decoder: bool = True) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(Block(tokens, dim) for _ in range(depth))
        self.decoder = nn.ModuleList(Block(tokens, dim) for _ in range(depth if decoder else 0))

    def forward(self, e_in: Tensor, d_in: Tensor) -> Tensor:
        """Trans's and AGN's tokens, each [B, N, d], to D_out (or E_out without a decoder), [B, N, d]."""
        encoded = e_in
        for block in self.encoder:
            encoded = block(encoded, encoded)
        if not self.decoder:
            return encoded
        decoded = d_in
        for block in self.decoder:
            decoded = block(decoded, encoded)
        return decoded


class Mapper(nn.Module):
    """Adds to each position of Trans's features what it finds in its level's tokens (section 3.2.3, eq. 12).

    Eq. 12 prints the query from F_G and keys and values from E_out. That would leave the decoder without
    gradient and contradict the sentence before it, so the query comes from F_T and keys and values from
    this level's group of D_out, as in the authors' code.
    """

    def __init__(self, channels: int, token_dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(channels, channels, bias=False)
        self.key = nn.Linear(token_dim, channels, bias=False)
        self.value = nn.Linear(token_dim, channels, bias=False)

    def forward(self, features: Tensor, tokens: Tensor) -> Tensor:
        """Features [B, hw, c] and tokens [B, g, d] to mapped features [B, hw, c], softmax over g."""
        return features + attend(self.query(features), self.key(tokens), self.value(tokens))


def _flatten(features: Tensor) -> Tensor:
    """[B, c, h, w] to [B, hw, c]."""
    return features.flatten(2).transpose(1, 2)


class GTrans(TrainedModel):
    """The whole of figure 2."""

    def __init__(self, config: GTransConfig, image_shape: Shape) -> None:
        super().__init__()
        self.config, self.image_shape = config, image_shape
        self.agn = AGN(config.backbone, config.layers)
        self.trans = create_backbone(config.backbone, config.layers)
        channels = self.trans.channels
        if config.tfm != "none":
            self.tokenizers = nn.ModuleList(Tokenizer(c, config.tokens, config.token_dim) for c in channels)
            self.mappers = nn.ModuleList(Mapper(c, config.token_dim) for c in channels)
        if config.tfm in ("encoder", "encoder-decoder"):
            decoder = config.tfm == "encoder-decoder"
            self.tfm = TFM(config.tokens * len(channels), config.token_dim, config.tfm_depth, decoder=decoder)
        self.anomaly_map = AnomalyMap(config, image_shape)
        self.memory = AddedMemory(config, image_shape, self.agn) if config.memory else None

    def tokens(self, features: list[Tensor]) -> Tensor:
        """One network's features of all levels to their tokens side by side, [B, g L, d]."""
        return torch.cat(
            [tokenizer(_flatten(f)) for tokenizer, f in zip(self.tokenizers, features, strict=True)], dim=1
        )

    def mapped_features(self, images: Tensor, f_g: list[Tensor]) -> list[Tensor]:
        """F_M (eq. 12) for normalised images [B, 3, H, W], one map per level in the shape of F_G."""
        f_t = self.trans(images)
        if self.config.tfm == "none":
            return f_t
        tokens = self.tokens(f_t)
        if self.config.tfm == "encoder-decoder":
            tokens = self.tfm(tokens, self.tokens(f_g))
        elif self.config.tfm == "encoder":
            tokens = self.tfm(tokens, tokens)
        groups = tokens.split(self.config.tokens, dim=1)
        return [
            mapper(_flatten(f), group).transpose(1, 2).reshape(f.shape)
            for mapper, f, group in zip(self.mappers, f_t, groups, strict=True)
        ]

    def features(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """F_G and F_M of images as in `forward`."""
        normalised = self.trans.normalise(images)
        f_g = self.agn(normalised)
        return f_g, self.mapped_features(normalised, f_g)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See `AnomalyModel.forward`. The image score is the maximum of the smoothed map (section 4)."""
        anomaly_map, f_g = self._maps_and_levels(images)
        if self.memory:
            anomaly_map = self.memory(anomaly_map, f_g)
        return anomaly_map.amax(dim=(1, 2)), anomaly_map

    def _maps_and_levels(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Trans's own map [B, H, W] and F_G."""
        f_g, f_m = self.features(images)
        return self.anomaly_map(f_g, f_m), f_g

    def load_teacher(self, weights: dict[str, Tensor]) -> None:
        """Fill AGN with ImageNet weights, in the backbone's own key names, and Trans with a share of them."""
        self.agn.backbone.load_weights(weights)
        with torch.no_grad():
            for own, guide in zip(self.trans.parameters(), self.agn.backbone.parameters(), strict=True):
                if own.dim() > 1:  # no normalisation
                    own.lerp_(guide, self.config.warm_start)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Everything but AGN."""
        return {"student": [parameter for parameter in self.parameters() if parameter.requires_grad]}

    def frozen_features(self, images: Tensor) -> tuple[Tensor, ...]:
        """F_G of uint8 images."""
        return tuple(self.agn(self.trans.normalise(images)))

    def training_steps(self, batch: Batch) -> Iterator[Step]:
        """One step: the mean of eq. 14 over the batch (the paper does not reduce it).

        Of a damaged image, Trans and the tokenizers see the damage; F_G in the loss is the good image's.
        """
        seen, guides = batch.images, list(batch.frozen)
        if self.config.damage:
            images = batch.images.float()
            chosen = torch.rand(len(images), 1, 1, 1) < self.config.damage
            seen = torch.where(chosen.to(images.device), damage(images), images)
            if self.config.tfm == "encoder-decoder":  # the only one that looks at them
                with torch.no_grad():
                    guides = self.agn(self.trans.normalise(seen))
        f_m = self.mapped_features(self.trans.normalise(seen), guides)
        yield Step("student", training_loss(batch.frozen, f_m, self.config.mining))

    def validation_loss(self, batch: Batch) -> Tensor:
        """Eq. 14 of each image, float32 [B]."""
        f_g = list(batch.frozen)
        return loss(f_g, self.mapped_features(self.trans.normalise(batch.images), f_g))

    @torch.no_grad()
    def after_training(self, batches: Callable[[], Iterator[Tensor]], learned: np.ndarray, seed: int) -> None:
        """Take the statistics by which the map standardises from what was learned, and remember all."""
        if isinstance(self.anomaly_map.standardise, Standardise):
            level_maps, shown = self.anomaly_map.level_maps, chosen(batches(), np.flatnonzero(learned))
            self.anomaly_map.standardise.learn(level_maps(*self.features(images)) for _, images in shown)
        if self.memory:
            self.memory.learn(batches, learned, seed, self._maps_and_levels)

    def leave_out(self, rows: np.ndarray) -> None:
        """See `TrainedModel.leave_out`."""
        assert self.memory is not None
        self.memory.bank.leave_out(rows)

    def resize_state(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """See `AnomalyModel.resize_state`."""
        if self.memory:
            self.memory.resize_state(shapes, "memory.bank.")
