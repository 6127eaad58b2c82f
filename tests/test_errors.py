"""Whatever a library raises becomes one sentence."""

import pytest

from blemish.errors import ConfigError, ImageError, explained, reason_of


def test_only_what_is_meant_is_turned_into_a_sentence() -> None:
    def sentence(reason: str) -> str:
        return f"It cannot be read ({reason})."

    with pytest.raises(ImageError, match=r"^It cannot be read \(no such thing\)\.$") as caught:  # noqa: SIM117
        with explained(ImageError, sentence):
            raise NotImplementedError("no such thing.\nat all")
    assert isinstance(caught.value.__cause__, NotImplementedError)
    for raised in (ConfigError("It is wrong."), KeyError("x"), KeyboardInterrupt()):
        with pytest.raises(type(raised)), explained(ImageError, sentence, OSError):
            raise raised
    with pytest.raises(ConfigError), explained(ImageError, sentence):
        raise ConfigError("It is wrong.")


def test_a_reason_is_one_line() -> None:
    assert reason_of(OSError(28, "No space left on device", "a.png")) == "No space left on device"
    assert reason_of(ValueError("  one.\ntwo")) == "one"
    assert reason_of(MemoryError()) == "MemoryError"
