"""The model file: weights or an exported graph, with one JSON description. Nothing is unpickled."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from blemish.calibration import Calibration
from blemish.errors import BlemishError, ConfigError, ModelFileError, explained
from blemish.files import check_output, file_digest, synchronise, write_whole
from blemish.images.changes import Tolerated
from blemish.images.frame import Frame, Shape
from blemish.images.known_part import KnownPart
from blemish.models.registry import config_class

if TYPE_CHECKING:
    from torch import Tensor

FORMAT_VERSION = 1
KEY = "blemish"
WEIGHTS_KEY = "blemish_weights"  # beside it in an .xml file: the digest of the .bin file
PROBES = "blemish.probes"  # the tensor of images that an export is verified on
HELD_OUT_MAPS = "blemish.held_out_maps"  # the tensor of `blemish.inference.held_out_maps`
BESIDE_WEIGHTS = {PROBES, HELD_OUT_MAPS}  # tensors in a .safetensors file that are not the model's own
HELD_OUT_MAPS_KEY = "blemish_held_out_maps"  # the same as text in .onnx and .xml files
LONG = 1000  # characters of a text that nobody reads, such as a picture
SUFFIXES = (".safetensors", ".onnx", ".xml")


class Metadata(BaseModel):
    """What a model file says of itself.

    Attributes:
        format_version: of this description.
        method, config: which model, and its configuration.
        preset: the method's named set of values that the configuration started from.
        frame: how an image becomes the network's input.
        tolerate: differences that are no defects, see `blemish.images.changes`.
        calibration: held-out normal scores and the false-alarm rate (`Calibration.to_dict`).
        map_peaks: the largest value in the map of each of these images, for regions and the colours of heat
            maps.
        known_part: what tells other parts apart (`KnownPart.to_dict`); empty where nothing does.
        teacher: where the ImageNet weights came from; "" for methods without.
        training: configuration and outcome of training.
        data: name, number of images, SHA-256 of all of them as the network saw them, and a digest of each
            (`blemish.images.reading.frame_digest`), by which `evaluate` notices images that were fitted to;
            with a crop, the least `visible_share` of one.
        versions: of the libraries that made the file.
        precision: "fp32", or "int8" where the convolutions of an exported graph run on integers.
        quantisation: of an int8 graph, what its ranges and its calibration were taken from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: int = FORMAT_VERSION
    method: str
    preset: str = ""
    config: dict[str, Any]
    frame: Frame
    tolerate: tuple[Tolerated, ...] = ()
    calibration: dict[str, Any]
    map_peaks: list[float]
    known_part: dict[str, Any] = Field(default_factory=dict)
    teacher: str
    training: dict[str, Any]
    data: dict[str, Any]
    versions: dict[str, str] = Field(default_factory=dict)
    precision: str = "fp32"
    quantisation: dict[str, Any] = Field(default_factory=dict)


def model_bytes(tensors: "dict[str, Tensor]", metadata: Metadata) -> bytes:
    """What a .safetensors model file holds."""
    return tensor_bytes(tensors, {KEY: metadata.model_dump_json()})


def write_tensors(path: Path, tensors: "dict[str, Tensor]", description: dict[str, str]) -> None:
    """Write a .safetensors file; an older file of that name stays until the new one is whole.

    Raises:
        BlemishError: the file cannot be written.
    """
    write_whole(path, tensor_bytes(tensors, description))


