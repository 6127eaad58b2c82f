"""What a person says of a kind of part, in a small file beside its model: where defects count, how large they
are at least, and how many false alarms are allowed."""

import json
import math
import shutil
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from blemish.errors import ConfigError
from blemish.files import read_toml, whole_file, writing
from blemish.images.decoding import MAX_PIXELS
from blemish.inference.scale import parse_scale, parse_size

SUFFIX = ".rules.toml"
NONE = "none"  # in place of a file: no rules
VERDICTS = GOOD, LOOK_AGAIN, DEFECTIVE = "good", "look again", "defective"
NO_RULE = "no rule"

Rate = Annotated[float, Field(gt=0, lt=1)]
Size = Annotated[float, Field(ge=0, allow_inf_nan=False)] | str


class Zone(BaseModel):
    """A part of the picture.

    Attributes:
        name: for people.
        polygon: its corners (x, y), in pixels of the rules' `picture`; or
        mask: a picture file of that size, in the folder of the rules or below, not black where the zone is.
        look: whether what lies there counts.
        strictness: what the map is multiplied by there; more than 1 finds fainter defects.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    polygon: tuple[tuple[float, float], ...] | None = Field(default=None, min_length=3)
    mask: str | None = None
    look: bool = True
    strictness: float = Field(default=1, gt=0, le=1000)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.polygon is None) == (self.mask is None):
            raise ValueError(f'zone "{self.name}" has a polygon or a mask; give one of them')
        if not self.look and self.strictness != 1:
            raise ValueError(
                f'zone "{self.name}" is not looked at; leave out its strictness, or look = false'
            )
        if self.mask is not None and (Path(self.mask).is_absolute() or ".." in Path(self.mask).parts):
            raise ValueError(f"the mask {self.mask} lies elsewhere; put it into the folder of the rules")
        return self


class Rules(BaseModel):
    """The content of a rules file; every field is optional.

    Attributes:
        picture: width and height, in pixels, of the picture that zones and sizes refer to. Pictures of that
            shape in another resolution are judged alike.
        zones: `[[zone]]` in the file; where they overlap the last one holds.
        elsewhere: whether what lies outside all zones counts.
        scale: how long a pixel of `picture` is, see `blemish.inference.scale.parse_scale`.
        smallest_area: regions below it do not count; square pixels, or with `scale` a text such as "0.5mm2".
        smallest_length: likewise their longest diameter; pixels, or a text such as "2mm".
        defective: share of good parts that may be called defective; None leaves the model's.
        look_again: share of good parts that may be called at least "look again"; None gives two verdicts.
        folder: of the rules file, where masks lie; not in the file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    picture: tuple[PositiveInt, PositiveInt] | None = None
    zones: tuple[Zone, ...] = Field(default=(), alias="zone")
    elsewhere: bool = True
    scale: str | None = None
    smallest_area: Size = 0.0
    smallest_length: Size = 0.0
    defective: Rate | None = None
    look_again: Rate | None = None
    folder: Path = Field(default=Path(), exclude=True)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = [zone.name for zone in self.zones]
        try:
            sized = any(self.smallest)
        except ConfigError as error:
            raise ValueError(str(error).rstrip(".")) from None
        if (self.zones or sized) and self.picture is None:
            raise ValueError("zones and sizes need picture = [width, height], which their pixels are of")
        if self.picture is not None and math.prod(self.picture) > MAX_PIXELS:
            raise ValueError(f"picture has more pixels than any that is read, {MAX_PIXELS}; give a real size")
        if not self.zones and not self.elsewhere:
            raise ValueError("elsewhere = false without a zone leaves nothing that counts; add a [[zone]]")
        if len(set(names)) < len(names):
            raise ValueError("two zones have the same name; give each its own")
        if self.defective and self.look_again and self.look_again <= self.defective:
            raise ValueError(
                f"look_again ({self.look_again:g}) is not above defective ({self.defective:g}); "
                "give it a larger share, or leave it out"
            )
        for zone in self.zones:
            self._check_corners(zone)
        return self

    def _check_corners(self, zone: Zone) -> None:
        assert self.picture is not None
        for x, y in zone.polygon or ():
            if not (0 <= x <= self.picture[0] and 0 <= y <= self.picture[1]):
                raise ValueError(
                    f'zone "{zone.name}" has the corner {x:g}, {y:g} outside the picture of '
                    f"{self.picture[0]} x {self.picture[1]} pixels; move it inside"
                )

    @property
    def smallest(self) -> tuple[float, float]:
        """`smallest_area` and `smallest_length` in pixels of `picture`."""
        scale = None if self.scale is None else parse_scale(self.scale)
        return (
            parse_size(self.smallest_area, scale, area=True),
            parse_size(self.smallest_length, scale),
        )

    @property
    def about_maps(self) -> bool:
        """Whether they say anything but rates."""
        return bool(self.zones) or any(self.smallest)

    def __str__(self) -> str:
        """What they say, in one line."""
        parts = [f'zone "{zone.name}" {_what(zone)}' for zone in self.zones]
        if not self.elsewhere:
            parts.append("nothing else counts")
        for name in ("smallest_area", "smallest_length"):
            if size := getattr(self, name):
                parts.append(f"{name} {size if isinstance(size, str) else f'{size:g} pixels'}")
        for name in ("defective", "look_again"):
            if rate := getattr(self, name):
                parts.append(f"{name} {100 * rate:g} %")
        return ", ".join(parts) or "nothing is changed"


