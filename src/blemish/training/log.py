"""The log of a training run: JSON lines, one for each batch and one for each epoch."""

import io
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from accelerate import Accelerator

from blemish.files import writing
from blemish.training.checkpoint import Position


class TrainingLog:
    """Lines that readers see at once; experiment trackers are told of the epochs too, and finish with it.

    The file is cut back to what the checkpoint knew of. After a failure without a checkpoint none is left. Of
    several processes one writes.
    """

    def __init__(self, path: Path, keep_bytes: int, checkpoint: Path, accelerator: Accelerator) -> None:
        self.path, self.checkpoint, self.accelerator = path, checkpoint, accelerator
        self.file: TextIO = io.StringIO()
        if accelerator.is_main_process:
            with writing(path):
                self.file = path.open("a", encoding="utf-8")
                self.file.truncate(min(keep_bytes, path.stat().st_size))
                self.file.seek(0, os.SEEK_END)
        self.epoch_started = time.monotonic()

    def batch(self, position: Position, losses: dict[str, float]) -> None:
        self._write({"step": position.step, "losses": losses})

    def epoch(self, number: int, position: Position, validation_loss: float, rate: float) -> None:
        now = time.monotonic()
        self._write(
            {
                "epoch": number,
                "step": position.step,
                "losses": position.losses,
                "validation_loss": validation_loss,
                "learning_rate": rate,
                "seconds": round(now - self.epoch_started, 3),
            }
        )
        self.accelerator.log(position.losses | {"validation_loss": validation_loss}, step=position.step)
        self.epoch_started = now

    def _write(self, entry: dict[str, Any]) -> None:
        with writing(self.path):
            self.file.write(json.dumps(entry) + "\n")
            self.file.flush()

    def __enter__(self) -> "TrainingLog":
        return self

    def __exit__(self, failed: type[BaseException] | None, *details: object) -> None:
        with suppress(OSError):  # on a full disk what is left fails again
            self.file.close()
        if failed and self.accelerator.is_main_process and not self.checkpoint.exists():
            self.path.unlink(missing_ok=True)
        for tracker in self.accelerator.trackers:
            tracker.finish()
