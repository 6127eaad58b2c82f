"""AnoTrans's configuration: the paper's values as defaults, the ablations of its tables as fields."""

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from blemish.models.gan_config import LatentGANConfig

LEVELS = 3  # how often the encoder halves its map


class AnoTransConfig(LatentGANConfig):
    """Fields of the AnoTrans model (ICANN 2022); losses and scoring as in `LatentGANConfig`.

    Attributes:
        d_steps: 2, the training strategy of section 3.2.
        restart_discriminator: not part of this method.
        patch: side of an embedded patch in pixels, even; the paper's 2, the authors' code defaults to 4.
        channels: C, width of a token at the first level; it doubles with each of the three mergings. A
            multiple of the number of heads.
        heads: attention heads in every block.
        window: side of an attention window in tokens; every second block shifts it by half.
        attention: "window" is the paper's; "global" lets every token see all others (table 1).
        skip: what a skip connection does to the encoder's tokens. "sac", the paper's skip attention
            connection, is an attention block of its own; "cbam" (tables 3 and 4); "identity" (table 5).
        input_norm: whether the generator begins with BatchNorm. The paper says so; the authors' code does
            not run it.
    """

    d_steps: int = Field(default=2, ge=1, le=16)
    restart_discriminator: bool = False
    patch: int = Field(default=2, ge=2, le=64, multiple_of=2)
    channels: int = Field(default=64, ge=1, le=1024)
    heads: int = Field(default=4, ge=1, le=64)
    window: int = Field(default=2, ge=1, le=64)
    attention: Literal["window", "global"] = "window"
    skip: Literal["sac", "cbam", "identity"] = "sac"
    input_norm: bool = True

    run_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "frame": LatentGANConfig.run_defaults["frame"],
        "training": LatentGANConfig.run_defaults["training"] | {"batch_size": 32},
    }

    def check_image_size(self, size: int) -> None:
        """A size whose tokens can be halved three times and fill their windows, without padding."""
        if not self._fits(size):
            sizes = ", ".join(str(other) for other in range(32, 257) if self._fits(other))
            raise ValueError(
                f"anotrans with patch {self.patch} and window {self.window} takes images of "
                f"{sizes or 'more than 256'} pixels, not {size}"
            )

    def _fits(self, size: int) -> bool:
        if size % (self.patch * 2**LEVELS):
            return False
        sides = [size // (self.patch * 2**level) for level in range(LEVELS + 1)]
        return self.attention == "global" or all(s <= self.window or s % self.window == 0 for s in sides)

    @model_validator(mode="after")
    def _check_heads(self) -> "AnoTransConfig":
        if self.channels % self.heads or self.channels % 2:
            raise ValueError(f"channels must be even and a multiple of heads, {self.heads}")
        return self
