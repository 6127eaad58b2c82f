"""The methods there are. Free of torch until a model is asked for."""

from importlib import import_module
from typing import TYPE_CHECKING

from blemish.errors import ConfigError

if TYPE_CHECKING:
    from blemish.models.base import AnomalyModel
    from blemish.models.config import ModelConfig

# name: (config class, model class), each as "module:name"
METHODS = {
    "gtrans": ("blemish.models.gtrans.config:GTransConfig", "blemish.models.gtrans.model:GTrans"),
    "anotrans": (
        "blemish.models.gan.config:AnoTransConfig",
        "blemish.models.gan.anotrans:AnoTrans",
    ),
    "ganomaly": ("blemish.models.gan.config:GANomalyConfig", "blemish.models.gan.ganomaly:GANomaly"),
    "skip_ganomaly": (
        "blemish.models.gan.config:SkipGANomalyConfig",
        "blemish.models.gan.skip_ganomaly:SkipGANomaly",
    ),
    "sagan": ("blemish.models.gan.config:SAGANConfig", "blemish.models.gan.sagan:SAGAN"),
    "patchcore": (
        "blemish.models.memory_bank.config:PatchCoreConfig",
        "blemish.models.memory_bank.patchcore:PatchCore",
    ),
    "padim": ("blemish.models.memory_bank.config:PaDiMConfig", "blemish.models.memory_bank.padim:PaDiM"),
    "spade": ("blemish.models.memory_bank.config:SPADEConfig", "blemish.models.memory_bank.spade:SPADE"),
}


def config_class(method: str) -> "type[ModelConfig]":
    """The class of a method's configuration.

    Raises:
        ConfigError: no such method.
    """
    return _resolve(method, 0)


def model_class(method: str) -> "type[AnomalyModel]":
    """The class of a method's model, which takes an instance of its configuration and the side of its images.

    Raises:
        ConfigError: no such method.
    """
    return _resolve(method, 1)


def _resolve(method: str, which: int) -> type:
    if method not in METHODS:
        raise ConfigError(f"There is no method {method!r}; choose one of: {', '.join(sorted(METHODS))}.")
    module, name = METHODS[method][which].split(":")
    found: type = getattr(import_module(module), name)
    return found
