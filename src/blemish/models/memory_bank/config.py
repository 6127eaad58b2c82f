"""Configuration of the methods that need no training: the papers' values as defaults. Free of torch.

The preset "standard" sees whole images, "paper" the papers' central crop.
"""

from typing import ClassVar

from pydantic import Field

from blemish.models.config import CENTRE, WHOLE, Layers, ModelConfig, Preset


class TrainingFreeConfig(ModelConfig):
    """What PatchCore, PaDiM and SPADE share.

    Attributes:
        backbone: architecture of the frozen network; the default is the one whose ImageNet weights install
            with the package.
        layers: feature levels, level l being the map at stride 2^(l+1). All are brought to the size of the
            first and put side by side. Of a Vision Transformer they are blocks, and those of
            `blemish.models.backbones.default_blocks` unless some are named.
        sigma: standard deviation in pixels of the Gaussian over the anomaly map; 4 in all three papers.
    """

    presets: ClassVar[dict[str, Preset]] = {"standard": {"frame": WHOLE}, "paper": {"frame": CENTRE}}

    backbone: str = "efficientnet_lite0"
    layers: Layers = (1, 2, 3)
    sigma: float = Field(default=4.0, gt=0, le=256)


class PatchCoreConfig(TrainingFreeConfig):
    """PatchCore (Roth et al., CVPR 2022, arXiv 2106.08265).

    Attributes:
        coreset: share of the patches that is remembered; 10 % and 1 % in the paper, 25 % at most.
        memory: how many patches are remembered at most, 4 C bytes each, where C is the number of channels
            of all levels (38 MB for 25,000 patches of ResNet-18).
        candidates: how many patches the coreset is chosen from at most, 4 C bytes each while fitting
            (384 MB for 250,000 patches of ResNet-18); of more, that many are drawn at random.
        neighbours: b of eq. 7; 1 leaves the patch distance as it is.
    """

    layers: Layers = (2, 3)
    coreset: float = Field(default=0.1, gt=0, le=1)
    memory: int = Field(default=25_000, ge=1, le=1_000_000)
    candidates: int = Field(default=250_000, ge=1, le=10_000_000)
    neighbours: int = Field(default=9, ge=1, le=1000)


class PaDiMConfig(TrainingFreeConfig):
    """PaDiM (Defard et al., ICPR Workshops 2021, arXiv 2011.08785).

    Attributes:
        channels: how many channels of all levels are drawn at random, 100 for the paper's ResNet-18. Model
            file and memory hold 4 channels^2 bytes per position (125 MB for 56 x 56 positions).
        shrinkage: epsilon, added to the diagonal of every covariance (section III B). The paper's is 0.01
            for features that are not averaged over 3 x 3 positions; averaging leaves them less variance.
    """

    channels: int = Field(default=100, ge=1, le=4096)
    shrinkage: float = Field(default=0.001, gt=0)


class GalleryConfig(TrainingFreeConfig):
    """What the methods share that remember good images whole.

    Attributes:
        neighbours: K, how many of the most similar good images a test image is compared with.
        gallery: how many good images, and changed versions of such, are remembered at most, 2 C bytes per
            position each, where C is the number of channels of all levels (0.6 MB an image for ResNet-18 at
            28 x 28); of more, that many are drawn at random.
    """

    layers: Layers = (2, 3)
    neighbours: int = Field(default=50, ge=1, le=1000)
    gallery: int = Field(default=500, ge=1, le=100_000)


class SPADEConfig(GalleryConfig):
    """SPADE (Cohen and Hoshen 2020, arXiv 2005.02357).

    The paper compares levels 1 to 3 at stride 4; without level 1 it is a nineteenth of the work.
    """


class RADConfig(GalleryConfig):
    """RAD (Zhang et al. 2026, arXiv 2601.22763).

    Attributes:
        gallery: see `GalleryConfig`; 76 kB an image at 28 x 28, for every other position is remembered.
        components: D, how many principal components of the patches are compared, at most C
            (`blemish.models.memory_bank.whitening`).
        memory: how many patches of all images are remembered besides at most, a coreset, 4 (D + 1) bytes
            each; 4,000 are as much work as ten images.
    """

    leave_one_out: ClassVar[bool] = True
    presets: ClassVar[dict[str, Preset]] = {"standard": {"frame": WHOLE}}

    neighbours: int = Field(default=5, ge=1, le=1000)
    components: int = Field(default=96, ge=1, le=4096)
    memory: int = Field(default=4000, ge=1, le=1_000_000)
