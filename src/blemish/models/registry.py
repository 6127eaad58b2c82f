"""The methods there are. Free of torch until a model is asked for."""

from importlib import import_module
from typing import TYPE_CHECKING

from blemish.errors import ConfigError, choice

if TYPE_CHECKING:
    from blemish.models.base import AnomalyModel
    from blemish.models.config import ModelConfig

# name: (config class, model class), each as "module:name" below this package
METHODS = {
    "gtrans": ("gtrans.config:GTransConfig", "gtrans.model:GTrans"),
    "anotrans": ("gan.config:AnoTransConfig", "gan.anotrans:AnoTrans"),
    "ganomaly": ("gan.config:GANomalyConfig", "gan.ganomaly:GANomaly"),
    "skip_ganomaly": ("gan.config:SkipGANomalyConfig", "gan.skip_ganomaly:SkipGANomaly"),
    "sagan": ("gan.config:SAGANConfig", "gan.sagan:SAGAN"),
    "patchcore": ("memory_bank.config:PatchCoreConfig", "memory_bank.patchcore:PatchCore"),
    "padim": ("memory_bank.config:PaDiMConfig", "memory_bank.padim:PaDiM"),
    "rad": ("memory_bank.config:RADConfig", "memory_bank.rad:RAD"),
    "spade": ("memory_bank.config:SPADEConfig", "memory_bank.spade:SPADE"),
}


DEFAULT_METHOD = "rad"


def config_class(method: str) -> "type[ModelConfig]":
    """The class of a method's configuration.

    Raises:
        ConfigError: no such method.
    """
    return _resolve(method, 0)


def model_class(method: str) -> "type[AnomalyModel]":
    """The class of a method's model, which takes its configuration and the height and width of its images.

    Raises:
        ConfigError: no such method.
    """
    return _resolve(method, 1)


def _resolve(method: str, which: int) -> type:
    if method not in METHODS:
        raise ConfigError(f"There is no method {method!r}; {choice(method, sorted(METHODS))}")
    module, name = METHODS[method][which].split(":")
    found: type = getattr(import_module(f"blemish.models.{module}"), name)
    return found
