"""The frozen teacher (GTrans section 3.1)."""

from torch import Tensor, nn

from blemish.models.backbones import FeatureExtractor


class AGN(nn.Module):
    """Anomaly guided network: an ImageNet backbone that never changes.

    It stays in eval mode whatever mode its parent is in, so that its BatchNorm statistics stay ImageNet's.
    """

    def __init__(self, backbone: FeatureExtractor) -> None:
        super().__init__()
        self.backbone = backbone
        self.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> "AGN":
        return super().train(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Normalised images [B, 3, S, S] to F_G, one [B, c_l, h_l, w_l] per level."""
        return self.backbone(images)
