"""A long experiment that nobody interrupted."""

from pathlib import Path

import pytest

from blemish.experiments.result import Result
from blemish.experiments.run import Place
from tests.experiments.support import run_long


@pytest.fixture(scope="session")
def uninterrupted(parts_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    failures, result = run_long(parts_folder, tmp_path_factory.mktemp("whole"), Place(workers=1))
    assert not failures and result is not None
    return result
