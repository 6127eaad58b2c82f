"""PyTorch: threads, device and exact convolutions."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from blemish.errors import ConfigError
from blemish.inference.detector import Detector
from blemish.inference.engines import open_engine
from blemish.inference.engines.torch import TorchEngine, _exact_convolutions


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


def test_a_gpu_computes_without_tensorfloat_and_threads_leave_the_setting_alone() -> None:
    before, gpu = torch.backends.cudnn.allow_tf32, torch.device("cuda")
    switch = getattr(torch.backends.cudnn, "conv", torch.backends.cudnn)

    def is_exact() -> bool:
        return getattr(switch, "fp32_precision", None) == "ieee" or not switch.allow_tf32

    one, other = _exact_convolutions(gpu), _exact_convolutions(gpu)
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert is_exact()
    other.__exit__(None, None, None)
    assert torch.backends.cudnn.allow_tf32 == before
    with _exact_convolutions(torch.device("cpu")):
        assert torch.backends.cudnn.allow_tf32 == before
