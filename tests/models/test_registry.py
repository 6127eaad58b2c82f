"""The methods there are, and their presets."""

import pytest

from blemish.errors import ConfigError
from blemish.models.registry import METHODS, config_class, model_class
from blemish.training.config import RunConfig, build_config

PRESETS = [(method, preset) for method in METHODS for preset in config_class(method).presets]


def test_every_method_has_presets_of_which_the_first_is_taken_unasked() -> None:
    assert [preset for method, preset in PRESETS if method == "gtrans"] == [
        "with-memory",
        "improved",
        "paper",
        "paper-fast",
    ]
    for method in METHODS:
        unasked, (first, *_) = build_config(values={"method": method}), config_class(method).presets
        assert unasked == build_config(values={"method": method, "preset": first})
        assert unasked.frame.crop is None, "whole pictures"


@pytest.mark.parametrize(("method", "preset"), PRESETS)
def test_a_presets_values_are_those_of_the_run(method: str, preset: str) -> None:
    config = build_config(values={"method": method, "preset": preset})
    assert (config.method, config.preset) == (method, preset)
    for section, fields in config_class(method).presets[preset].items():
        for name, value in fields.items():
            assert getattr(getattr(config, section), name) == (None if value == "none" else value)
    dumped = config.model_dump(mode="json")
    dumped["model"] = config_class(method).model_validate(dumped["model"])
    assert RunConfig.model_validate(dumped) == config, "a file says all of it"


def test_a_method_that_is_not_there_is_told_with_those_that_are() -> None:
    for find in (config_class, model_class):
        with pytest.raises(ConfigError, match=r"no method 'PatchCor'; did you mean patchcore\?"):
            config_class("PatchCor")
        with pytest.raises(ConfigError, match=r"no method 'nothing'; choose one of: anotrans, .*, spade\."):
            find("nothing")
