"""The files of a fit."""

from pathlib import Path

from blemish.errors import BlemishError
from blemish.files import check_output


class RunFiles:
    """The model file and, beside it, the checkpoint and the log of a training.

    The log of an unfinished training has .part behind its name: an older one stays as long as its model.
    """

    def __init__(self, model: Path) -> None:
        self.model = model
        self.checkpoint = model.with_suffix(".checkpoint")
        self.log = model.with_suffix(".log.jsonl")
        self.unfinished_log = self.log.with_name(self.log.name + ".part")

    def check(self, *, resume: bool) -> None:
        """Refuse a model file that cannot be written, before any work is done.

        Raises:
            BlemishError: the file cannot be written, or the checkpoint beside it does not go with `resume`.
        """
        if self.model.suffix != ".safetensors":
            raise BlemishError(f"The model file {self.model} must end in .safetensors.")
        check_output(self.model)
        if self.checkpoint.exists() and not resume:
            raise BlemishError(
                f"{self.checkpoint} holds an unfinished run: add --resume to go on with it, "
                "or delete it to start afresh."
            )
        if resume and not self.checkpoint.is_file():
            raise BlemishError(
                f"There is no checkpoint {self.checkpoint} to resume from; leave out --resume."
            )

    def tidy(self, *, trained: bool) -> None:
        """Give the log its name, or remove that of a replaced model; remove the checkpoint."""
        if trained:
            self.unfinished_log.replace(self.log)
        else:
            self.log.unlink(missing_ok=True)
        for leftover in (self.checkpoint, self.checkpoint.with_name(self.checkpoint.name + ".part")):
            leftover.unlink(missing_ok=True)
