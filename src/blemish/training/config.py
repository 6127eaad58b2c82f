"""The configuration of a run, made once where the user speaks. Free of torch."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    model_validator,
)

from blemish.errors import ConfigError, choice, nearest, suggestion
from blemish.files import read_toml
from blemish.images.changes import Tolerated
from blemish.images.frame import STEP, Frame, Shape, has_tiles
from blemish.inference.model_file import Metadata
from blemish.models.config import ModelConfig
from blemish.models.registry import DEFAULT_METHOD, config_class

_Tolerate = Annotated[
    tuple[Tolerated, ...],
    BeforeValidator(lambda given: given.split(",") if isinstance(given, str) else given),
    AfterValidator(lambda words: tuple(sorted(set(words)))),
]


class TrainingConfig(BaseModel):
    """How a model is trained; a method's presets hold its own values.

    Attributes:
        schedule: how the learning rate goes: "exponential" is learning_rate * lr_decay^(step / total steps)
            (GTrans eq. 20); "one-cycle" rises to learning_rate and then falls to nothing.
        lr_decay: of the exponential schedule; 1 keeps the rate.
        validation_share: share of the good images held out of training.
        select: keep the weights of the epoch with the "best" validation loss, or of the "last" one.
        seed: of the split, the initial weights and the order of the images.
        deterministic: insist on deterministic kernels.
        precision: "bf16" computes convolutions and matrix products in bfloat16 with float32 weights;
            "auto" does so where the hardware has it.
        cache_gigabytes: memory for decoded images and the frozen network's features. What is beyond it is
            kept in a file; features that a file has no room for are computed again in every epoch.
        checkpoint_seconds: least time between two checkpoints.
        tracker: also report to an experiment tracker (extra "trackers"); the JSONL log is always written.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    epochs: int = Field(default=100, ge=1)
    batch_size: int = Field(default=32, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    adam_betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    schedule: Literal["exponential", "one-cycle"] = "exponential"
    lr_decay: float = Field(default=1.0, gt=0, le=1)
    validation_share: float = Field(default=0.2, gt=0, lt=1)
    select: Literal["best", "last"] = "best"
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    deterministic: bool = False
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    cache_gigabytes: float = Field(default=4.0, ge=0)
    checkpoint_seconds: float = Field(default=60.0, ge=0)
    tracker: Literal["none", "tensorboard", "mlflow", "wandb"] = "none"


class RunConfig(BaseModel):
    """Everything `fit` can be told; the sections of a run.toml. `build_config` makes it.

    Attributes:
        preset: the method's named set of values that this configuration started from.
        false_alarm_rate: the share of good images that may be called anomalous.
        tolerate: differences that are no defects (`blemish.images.changes`): "light", "place", "turn"; a
            list, or a text with commas between them.
        contamination: the share of the good images, those oddest to a memory bank of the others, that is
            neither learned from nor calibrated on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    preset: str
    frame: Frame
    model: SerializeAsAny[ModelConfig]
    training: TrainingConfig
    false_alarm_rate: float = Field(default=0.01, gt=0, lt=1)
    tolerate: _Tolerate = ()
    contamination: float = Field(default=0.0, ge=0, lt=0.5)

    @model_validator(mode="after")
    def _frame_suits_model(self) -> Self:
        try:
            self.model.check_frame(self.frame.shape)
        except ValueError as error:
            field = (
                "frame.tile" if self.frame.tile else "frame.aspect=1" if self.frame.aspect else "frame.resize"
            )
            raise ValueError(f"{self.method} {error}; set {field}") from None
        return self

    def for_images(self, shapes: Iterable[Shape], step: int = STEP) -> Self:
        """The same run with the frame that suits these images, see `Frame.for_images`."""
        frame = self.frame.for_images(shapes, step=step, square=self.model.square)
        return self.model_copy(update={"frame": frame})

    def with_seed(self, seed: int) -> Self:
        """The same run with another seed."""
        return self.model_copy(update={"training": self.training.model_copy(update={"seed": seed})})


def build_config(
    file: str | Path | None = None,
    assignments: Iterable[str] = (),
    values: Mapping[str, Any] = MappingProxyType({}),
) -> RunConfig:
    """Put a run's configuration together; later sources win, and all of them over the method's preset.

    Args:
        file: a TOML file with the fields of `RunConfig`, or None.
        assignments: "section.field=value" texts, values as in TOML; a bare word is a string.
        values: fields of `RunConfig`, those of a section in a mapping of their own; None is not given.

    Raises:
        ConfigError: unreadable file, unknown field, method or preset, or a value out of range.
    """
    merged = read_toml(Path(file)) if file else {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip():
            raise ConfigError(
                f"--set takes section.field=value, such as training.epochs=50, not {assignment!r}."
            )
        _assign(merged, name.strip(), _parse_value(text.strip()))
    for name, value in values.items():
        for field, part in value.items() if isinstance(value, Mapping) else [("", value)]:
            if part is not None:
                _assign(merged, f"{name}.{field}".rstrip("."), part)
    name = str(merged.setdefault("method", DEFAULT_METHOD))
    method = config_class(name)
    _apply_preset(merged, name, method)
    try:
        model = method.model_validate(merged.pop("model", {}))
    except ValidationError as error:
        raise ConfigError(_sentence(error, method, "model.", f" in {name}")) from None
    try:
        return RunConfig.model_validate({"frame": {}, "training": {}} | merged | {"model": model})
    except ValidationError as error:
        raise ConfigError(_sentence(error, method)) from None


def nearest_fields(name: str, methods: Iterable[type[ModelConfig]]) -> list[str]:
    """The fields of runs of these methods that look like this one, whichever section it was put into."""
    sections: list[tuple[str, type[BaseModel]]] = [("model", method) for method in methods]
    sections += [("frame", Frame), ("training", TrainingConfig)]
    known = {field: f"{section}.{field}" for section, one in sections for field in one.model_fields}
    known |= {field: field for field in RunConfig.model_fields}
    return [known[field] for field in nearest(name.rpartition(".")[2], known)]


def config_of(metadata: Metadata) -> RunConfig:
    """The configuration that a model was fitted with; frame and layers are those that suited its images."""
    fields = TrainingConfig.model_fields.keys() & metadata.training.keys()
    return RunConfig(
        method=metadata.method,
        preset=metadata.preset,
        frame=metadata.frame,
        model=config_class(metadata.method).model_validate(metadata.config),
        training=TrainingConfig.model_validate({field: metadata.training[field] for field in fields}),
        false_alarm_rate=metadata.calibration["false_alarm_rate"],
        tolerate=metadata.tolerate,
        contamination=metadata.data.get("contamination", 0),
    )


def _apply_preset(values: dict[str, Any], name: str, method: type[ModelConfig]) -> None:
    preset = str(values.setdefault("preset", next(iter(method.presets))))
    if preset not in method.presets:
        raise ConfigError(f"{name} has no preset {preset!r}; {choice(preset, method.presets)}")
    for section, fields in method.presets[preset].items():
        given = values.setdefault(section, {})
        if isinstance(given, dict) and not (section == "frame" and has_tiles(given)):
            values[section] = fields | given


def _parse_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _assign(values: dict[str, Any], name: str, value: Any) -> None:
    *sections, last = name.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{name!r} is no field: {section!r} has a value, not fields.")
    values[last] = value


def _sentence(error: ValidationError, method: type[ModelConfig], prefix: str = "", where: str = "") -> str:
    first = error.errors(include_url=False)[0]
    field = prefix + ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        hint = suggestion(nearest_fields(field, [method])) or "the docs (Training) list what there is."
        return f"There is no configuration field {field!r}{where}; {hint}"
    message = first["msg"].removeprefix("Value error, ")
    if not field:
        return f"{message}."
    return f"Configuration field {field.rstrip('.')!r}: {message[0].lower()}{message[1:]}."
