"""GTrans: AGN guides Trans; anomalies are where the two disagree."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from blemish.models.backbones import create_backbone
from blemish.models.base import Batch, Step, TrainedModel
from blemish.models.gtrans.agn import AGN
from blemish.models.gtrans.anomaly_map import AnomalyMap, distance, rough_distance
from blemish.models.gtrans.config import GTransConfig
from blemish.models.gtrans.damage import damage
from blemish.models.gtrans.mapper import Mapper
from blemish.models.gtrans.standardise import Standardise
from blemish.models.gtrans.tfm import TFM
from blemish.models.gtrans.tokenizer import Tokenizer


def _flatten(features: Tensor) -> Tensor:
    """[B, c, h, w] to [B, hw, c]."""
    return features.flatten(2).transpose(1, 2)


def _loss(
    teacher: Sequence[Tensor], student: Sequence[Tensor], measure: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Eq. 14: the mean distance over positions, summed over levels; float32 [B]."""
    losses = [measure(g, m).mean(dim=(1, 2)) for g, m in zip(teacher, student, strict=True)]
    return torch.stack(losses).sum(dim=0)


class GTrans(TrainedModel):
    """The whole of figure 2.

    The teacher's weights are random until `load_teacher` or a model file fills them.
    """

    def __init__(self, config: GTransConfig, image_size: int) -> None:
        super().__init__()
        self.config, self.image_size = config, image_size
        self.agn = AGN(create_backbone(config.backbone, config.layers))
        self.trans = create_backbone(config.backbone, config.layers)
        channels = self.trans.channels
        if config.tfm != "none":
            self.tokenizers = nn.ModuleList(Tokenizer(c, config.tokens, config.token_dim) for c in channels)
            self.mappers = nn.ModuleList(Mapper(c, config.token_dim) for c in channels)
        if config.tfm in ("encoder", "encoder-decoder"):
            self.tfm = TFM(
                config.tokens * len(channels),
                config.token_dim,
                config.tfm_depth,
                decoder=config.tfm == "encoder-decoder",
            )
        self.anomaly_map = AnomalyMap(config, image_size)

    def load_teacher(self, weights: dict[str, Tensor]) -> None:
        """Fill AGN with ImageNet weights, in the backbone's own key names."""
        self.agn.backbone.load_weights(weights)

    def _tokens(self, features: list[Tensor]) -> Tensor:
        """All levels' features to their tokens side by side, [B, g L, d]."""
        return torch.cat(
            [tokenizer(_flatten(f)) for tokenizer, f in zip(self.tokenizers, features, strict=True)], dim=1
        )

    def student_features(self, images: Tensor, teacher: list[Tensor]) -> list[Tensor]:
        """F_M (eq. 12) for normalised images [B, 3, S, S], one map per level in the shape of F_G."""
        student = self.trans(images)
        if self.config.tfm == "none":
            return student
        tokens = self._tokens(student)
        if self.config.tfm == "encoder-decoder":
            tokens = self.tfm(tokens, self._tokens(teacher))
        elif self.config.tfm == "encoder":
            tokens = self.tfm(tokens, tokens)
        groups = tokens.split(self.config.tokens, dim=1)
        return [
            mapper(_flatten(f), group).transpose(1, 2).reshape(f.shape)
            for mapper, f, group in zip(self.mappers, student, groups, strict=True)
        ]

    def _features(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """F_G and F_M of images as in `forward`."""
        normalised = self.trans.normalise(images)
        teacher = self.agn(normalised)
        return teacher, self.student_features(normalised, teacher)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See `AnomalyModel.forward`. The image score is the maximum of the smoothed map (section 4)."""
        anomaly_map = self.anomaly_map(*self._features(images))
        return anomaly_map.amax(dim=(1, 2)), anomaly_map

    def frozen_features(self, images: Tensor) -> tuple[Tensor, ...]:
        """F_G of uint8 images."""
        return tuple(self.agn(self.trans.normalise(images)))

    def validation_loss(self, batch: Batch) -> Tensor:
        """Eq. 14: the mean distance over positions, summed over levels; float32 [B]."""
        student = self.student_features(self.trans.normalise(batch.images), list(batch.frozen))
        return _loss(batch.frozen, student, distance)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Everything but AGN."""
        return {"student": [parameter for parameter in self.parameters() if parameter.requires_grad]}

    def training_steps(self, batch: Batch) -> Iterator[Step]:
        """One step: the mean of eq. 14 over the batch (the paper does not reduce it).

        Of a damaged image, student and tokens see the damage; F_G in the loss is the good image's.
        """
        seen, guides = batch.images, list(batch.frozen)
        if self.config.damage:
            images = batch.images.float()
            chosen = torch.rand(len(images), 1, 1, 1) < self.config.damage
            seen = torch.where(chosen.to(images.device), damage(images), images)
            if self.config.tfm == "encoder-decoder":  # the only one that looks at them
                with torch.no_grad():
                    guides = self.agn(self.trans.normalise(seen))
        student = self.student_features(self.trans.normalise(seen), guides)
        yield Step("student", _loss(batch.frozen, student, rough_distance).mean())

    @torch.no_grad()
    def after_training(self, learned: Iterable[Tensor]) -> None:
        """Take the statistics by which the map standardises."""
        if self.config.standardise:
            level_maps = self.anomaly_map.level_maps
            standardise = self.anomaly_map.standardise
            assert isinstance(standardise, Standardise)
            standardise.learn(level_maps(*self._features(images)) for images in learned)
