"""fp16: the scaler of the loss. Untested on CUDA and MPS; on the CPU torch has it, and it is slow there.

A step whose gradients are not finite at the present scale is left out: weights and optimiser stay as they are, the scale is
halved, and the rows, the schedule and the average go on as if it had been taken. The training counts such steps.
"""

from __future__ import annotations

import torch
from torch.amp import GradScaler
from torch.optim import SGD, Optimizer


def new_scaler(device: torch.device, optimizer: Optimizer) -> GradScaler:
    """The scaler of a training with `optimizer`, with torch's defaults."""
    if isinstance(optimizer, SGD):
        # Torch's fused SGD makes its momenta in a step that is left out, and leaves them uninitialised (seen in 2.13): the
        # scaler then has to leave the whole step out by itself.
        optimizer._step_supports_amp_scaling = False
    return GradScaler(device.type)
