"""A table with everything measured."""

import pytest

from blemish.papers.output.summary import Summary, summarise
from tests.papers.support import full, table


@pytest.fixture(scope="package")
def complete() -> Summary:
    return summarise(table(), full(), [], ["Epochs 1 instead of 2."])
