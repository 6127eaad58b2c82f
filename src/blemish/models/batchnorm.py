"""BatchNorm whose behaviour at test time can be chosen, so that a well-known label leak can be shown."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

BatchNormAtTest = Literal["eval", "instance", "batch"]


class BatchNorm2d(nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` with a choice of the statistics used in eval mode.

    Attributes:
        at_test: "eval" uses the running statistics, as everywhere; "instance" those of each image alone,
            which is train mode at batch size 1; "batch" those of the batch, so that an image's score
            depends on its neighbours. None of them changes the running statistics.
    """

    at_test: BatchNormAtTest = "eval"

    def forward(self, input: Tensor) -> Tensor:
        """float [B, C, H, W] to the same shape."""
        if self.training or self.at_test == "eval":
            return super().forward(input)
        if self.at_test == "instance":
            return F.instance_norm(input, weight=self.weight, bias=self.bias, eps=self.eps)
        return F.batch_norm(input, None, None, self.weight, self.bias, training=True, eps=self.eps)


def set_batchnorm_at_test(network: nn.Module, at_test: BatchNormAtTest) -> int:
    """Choose the statistics for every `BatchNorm2d` in a network; how many there are."""
    layers = [module for module in network.modules() if isinstance(module, BatchNorm2d)]
    for layer in layers:
        layer.at_test = at_test
    return len(layers)
