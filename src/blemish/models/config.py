"""What the configurations of all models have in common. Free of torch."""

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict

from blemish.images.frame import Shape

Preset = dict[str, dict[str, Any]]

WHOLE = {"resize": 224, "crop": "none"}  # the frames of presets: all of a picture,
CENTRE = {"resize": 256, "crop": 224}  # and the papers'


def _ascending(layers: tuple[int, ...]) -> tuple[int, ...]:
    if not layers or sorted(set(layers)) != list(layers) or layers[0] < 1:
        raise ValueError("layers must be ascending, distinct and at least 1, such as [1, 2, 3]")
    return layers


# feature levels of a backbone, level l being the map at stride 2^(l+1)
Layers = Annotated[tuple[int, ...], AfterValidator(_ascending)]


def full_name(method: str, preset: str, backbone: str | None) -> str:
    """A method as people are told of it, such as "rad, preset standard, backbone resnet18"."""
    parts = [method, preset and f"preset {preset}", backbone and f"backbone {backbone}"]
    return ", ".join(filter(None, parts))


class ModelConfig(BaseModel):
    """Base of the configurations of models.

    Attributes:
        presets: named sets of values by section of a run ("frame", "model", "training"), weaker than what the
            user says. A run takes the first one unasked.
        leave_one_out: all good images are learned from, and each calibrates while it alone is left out.
        square: the network takes square images only.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    presets: ClassVar[dict[str, Preset]] = {"standard": {}}
    leave_one_out: ClassVar[bool] = False
    square: ClassVar[bool] = False

    @property
    def remembers_all(self) -> bool:
        """Whether the model remembers the images that calibrate, too, which are left out in their turn."""
        return self.leave_one_out

    @property
    def scoring_only(self) -> frozenset[str]:
        """Fields that change the maps made of what was learned, and nothing about what is learned."""
        return frozenset()

    def check_frame(self, shape: Shape) -> None:
        """Refuse frames of this height and width, as `check_image_size` does."""
        if self.square and shape[0] != shape[1]:
            raise ValueError(f"takes square images, not {shape[1]} x {shape[0]} pixels")
        self.check_image_size(shape[0])

    def check_image_size(self, size: int) -> None:
        """Refuse sides that the network cannot take.

        Raises:
            ValueError: with the sizes that it takes, as the end of a sentence that begins with the method.
        """