def tensor_bytes(tensors: "dict[str, Tensor]", description: dict[str, str]) -> bytes:
    """What a .safetensors file holds."""
    from safetensors.torch import save

    return save({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, description)


def read_weights_metadata(path: Path) -> Metadata:
    """`blemish.inference.engines.read_metadata` of a .safetensors file."""
    from safetensors import SafetensorError, safe_open

    check_path(path)
    damaged = f"{path} is damaged or no safetensors file; fit or copy the model again."
    unreadable = explained(ModelFileError, lambda _: damaged, SafetensorError, OSError)
    with unreadable, safe_open(path, framework="numpy") as file:
        text = (file.metadata() or {}).get(KEY)
    return parse_metadata(path, text)


def read_pair_metadata(path: Path) -> Metadata:
    """`blemish.inference.engines.read_metadata` of an OpenVINO pair, whose .xml file is read as plain XML."""
    return parse_metadata(path, openvino_text(path, KEY))


def read_probes(path: Path, shape: Shape) -> np.ndarray:
    """The images in a .safetensors model file that an export is verified on.

    Returns:
        uint8 [n, H, W, 3]; n = 0 for files of older versions.

    Raises:
        ModelFileError: they are not such an array.
    """
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        if PROBES not in file.keys():  # noqa: SIM118 (no container)
            return np.empty((0, *shape, 3), np.uint8)
        probes: np.ndarray = file.get_tensor(PROBES)
    if probes.dtype != np.uint8 or probes.shape[1:] != (*shape, 3):
        raise ModelFileError(f"The probe images in {path} are damaged; fit or copy the model again.")
    return probes


def check_path(path: Path) -> None:
    """Refuse what cannot be a model file, before anything reads it."""
    if not path.is_file():
        raise ModelFileError(f"There is no model file {path}; `blemish fit DATA --out {path}` makes one.")
    if path.suffix.lower() not in SUFFIXES:
        raise ModelFileError(f"{path} is no model file; a model ends in {' or '.join(SUFFIXES)}.")
    if path.suffix.lower() == ".xml" and not path.with_suffix(".bin").is_file():
        raise ModelFileError(
            f"{path} has no {path.with_suffix('.bin').name} with its weights beside it; copy both files."
        )


def check_weights(path: Path) -> None:
    """Refuse an .xml file beside the .bin file of another model.

    Raises:
        ModelFileError: they do not belong together.
    """
    digest = openvino_text(path, WEIGHTS_KEY)
    if digest is not None and digest != file_digest(path.with_suffix(".bin")):
        raise ModelFileError(
            f"{path} does not fit its .bin file; export the model again, or copy both files again."
        )


def openvino_text(path: Path, key: str) -> str | None:
    """The text under a key in the rt_info of an OpenVINO graph, read as plain XML; None without one."""
    from xml.etree import ElementTree

    damaged = f"{path} is damaged or no OpenVINO model; export or copy both its files again."
    with explained(ModelFileError, lambda _: damaged, ElementTree.ParseError, ValueError, LookupError):
        entry = ElementTree.parse(path).find(f"rt_info/{key}")
    return None if entry is None else entry.get("value")


def parse_metadata(path: Path, text: str | None) -> Metadata:
    """Check the JSON description found in a model file."""
    if text is None:
        raise ModelFileError(f"{path} was not made by Blemish; give a file that `blemish fit` wrote.")
    try:
        values = json.loads(text)
        version = values["format_version"]
        if type(version) is not int or version < FORMAT_VERSION:
            raise ValueError(f"format_version {version!r}")
        if version > FORMAT_VERSION:
            raise ModelFileError(
                f"{path} has format {version} and this version reads up to {FORMAT_VERSION}; upgrade blemish."
            )
        metadata = Metadata.model_validate(values)
        config_class(metadata.method).model_validate(metadata.config).check_frame(metadata.frame.shape)
        Calibration.from_dict(metadata.calibration)
        Calibration(np.array(metadata.map_peaks), metadata.calibration["false_alarm_rate"])
        if metadata.known_part:
            KnownPart.from_dict(metadata.known_part)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, ConfigError) as error:
        raise ModelFileError(
            f"The description in {path} is damaged or from another version of blemish; "
            "fit or copy the model again."
        ) from error
    return metadata


def facts(description: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested metadata as (name, value) rows; of what is long the length, and nothing of what is empty."""
    rows = []
    for key, value in description.items():
        name = prefix + key.replace("_", " ")
        if isinstance(value, dict):
            rows += facts(value, f"{name}: ")
        elif isinstance(value, list) and len(value) > 8:
            rows.append((name, f"{len(value)} values"))
        elif isinstance(value, str) and len(value) > LONG:
            rows.append((name, f"{len(value)} characters"))
        elif isinstance(value, list):
            rows.append((name, ", ".join(map(str, value))))
        elif value is not None and value != "":
            rows.append((name, f"{value:.6g}" if isinstance(value, float) else str(value)))
    return rows


def fingerprint_of(path: Path) -> str:
    """SHA-256 of a model file, in hexadecimal digits; of an .xml file, of it and its .bin file."""
    digest = hashlib.sha256(path.read_bytes())
    if path.suffix.lower() == ".xml":
        digest.update(path.with_suffix(".bin").read_bytes())
    return digest.hexdigest()


def check_model_output(out: Path) -> None:
    """Refuse a model file, or a pair of .xml and .bin, that cannot be written, before anything slow is done.

    Raises:
        BlemishError: as `check_output`, or a .bin would be lost that is not of this model.
    """
    check_output(out)
    if out.exists() and not out.is_file():
        raise BlemishError(f"{out} is no regular file; name a file to write.")
    weights = out.with_suffix(".bin")
    if out.suffix.lower() == ".xml" and weights.exists() and (weights.is_dir() or not out.exists()):
        raise BlemishError(f"{weights} would be overwritten, and {out} is not there; choose another name.")


def publish_model(written: Path, out: Path) -> None:
    """Give a written file, or both of a pair, the final name on the same disk; where that fails, the older
    ones stay. They are on the disk before, else a power cut could leave empty files.
    """
    synchronise(written)
    if out.suffix.lower() == ".xml":
        weights, older = out.with_suffix(".bin"), written.with_name("older.bin")
        synchronise(written.with_suffix(".bin"))
        if weights.exists():
            weights.replace(older)
        try:
            written.with_suffix(".bin").replace(weights)
            written.replace(out)
        except BaseException:
            if older.exists():
                older.replace(weights)
            raise
    else:
        written.replace(out)