class Decision(NamedTuple):
    """What is said of an image.

    Attributes:
        p_value: share of good images expected to have at least this statistic, in (0, 1].
        is_anomalous: whether it is defective.
        verdict: "good", "look again" or "defective"; None without rules.
        decided_by: the zone, the size or "elsewhere" that the verdict hangs on, or "no rule"; None likewise.
    """

    p_value: float
    is_anomalous: bool
    verdict: str | None = None
    decided_by: str | None = None


def _what(zone: Zone) -> str:
    if not zone.look:
        return "does not count"
    return "counts" if zone.strictness == 1 else f"counts {zone.strictness:g} times"


def read_rules(path: Path) -> Rules:
    """The rules in a file.

    Raises:
        ConfigError: it cannot be read, or says what cannot be.
    """
    values = read_toml(path)
    try:
        return rules_from(values, path.absolute().parent)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def rules_from(values: dict[str, Any], folder: Path) -> Rules:
    """The rules that a file in this folder would hold, by the names it has for its fields.

    Raises:
        ConfigError: they say what cannot be.
    """
    if "folder" in values:
        raise ConfigError("there is no field 'folder'; leave it out.")
    try:
        return Rules.model_validate(values | {"folder": folder})
    except ValidationError as error:
        raise ConfigError(_sentence(error)) from None


def write_rules(rules: Rules, path: Path) -> None:
    """Write a rules file, whole or not at all.

    Raises:
        BlemishError: it cannot be written.
    """
    values = rules.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    zones = values.pop("zone", [])
    tables = [values, *zones]
    heads = ["", *len(zones) * ["\n[[zone]]\n"]]
    with whole_file(path) as file:
        for head, table in zip(heads, tables, strict=True):
            file.write(head + "".join(f"{name} = {_toml(value)}\n" for name, value in table.items()))


def _toml(value: Any) -> str:
    """A value as TOML writes it: as JSON does, but for one character that TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"] if part not in ("constrained-float", "str"))
    if first["type"] == "extra_forbidden":
        return f"there is no field {field!r}; docs/rules.md lists what there is."
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return f"{message}."
    return f"{field}: {message[0].lower()}{message[1:]}."


def beside(model: Path) -> Path:
    """Where the rules of a model file lie."""
    return model.with_name(model.stem + SUFFIX)


def rules_for(model: Path, given: "Rules | str | Path | None" = None) -> tuple[Rules, str] | None:
    """The rules for a model, and what they are called.

    Args:
        model: the model file.
        given: rules, a rules file, or "none" for none; None takes the file beside the model, if there is one.

    Returns:
        None where there are no rules.

    Raises:
        ConfigError: as `read_rules`.
    """
    if isinstance(given, Rules):
        return given, "given"
    if given == NONE:
        return None
    path = beside(model) if given is None else Path(given)
    if given is None and not path.is_file():
        return None
    return read_rules(path), str(path)


def rules_files(model: Path) -> list[Path]:
    """The rules beside a model, and their masks; none where there are no rules.

    Raises:
        BlemishError: they cannot be read.
    """
    source = beside(model)
    if not source.is_file():
        return []
    masks = (zone.mask for zone in read_rules(source).zones)
    return [source, *(source.parent / mask for mask in masks if mask is not None)]


def copy_rules(model: Path, out: Path) -> str:
    """Copy the rules beside a model, and their masks, to where they lie beside another one.

    Returns:
        A sentence on it, or "" where there is nothing to copy.

    Raises:
        BlemishError: they cannot be read or written.
    """
    source, target = beside(model), beside(out)
    if not source.is_file() or (target.exists() and source.samefile(target)):
        return ""
    with writing(target):
        for mask in rules_files(model)[1:]:
            place = target.parent / mask.relative_to(source.parent)
            if not (place.exists() and place.samefile(mask)):
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(mask, place)
        shutil.copyfile(source, target)
    return f"Wrote {target}, a copy of the rules in {source}."
