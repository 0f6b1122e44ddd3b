"""The focal loss (Lin et al. 2017, Focal Loss for Dense Object Detection): rows that are right already count less.

Shape letters: N rows, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FocalLoss(nn.Module):
    """The mean of −w_y (1 − p_y)^gamma log p_y, where p_y is the probability of a row's class y and w_y its weight.

    The mean is over the weights, as in torch's CrossEntropyLoss, which this is for `gamma` 0. `alpha` is the paper's
    weight of class 1 of two, 1 − alpha that of class 0.
    """

    weight: Tensor | None

    def __init__(self, gamma: float = 2.0, alpha: float | None = None, weight: Tensor | None = None) -> None:
        super().__init__()
        if gamma < 0:
            raise ValueError(f"gamma is {gamma}, at least 0")
        if alpha is not None:
            if weight is not None:
                raise ValueError("alpha and weight both weigh the classes")
            if not 0 < alpha < 1:
                raise ValueError(f"alpha is {alpha}, more than 0 and less than 1")
            weight = torch.tensor([1 - alpha, alpha], dtype=torch.float64)
        self.gamma = gamma
        self.register_buffer("weight", weight)

    def forward(self, logits_NC: Tensor, targets_N: Tensor) -> Tensor:
        """The loss for logits [N, C, …] and class numbers [N, …]."""
        log_shares_N = logits_NC.log_softmax(1).gather(1, targets_N.unsqueeze(1)).squeeze(1)
        # 1 − p without cancellation. Where it is 0, the derivative of a power below 1 would be infinite.
        doubt_N = (-log_shares_N.expm1()).clamp(min=torch.finfo(log_shares_N.dtype).eps)
        losses_N = -(doubt_N**self.gamma) * log_shares_N
        if self.weight is None:
            return losses_N.mean()
        weights_N = self.weight[targets_N]
        return (losses_N * weights_N).sum() / weights_N.sum()
