"""What the configurations of all models have in common. Free of torch."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class ModelConfig(BaseModel):
    """Base of the configurations of models.

    Attributes:
        run_defaults: what a run of this method takes where its user says nothing, by section of `RunConfig`
            ("frame", "training").
        presets: named sets of values, by section as well ("model" too), weaker than what the user says.
        default_preset: the one that `blemish fit` takes unasked; "" for methods without presets.
        fast: the fields of "training" that `--fast` puts in place of the defaults; a preset's own stay. Empty
            for methods without such a schedule.
        scoring_only: fields that change the maps made of what was learned, and nothing about what is learned.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    run_defaults: ClassVar[dict[str, dict[str, Any]]] = {}
    presets: ClassVar[dict[str, dict[str, dict[str, Any]]]] = {}
    default_preset: ClassVar[str] = ""
    fast: ClassVar[dict[str, Any]] = {}
    scoring_only: ClassVar[frozenset[str]] = frozenset()

    def check_image_size(self, size: int) -> None:
        """Refuse frames that the network cannot take.

        Raises:
            ValueError: with the sizes that it takes.
        """
