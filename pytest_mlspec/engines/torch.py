"""The engine torch: a recipe of model, loss and optimiser, trained by the core (`training/`) on one device.

A training on a few batches (`Train(batches=k)`) takes its steps at a constant rate, until it has fitted them where that is
asked for (`until_fitted.py`).

Shape letters: N rows, C classes.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pytest_mlspec.engines.assembly import Assembly, assemble
from pytest_mlspec.engines.fitting import fitted
from pytest_mlspec.engines.generators import seed_of
from pytest_mlspec.engines.measured import measured
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.engines.paused import STATE, pause, take_up
from pytest_mlspec.engines.predictions import FloatArray, as_arrays
from pytest_mlspec.engines.seeds import taken_from, train_seeds
from pytest_mlspec.engines.splits import Splits
from pytest_mlspec.engines.until_fitted import until_fitted
from pytest_mlspec.errors import TrainingError
from pytest_mlspec.evidence import Interruption
from pytest_mlspec.jobs import Interrupt, Resume, Train, TrainSeeds
from pytest_mlspec.recipe.protocol import Examples, Inputs
from pytest_mlspec.recipe.work import Result, Work
from pytest_mlspec.training.batches import Batch, forward
from pytest_mlspec.training.determinism import deterministic_algorithms
from pytest_mlspec.training.evaluation import evaluation_mode
from pytest_mlspec.training.instruments import Machine
from pytest_mlspec.training.seeding import perturb
from pytest_mlspec.training.weights import load_weights, save_weights

WEIGHTS = "weights.safetensors"


def run(job: Train | TrainSeeds | Interrupt | Resume, work: Work) -> Result:
    """Trains the recipe of `work` and measures it on every split before and after; an `Interrupt` saves it half-way instead.

    Raises TrainingError where no step can be taken or a loss is not finite, RecipeError where a part of the recipe does not
    fit, UserCodeError for an exception of the team's code.
    """
    with from_outside("the training", key="model"), deterministic_algorithms(work.spec.train.deterministic):
        match job:
            case Interrupt():
                return _interrupt(job, work)
            case TrainSeeds():
                return train_seeds(job, work)
            case Train(seed=int(seed), among=TrainSeeds() as among):
                return taken_from(among, seed, work)
            case _:
                return _run(job, work)


def restore(job: Train, work: Work) -> TorchPredictor:
    """The model that `job` trained, in evaluation mode, from its stored weights."""
    with from_outside("the restored model", key="model"):
        assembly = assemble(work)
        module = assembly.new_model(seed_of(job, work))
        load_weights(module, work.needed[job].file(WEIGHTS))
        return TorchPredictor(module.eval(), assembly)


def initial(work: Work) -> TorchPredictor:
    """The model before the training, in evaluation mode."""
    with from_outside("the model", key="model"):
        assembly = assemble(work)
        return TorchPredictor(assembly.new_model(work.spec.train.seed).eval(), assembly)


@dataclass(frozen=True)
class TorchPredictor:
    """A trained model and the way of rows into it. `dtype` is the precision of its parameters and inputs."""

    module: nn.Module
    assembly: Assembly
    dtype: Literal["float32", "float64"] = "float32"

    @property
    def model(self) -> nn.Module:
        """The module, in evaluation mode."""
        return self.module

    def __call__(self, inputs: Inputs) -> FloatArray:
        """Probabilities [N, C], values [N, …] or tokens [N, L - 1, 2] for prepared inputs."""
        array = next(iter(inputs.values())) if isinstance(inputs, Mapping) else inputs
        declared, rows = self.assembly.declared, np.arange(len(array))
        targets = (
            array if declared.kind == "tokens" else np.zeros(len(array), dtype=self.assembly.examples.targets.dtype)
        )
        batch = self._batch(Examples(inputs, targets, rows))
        return declared.predictions(declared.read(self._forward(batch), batch))

    def outputs(self, examples: Examples) -> NDArray[Any]:
        """What the module itself returns for `examples` as one batch: logits, where the loss takes those."""
        outputs = self._forward(self._batch(examples)).cpu()
        return (outputs if outputs.dtype == torch.float64 else outputs.float()).numpy()

    def tensors(self, examples: Examples) -> tuple[Tensor, ...] | Mapping[str, Tensor]:
        """What the module takes for `examples` as one batch: one tensor, or several by name."""
        inputs = _cast(self._batch(examples), getattr(torch, self.dtype)).inputs
        return inputs if isinstance(inputs, dict) else (inputs,)

    def precise(self) -> TorchPredictor:
        """The same model in double precision; this one, where it cannot compute in that."""
        try:
            double = replace(self, module=copy.deepcopy(self.module).double(), dtype="float64")
            one = double._batch(self.assembly.examples.take(np.arange(1)))
            return double if double._forward(one).dtype == torch.float64 else self
        except Exception:  # whatever the team's forward raises where it makes tensors of its own in single precision
            return self

    def _batch(self, examples: Examples) -> Batch:
        return self.assembly.source(examples).fetch(torch.arange(len(examples)))

    def _forward(self, batch: Batch) -> Tensor:
        with evaluation_mode(self.module), torch.no_grad():
            outputs: Tensor = forward(self.module, _cast(batch, getattr(torch, self.dtype)))
        return outputs


def _run(job: Train | Resume, work: Work) -> Result:
    if isinstance(job, Resume) or job.fresh:
        perturb()  # what is not seeded or restored must show
    seed = seed_of(job, work)
    assembly = assemble(work, steps=job.steps)
    looked_at: Mapping[str, Examples] = assembly.prepared.splits
    if isinstance(job, Train) and job.batches is not None:
        assembly = assembly.on_batches(job.batches, seed=seed, steps=job.steps)
        looked_at = {"train": assembly.examples}
    splits = Splits(assembly, looked_at)
    state = assembly.new_state(seed, seeded=isinstance(job, Train))
    interruption = None
    if isinstance(job, Resume):
        saved = work.needed[job.interrupted]
        assert isinstance(saved.evidence, Interruption)
        interruption = saved.evidence
        take_up(state, assembly.recipe, saved.file(STATE).parents[1])
    losses_before = interruption.losses_before if interruption else splits.losses(state.evaluated)
    machine = Machine(assembly.device.device)
    ends = until_fitted(
        job,
        loss=lambda: splits.loss(state.evaluated, "train"),
        start=losses_before["train"],
        floor=assembly.loss_floor,
    )
    declared = job if isinstance(job, Train) else None
    history = fitted(state, assembly, splits, work, declared=declared, ends=ends, machine=machine)

    evidence, predictions = measured(state, history, assembly, splits, losses_before=losses_before, machine=machine)
    save_weights(state.evaluated, work.folder / WEIGHTS)
    return Result(replace(evidence, resumed_at=interruption.step if interruption else None), as_arrays(predictions))


def _interrupt(job: Interrupt, work: Work) -> Result:
    """Trains up to the step of the interruption and saves the state.

    Where the training ends by itself before that step, the share is taken of the steps that it takes.
    """
    assembly = assemble(work, steps=job.steps)
    splits = Splits(assembly, assembly.prepared.splits)
    state = assembly.new_state(seed_of(job, work))
    losses_before = splits.losses(state.evaluated)
    at = _step_at(job.at, assembly.total_steps)
    fitted(state, assembly, splits, work, until=at)
    if state.stopped_early:
        at = _step_at(job.at, state.step)
        state = assembly.new_state(state.seed)
        fitted(state, assembly, splits, work, until=at)
    pause(state, assembly.recipe, work.folder)
    return Result(Interruption(at, losses_before))


def _step_at(share: float, steps: int) -> int:
    """The step, not the first and not the last, at this share of `steps`."""
    if steps < 2:
        raise TrainingError("a training of 1 step cannot be interrupted", key="train", advice="train for more steps")
    return min(max(1, round(share * steps)), steps - 1)


def _cast(batch: Batch, dtype: torch.dtype) -> Batch:
    """`batch` with floating-point inputs in `dtype`."""

    def cast(values: Tensor) -> Tensor:
        return values.to(dtype) if values.is_floating_point() else values

    inputs = batch.inputs
    return replace(
        batch,
        inputs={name: cast(values) for name, values in inputs.items()} if isinstance(inputs, dict) else cast(inputs),
    )
