"""blemish evaluate, as a user types it."""

import json
from pathlib import Path

from tests.cli.support import Command


def test_a_gan_shows_what_batch_statistics_do_in_the_documented_json_and_the_report(
    blemish: Command, gan: Path, parts_folder: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    done = blemish("evaluate", gan, parts_folder, "--batchnorm-at-test", "batch", "--json", "--report", page)
    assert done.code == 0, done.err
    measured = json.loads(done.out)
    assert measured["warning"].startswith("Not comparable")
    assert set(measured["image"]) == {"auroc", "ap", "f1_max", "auroc_interval"}
    assert set(measured["pixel"]) == {"auroc", "ap", "f1_max", "aupro_30", "aupro_05"}
    assert set(measured["defects"]) == {"hole", "missing", "scratch", "stain"}
    assert 'role="alert"' in page.read_text(encoding="utf-8")


def test_good_and_bad_folders_and_unreadable_images(
    blemish: Command, model: Path, parts_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    bad = ("--bad", parts_folder / "test" / "hole", "--false-alarm-rate", "0.6")
    done = blemish("evaluate", model, "--good", parts_folder / "test" / "good", *bad)
    assert done.code == 0, done.err
    assert "Image AUROC" in done.out and "of 2 defective images" in done.out
    assert "60 % allowed" in done.out
    assert blemish("evaluate", model, "--good", tmp_path, *bad).code == 1
