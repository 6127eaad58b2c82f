"""What makes a fit impossible, told before any work is done."""

import importlib.util
from typing import Any

import pytest

from blemish.errors import ConfigError
from blemish.training.checks import check_one_pass, check_tracker, process_count, process_rank
from blemish.training.config import RunConfig, build_config


def run(method: str, **training: Any) -> RunConfig:
    return build_config(values={"method": method, "training": training})


def test_what_belongs_to_training_is_refused_where_nothing_is_trained() -> None:
    for config, words in (
        (run("patchcore", epochs=3), "patchcore fits in one pass; leave out --epochs"),
        (run("padim", batch_size=8), r"padim .* leave out training\.batch_size"),
        (run("spade", precision="bf16"), r"spade .* leave out training\.precision"),
    ):
        with pytest.raises(ConfigError, match=words):
            check_one_pass(config, resume=False)
    allowed = run("padim", seed=3, validation_share=0.3, deterministic=True, cache_gigabytes=1)
    check_one_pass(allowed, resume=False)
    with pytest.raises(ConfigError, match="padim fits in one pass and leaves nothing to resume"):
        check_one_pass(allowed, resume=True)
    check_one_pass(run("gtrans", epochs=3), resume=True)


def test_one_pass_is_made_by_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("WORLD_SIZE", "2"), ("RANK", "1"), ("MASTER_ADDR", "127.0.0.1")):
        monkeypatch.setenv(name, value)
    assert (process_count(), process_rank()) == (2, 1)
    with pytest.raises(ConfigError, match="spade fits in one pass in one process; start it without"):
        check_one_pass(run("spade"), resume=False)
    monkeypatch.delenv("MASTER_ADDR")  # as a cluster's scheduler leaves it
    assert (process_count(), process_rank()) == (1, 0)
    check_one_pass(run("spade"), resume=False)


def test_a_tracker_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    check_tracker("none")
    with pytest.raises(ConfigError, match=r"wandb is not installed; pip install .*trackers"):
        check_tracker("wandb")
