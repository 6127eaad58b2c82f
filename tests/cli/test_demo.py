"""The demo, on a few of its images."""

from functools import partial
from pathlib import Path

import pytest
from blemish.cli.demo_run import run_demo

from blemish.datasets import drawn, elpv
from blemish.errors import ConfigError


def test_solar_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("elpv_dataset", reason="the package with the demo's photographs is not installed")
    monkeypatch.setattr(elpv, "elpv", partial(elpv.elpv, train=12, good=4, bad=4))
    said: list[str] = []
    evaluation, report = run_demo(tmp_path / "demo", method="gtrans", epochs=1, quiet=True, say=said.append)
    assert 0 <= evaluation.image["auroc"] <= 1 and evaluation.pixel is None
    assert len(evaluation.images) == 8
    assert any("CC BY-NC-SA 4.0" in line for line in said) and any("Buerhop-Lutz" in line for line in said)
    assert report.read_text(encoding="utf-8").count("<html") == 1
    assert {path.suffix for path in report.parent.iterdir()} == {".html", ".jsonl", ".safetensors"}


def test_generated_parts_have_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn, "generate", partial(drawn.generate, train=6, test=1, size=96))
    evaluation, _ = run_demo(tmp_path, data="parts", quiet=True)
    assert evaluation.pixel is not None and set(evaluation.defects) == {"hole", "missing", "scratch", "stain"}


def test_unknown_data(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="choose solar-cells or parts"):
        run_demo(tmp_path / "demo", data="cats")
    assert not (tmp_path / "demo").exists()
