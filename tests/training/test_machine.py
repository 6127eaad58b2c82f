"""What training finds out about, and asks of, the machine."""

import pytest
import torch

from blemish.training.machine import choose_precision


def test_bfloat16_is_chosen_only_where_it_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for fast, expected in ((True, "bf16"), (False, "no")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda fast=fast: fast)
        assert choose_precision("auto") == expected
    assert choose_precision("fp32") == "no"
    assert choose_precision("bf16") == "bf16"
