"""PyTorch: threads, device and exact convolutions."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from blemish.errors import ConfigError
from blemish.inference.detector import Detector
from blemish.inference.engines import open_engine
from blemish.inference.engines.torch import TorchEngine
from tests.support import textures


@pytest.fixture
def file(fitted: tuple[Detector, Path]) -> Iterator[Path]:
    threads = torch.get_num_threads()
    yield fitted[1]
    torch.set_num_threads(threads)


def test_it_takes_the_threads_and_refuses_cuda_where_there_is_none(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for count in (1, 2):
        engine, _ = open_engine(file, threads=count)
        assert torch.get_num_threads() == count
    assert isinstance(engine, TorchEngine) and engine.device.type == "cpu"
    with pytest.raises(ConfigError, match="no CUDA GPU"):
        open_engine(file, device="cuda")


def test_it_scores_without_tensorfloat_and_leaves_the_setting_alone(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, _ = open_engine(file, device="cpu")
    before, seen = torch.backends.cudnn.allow_tf32, []
    switch = getattr(torch.backends.cudnn, "conv", torch.backends.cudnn)

    def watched(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(getattr(switch, "fp32_precision", None) == "ieee" or not switch.allow_tf32)
        return images[:, 0, 0, 0], images[:, 0]

    assert isinstance(engine, TorchEngine)
    monkeypatch.setattr(engine.model, "forward", watched)
    engine(textures(1))
    assert seen == [True] and torch.backends.cudnn.allow_tf32 == before
