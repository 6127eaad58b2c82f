"""blemish demo, on a few of its images."""

from functools import partial
from pathlib import Path

import pytest

from blemish.datasets import drawn, elpv
from tests.cli.support import Command

pytestmark = pytest.mark.slow


def test_solar_cells(blemish: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("elpv_dataset", reason="the package with the demo's photographs is not installed")
    monkeypatch.setattr(elpv, "elpv", partial(elpv.elpv, train=12, good=4, bad=4))
    done = blemish("demo", "--out", tmp_path, "--method", "gtrans", "--epochs", "1", "--quiet")
    assert done.code == 0, done.err
    licence, citation = done.err.splitlines()
    assert "CC BY-NC-SA 4.0" in licence and "Buerhop-Lutz" in citation
    assert "Image AUROC" in done.out and "of 4 defective images" in done.out
    assert {path.suffix for path in tmp_path.iterdir()} == {".jsonl", ".safetensors", ".html"}


def test_generated_parts_have_masks(
    blemish: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawn, "generate", partial(drawn.generate, train=6, test=1, size=96))
    done = blemish("demo", "--data", "parts", "--out", tmp_path)
    assert done.code == 0, done.err
    assert "Pixel AUROC" in done.out
    assert (tmp_path / "parts.html").read_text(encoding="utf-8").count("<html") == 1
