"""The convolutional pyramid of the GANomaly family and the discriminator built of it."""

from torch import Tensor, nn

from blemish.models.gan.layers import BatchNorm2d

FEATURES = 100  # length of f(x)


def pyramid(image_size: int) -> tuple[nn.Sequential, int, int]:
    """Strided convolutions that halve an image, and double the channels, until at most 4 pixels remain.

    The first has no BatchNorm, as in DCGAN (Radford et al., ICLR 2016).

    Returns:
        The layers, from images [B, 3, S, S] to [B, channels, remaining, remaining]; the channels; and
        the remaining size: 4 for powers of two, 3 at 96 pixels, 2 at 160.
    """
    channels, remaining = 64, image_size // 2
    layers = nn.Sequential(nn.Conv2d(3, channels, 4, 2, 1, bias=False), nn.LeakyReLU(0.2))
    while remaining > 4:
        layers.append(nn.Conv2d(channels, 2 * channels, 4, 2, 1, bias=False))
        layers.append(BatchNorm2d(2 * channels))
        layers.append(nn.LeakyReLU(0.2))
        channels, remaining = 2 * channels, remaining // 2
    return layers, channels, remaining


class Discriminator(nn.Module):
    """Skip-GANomaly's discriminator (Akcay et al., IJCNN 2019), also SAGAN's (2021) and AnoTrans's.

    Its feature f(x) is the convolution that takes in all that remains of the pyramid. The authors' kernel
    is always 4, which cannot work at 96 pixels; here it is what remains.
    """

    def __init__(self, image_size: int) -> None:
        super().__init__()
        self.pyramid, channels, remaining = pyramid(image_size)
        self.feature = nn.Conv2d(channels, FEATURES, remaining, bias=False)
        self.classifier = nn.Conv2d(FEATURES, 1, 3, padding=1, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images float [B, 3, S, S] in [-1, 1] to the logit of being real [B] and f(x) [B, 100].

        The authors' last layer, a sigmoid, is left to `binary_cross_entropy_with_logits`.
        """
        feature = self.feature(self.pyramid(images))
        return self.classifier(feature).flatten(), feature.flatten(1)
