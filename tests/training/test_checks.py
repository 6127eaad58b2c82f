"""What makes a fit impossible, told before any work is done."""

import importlib.util
from typing import Any

import pytest

from blemish.errors import ConfigError
from blemish.training.checks import check_run, process_count, process_rank
from blemish.training.config import build_config


def check(method: str, *, weights: bool = False, resume: bool = False, **training: Any) -> None:
    check_run(build_config(values={"method": method, "training": training}), weights=weights, resume=resume)


@pytest.mark.parametrize(
    ("method", "given", "words"),
    [
        ("patchcore", {"epochs": 3}, "patchcore fits in one pass; leave out --epochs"),
        ("padim", {"batch_size": 8}, r"padim .* leave out training\.batch_size"),
        ("spade", {"precision": "bf16"}, r"spade .* leave out training\.precision"),
        ("padim", {"resume": True}, "padim fits in one pass and leaves nothing to resume"),
        ("sagan", {"weights": True}, "sagan has no pre-trained backbone; leave out --weights"),
        ("gtrans", {"tracker": "wandb"}, r"wandb is not installed: pip install .*trackers"),
    ],
)
def test_what_the_method_or_the_machine_cannot_do_is_refused(
    method: str, given: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=words):
        check(method, **given)
    with pytest.raises(
        ConfigError, match=r"gtrans is trained and cannot be told what to tolerate; leave out"
    ):
        check_run(build_config(values={"method": "gtrans", "tolerate": "light"}), weights=False, resume=False)
    check("padim", weights=True, seed=3, validation_share=0.3, deterministic=True, cache_gigabytes=1)
    check("gtrans", resume=True, epochs=3)


@pytest.mark.parametrize("word", ["place", "turn"])
def test_aligned_pictures_are_not_told_to_bear_other_places(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, plain = {"crop": None, "align": True}, importlib.util.find_spec
    config = build_config(values={"method": "padim", "frame": frame, "tolerate": f"light,{word}"})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "cv2" or plain(name))
    with pytest.raises(ConfigError, match=f"--align takes away what --tolerate {word} learns to bear"):
        check_run(config, weights=False, resume=False)


def test_one_pass_is_made_by_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("WORLD_SIZE", "2"), ("RANK", "1"), ("MASTER_ADDR", "127.0.0.1")):
        monkeypatch.setenv(name, value)
    assert (process_count(), process_rank()) == (2, 1)
    with pytest.raises(ConfigError, match="spade fits in one pass in one process; start it without"):
        check("spade")
    monkeypatch.delenv("MASTER_ADDR")  # as a cluster's scheduler leaves it
    assert (process_count(), process_rank()) == (1, 0)
    check("spade")
