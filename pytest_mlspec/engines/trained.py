"""The engine trained: a module that is trained already. It is measured as it is, on every split; nothing learns.

`build_model` gives it with its weights. What it answers is read as the loss of the spec, or of the task, says.
"""

from __future__ import annotations

import os

import numpy as np
import torch

from pytest_mlspec.engines.assembly import assemble
from pytest_mlspec.engines.generators import seed_of
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.engines.predictions import as_arrays, digest
from pytest_mlspec.engines.splits import Splits
from pytest_mlspec.engines.torch import TorchPredictor
from pytest_mlspec.errors import NotApplicableError
from pytest_mlspec.evidence import Array, TrainingRun
from pytest_mlspec.jobs import Interrupt, Resume, Train, TrainSeeds
from pytest_mlspec.recipe.work import Result, Work
from pytest_mlspec.training.seeding import perturb
from pytest_mlspec.training.weights import weights_digest


def run(job: Train | TrainSeeds | Interrupt | Resume, work: Work) -> Result:
    """Measures the module of `work` on every split, in evaluation mode. Raises NotApplicableError for anything but that."""
    if not isinstance(job, Train) or job.batches is not None or job.steps is not None:
        raise NotApplicableError("the model is trained already")
    if job.fresh:
        perturb()
    with from_outside("the model", key="model"):
        assembly = assemble(work)
        module = assembly.new_model(seed_of(job, work)).eval()
        splits = Splits(assembly, assembly.prepared.splits)
        losses, predictions = splits.losses(module), splits.predictions(module)
    nothing = Array.of(np.empty(0))
    evidence = TrainingRun(
        engine="trained",
        seed=seed_of(job, work),
        device=assembly.device.name,
        device_reason=assembly.device.reason,
        threads=torch.get_num_threads(),
        steps=0,
        epochs=0,
        planned_steps=0,
        rows=len(assembly.examples),
        parameters=sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad),
        stopped="was trained already",
        best_epoch=None,
        loss_S=nothing,
        gradient_norm_S=nothing,
        learning_rate_S=nothing,
        epochs_log=(),
        losses_before={},
        losses=losses,
        weights_digest=weights_digest(module),
        predictions_digest=digest(predictions),
        examples_digest=assembly.prepared.digest,
        loss_floor=assembly.loss_floor,
        predictions=assembly.declared.kind,
        notes=(
            "the model is trained already: it was measured as it is",
            *assembly.notes(assembly.output_shape(module)),
        ),
        hash_seed=os.environ.get("PYTHONHASHSEED", ""),
    )
    return Result(evidence, as_arrays(predictions))


def restore(job: Train, work: Work) -> TorchPredictor:
    """The module, in evaluation mode."""
    with from_outside("the model", key="model"):
        assembly = assemble(work)
        return TorchPredictor(assembly.new_model(seed_of(job, work)).eval(), assembly)
