"""What the configurations of all models have in common. Free of torch."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

Preset = dict[str, dict[str, Any]]


class ModelConfig(BaseModel):
    """Base of the configurations of models.

    Attributes:
        presets: named sets of values by section of a run ("frame", "model", "training"), weaker than what the
            user says. A run takes the first one unasked.
        scoring_only: fields that change the maps made of what was learned, and nothing about what is learned.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    presets: ClassVar[dict[str, Preset]] = {"standard": {}}
    scoring_only: ClassVar[frozenset[str]] = frozenset()

    def check_image_size(self, size: int) -> None:
        """Refuse frames that the network cannot take.

        Raises:
            ValueError: with the sizes that it takes.
        """
