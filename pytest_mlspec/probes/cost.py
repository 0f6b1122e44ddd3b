"""`CountCost`: what a trained nn.Module is made of, and the floating-point operations of one row."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pytest_mlspec.engines import ENGINES, ModulePredictor
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import NotApplicableError
from pytest_mlspec.evidence import ModelCost
from pytest_mlspec.jobs import CountCost
from pytest_mlspec.recipe.work import Result, Work
from pytest_mlspec.training.evaluation import evaluation_mode

# Torch runs these in one kernel, of which its counter knows nothing.
_UNCOUNTED = (nn.RNNBase, nn.RNNCellBase)


def count_cost(job: CountCost, work: Work) -> Result:
    """Counts the module that `job.of` trained; raises NotApplicableError for a model that is none."""
    predictor = ENGINES.find(work.spec.train.engine.use).restore(job.of, work)
    if not isinstance(predictor, ModulePredictor):
        raise NotApplicableError(f"the engine {work.spec.train.engine.use} has no nn.Module to count")
    module = predictor.module
    tensors = (*module.parameters(), *module.buffers())
    with from_outside("the forward pass of one row", key="model"):
        row = predictor.tensors(work.prepared.splits["train"].take(np.arange(1)))
        flops, missing = _flops(module, row)
    return Result(
        ModelCost(
            parameters=sum(each.numel() for each in module.parameters() if each.requires_grad),
            size=sum(each.nbytes for each in tensors),
            flops=flops,
            missing={"flops": missing} if missing else {},
        )
    )


def _flops(module: nn.Module, row: tuple[torch.Tensor, ...] | Mapping[str, torch.Tensor]) -> tuple[int | None, str]:
    """The operations of one row, or None and why they cannot be told."""
    for each in module.modules():
        if isinstance(each, _UNCOUNTED):
            return None, f"torch counts no operations of {type(each).__name__}"
    with FlopCounterMode(display=False) as counter, evaluation_mode(module), torch.no_grad():
        module(**row) if isinstance(row, Mapping) else module(*row)
    found = int(counter.get_total_flops())
    return (found, "") if found else (None, "torch counts none of the model's operations")
