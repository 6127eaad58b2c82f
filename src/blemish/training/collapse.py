"""Training that has degenerated is stopped, with a sentence on how to go on."""

import math

from blemish.errors import BlemishError
from blemish.training.checkpoint import Checkpoint, Position

PATIENCE = 500  # batches on end that must show a collapse before training stops


class CollapseWatch:
    """Looks at what each batch gives; raises BlemishError where going on makes no sense."""

    def __init__(self, position: Position, checkpoint: Checkpoint, steps_per_epoch: int) -> None:
        self.position, self.checkpoint, self.steps_per_epoch = position, checkpoint, steps_per_epoch

    def losses(self, losses: dict[str, float]) -> None:
        """Stop where one is no longer finite."""
        for name, value in losses.items():
            if not math.isfinite(value):
                self._stop(f"the loss {name} is {value}")

    def batch(self, sign: str) -> None:
        """Stop after `PATIENCE` batches on end with a sign, see `TrainedModel.after_batch`."""
        self.position.unhealthy = self.position.unhealthy + 1 if sign else 0
        if self.position.unhealthy == PATIENCE:
            self._stop(sign)

    def _stop(self, reason: str) -> None:
        path = self.checkpoint.path
        remedy = "lower training.learning_rate or set training.precision to fp32"
        if path.exists():
            epochs = self.checkpoint.step // self.steps_per_epoch
            end_there = f"end there with --resume --epochs {epochs}, " if epochs else ""
            remedy = (
                f"{path} holds the state before that. Go on from there with --resume and a lower "
                f"training.learning_rate or training.precision=fp32, {end_there}or delete it and start afresh"
            )
        epoch = -(-self.position.step // self.steps_per_epoch)
        raise BlemishError(f"Training collapsed in epoch {epoch}: {reason}; {remedy}.")
