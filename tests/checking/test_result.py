"""What a check found, in few words."""

from typing import Any

from blemish.checking.result import Check


def image(path: str, **found: Any) -> dict[str, Any]:
    nothing = {"score": 1.0, "rank": 1, "odd": False, "faults": [], "copy_of": "", "error": ""}
    return {"path": path, **nothing, **found}


def test_it_prints_its_sentences_and_is_named_in_a_line() -> None:
    found = Check("parts", [image("a.png"), image("b.png", odd=True), image("c.png", faults=["blurred"])])
    assert repr(found) == "<Check of parts: 3 images, 2 suspect>"
    assert str(found).splitlines() == found.sentences and "b.png" in str(found)
    assert str(Check("parts", [image("a.png")])) == "Nothing stands out."
