"""Whatever a library raises becomes one sentence."""

import pytest

from blemish.errors import ConfigError, ImageError, choice, explained, reason_of


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


@pytest.mark.parametrize(
    ("given", "end"),
    [
        ("Spad", "did you mean spade?"),
        ("onnx", "did you mean onnxruntime?"),
        ("pathcore", "did you mean patchcore or PatchCores?"),
        ("magic", "choose one of: spade, patchcore, PatchCores, onnxruntime."),
        ("", "choose one of: spade, patchcore, PatchCores, onnxruntime."),
    ],
)
def test_a_name_that_is_not_there_brings_up_those_like_it_or_all(given: str, end: str) -> None:
    assert choice(given, ["spade", "patchcore", "PatchCores", "onnxruntime"]) == end
