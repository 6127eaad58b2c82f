"""The files of a fit."""

from pathlib import Path

import pytest

from blemish.errors import BlemishError
from blemish.training.run_files import RunFiles


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("model.pt", r"must end in \.safetensors"),
        ("missing/model.safetensors", "no folder .*missing"),
        ("folder.safetensors", "is a folder; name a file to write"),
    ],
)
def test_a_model_file_that_cannot_be_written_is_refused(out: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(BlemishError, match=words):
        RunFiles(tmp_path / out).check(resume=False)


def test_the_checkpoint_beside_it_must_go_with_resuming(tmp_path: Path) -> None:
    files = RunFiles(tmp_path / "model.safetensors")
    files.check(resume=False)
    with pytest.raises(BlemishError, match=r"no checkpoint .* to resume from; leave out --resume"):
        files.check(resume=True)
    files.checkpoint.touch()
    files.check(resume=True)
    with pytest.raises(BlemishError, match="holds an unfinished run: add --resume"):
        files.check(resume=False)


@pytest.mark.parametrize(("trained", "left"), [(True, ["model.log.jsonl"]), (False, [])])
def test_after_a_fit_only_its_own_log_is_left(trained: bool, left: list[str], tmp_path: Path) -> None:
    files = RunFiles(tmp_path / "model.safetensors")
    files.checkpoint.touch()
    files.log.write_text("of the model that was replaced")
    if trained:
        files.unfinished_log.write_text("new")
    files.tidy(trained=trained)
    assert [path.name for path in tmp_path.iterdir()] == left
    assert not trained or files.log.read_text() == "new"
