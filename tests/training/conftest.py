from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.support import train


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    train(folder)
    return folder


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The learning rate of each optimiser step taken in this process."""
    taken: list[float] = []
    step = torch.optim.Adam.step

    def note(self: torch.optim.Adam, *arguments: Any) -> Any:
        taken.append(self.param_groups[0]["lr"])
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.Adam, "step", note)
    return taken
