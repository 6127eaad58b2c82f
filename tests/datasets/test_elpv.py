"""The demo's solar cells."""

import re
import sys

import pytest

from blemish.datasets.elpv import elpv
from blemish.errors import DatasetError
from blemish.extras import install_command
from blemish.images.reading import read_image


@pytest.mark.parametrize("kind", ["mono", "poly"])
def test_the_seed_decides_the_choice(kind: str) -> None:
    pytest.importorskip("elpv_dataset")
    dataset = elpv(kind)
    assert dataset.name == f"elpv-{kind}"
    assert [sample.label for sample in dataset.train] == [0] * 200
    assert [sample.label for sample in dataset.test] == [0] * 100 + [1] * 150
    assert len({sample.path for sample in dataset.train + dataset.test}) == 450
    assert read_image(dataset.train[0].path).shape == (300, 300, 3)
    assert dataset == elpv(kind) != elpv(kind, seed=4)
    first = [sample.path.name for sample in elpv().train[:3]]
    assert first == ["cell0060.png", "cell0369.png", "cell0397.png"], "documented numbers are of these"


def test_what_cannot_be_had_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("elpv_dataset")
    with pytest.raises(DatasetError, match=r"588 good and 313 bad ones; ask for fewer than 500 \+ 100 good"):
        elpv(train=500)
    monkeypatch.setitem(sys.modules, "elpv_dataset", None)
    with pytest.raises(DatasetError, match=re.escape(install_command("demo"))):
        elpv()
