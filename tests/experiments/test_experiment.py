"""What decides a result decides its fingerprint, and nothing else does."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import blemish
from blemish.errors import ImageError
from blemish.experiments.experiment import code_version, digest_of_samples, teacher_digest
from tests.experiments.support import experiment


def test_code_that_decides_is_part_of_its_version(tmp_path: Path) -> None:
    package, ignored = Path(blemish.__file__).parent, shutil.ignore_patterns("__pycache__")
    copy = shutil.copytree(package, tmp_path / "blemish", ignore=ignored)
    before = code_version(copy)
    assert before == code_version() and before.startswith(f"{blemish.__version__}+")
    changed = set()
    for room in copy.iterdir():
        source = room if room.is_file() else next(room.rglob("*.py"))
        text = source.read_text(encoding="utf-8")
        source.write_text(f"{text}# another line\n", encoding="utf-8")
        code_version.cache_clear()
        if code_version(copy) != before:
            changed.add(room.name)
        source.write_text(text, encoding="utf-8")
    deciding = {"images", "datasets", "models", "training", "inference", "evaluation", "calibration.py"}
    assert changed == deciding


@pytest.mark.parametrize(
    ("values", "same_fit", "same_result"),
    [
        ({"training": {"cache_gigabytes": 1.0, "checkpoint_seconds": 9.0, "tracker": "mlflow"}}, True, True),
        ({"false_alarm_rate": 0.2}, True, False),
        ({"model": {"combine": "P4"}}, True, False),
        ({"model": {"tokens": 4}}, False, False),
        ({"training": {"seed": 1}}, False, False),
        ({"frame": {"crop": 48}}, False, False),
    ],
)
def test_what_decides_the_fit_and_what_the_result(
    values: dict[str, Any], same_fit: bool, same_result: bool, parts_folder: Path
) -> None:
    one, other = experiment(parts_folder), experiment(parts_folder, **values)
    assert (one.fit == other.fit, one.fingerprint == other.fingerprint) == (same_fit, same_result)


@pytest.mark.parametrize(
    ("part", "same_fit"), [("train/good", False), ("test/hole", True), ("ground_truth/hole", True)]
)
def test_images_and_masks_decide_by_their_content_and_no_name_does(
    part: str, same_fit: bool, parts_folder: Path, tmp_path: Path
) -> None:
    one, elsewhere = experiment(parts_folder), shutil.copytree(parts_folder, tmp_path / "parts")
    same = experiment(elsewhere, "other")
    same = replace(same, config=same.config.model_copy(update={"preset": "paper"}))
    assert (same.fit, same.fingerprint) == (one.fit, one.fingerprint)
    changed, *_ = sorted((elsewhere / part).iterdir())
    changed.write_bytes((parts_folder / "ground_truth/stain/001_mask.png").read_bytes())
    other = experiment(elsewhere)
    assert other.fingerprint != one.fingerprint and (other.fit == one.fit) == same_fit


def test_other_test_images_share_the_fit(parts_folder: Path, tmp_path: Path) -> None:
    one = experiment(parts_folder)
    fewer = one.tested(one.dataset.test[:-1])
    assert fewer.fit == one.fit and fewer.fingerprint != one.fingerprint
    assert fewer.dataset.train == one.dataset.train and len(fewer.dataset.test) == 9
    with pytest.raises(ImageError, match=r"gone\.png cannot be opened"):
        digest_of_samples([replace(one.dataset.test[0], path=tmp_path / "gone.png")])


def test_the_teachers_weights_decide(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.safetensors" for number in range(3)]
    for number, file in enumerate(files):
        save_file({"weight": np.full(3, number // 2, np.float32)}, file)
    one, same, other = (teacher_digest("resnet18", str(file)) for file in files)
    assert one == same != other
    assert teacher_digest("resnet18", "random") == "random"
