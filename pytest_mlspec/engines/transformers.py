"""The engine transformers: a PreTrainedModel and the Trainer of Hugging Face, on one device.

The optimiser and the schedule are those that the Trainer makes of its arguments: no weight decay on biases and layer norms, a
warm-up from rate zero. The loss is the model's own, unless the spec or the recipe gives one. The order of the rows is the
Trainer's.

Shape letters: N rows, C classes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from pytest_mlspec.engines import torch as engine_of_torch
from pytest_mlspec.engines.assembly import Assembly, assemble
from pytest_mlspec.engines.generators import seed_of
from pytest_mlspec.engines.measured import measured
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.engines.predictions import as_arrays
from pytest_mlspec.engines.until_fitted import until_fitted
from pytest_mlspec.errors import TrainingError
from pytest_mlspec.evidence import Interruption
from pytest_mlspec.jobs import Interrupt, Resume, Train
from pytest_mlspec.recipe.installed import demand
from pytest_mlspec.recipe.models.huggingface import Logits
from pytest_mlspec.recipe.work import Result, Work
from pytest_mlspec.training.determinism import deterministic_algorithms
from pytest_mlspec.training.instruments import Machine
from pytest_mlspec.training.seeding import perturb
from pytest_mlspec.training.weights import save_weights

if TYPE_CHECKING:
    from pytest_mlspec.engines.hf_training import HfTraining

LOWEST = {"transformers": "5.23", "accelerate": "1.1"}
_EXTRA = "transformers"
_TRAINER = "trainer"
_STATE = "trainer_state.json"


def run(job: Train | Interrupt | Resume, work: Work) -> Result:
    """Trains the model of `work` and measures it on every split before and after; an `Interrupt` saves it half-way instead.

    Raises TrainingError where no step can be taken or a loss is not finite, RecipeError where the model does not fit,
    UserCodeError for an exception of the team's code or of the Trainer.
    """
    _demand()
    with from_outside("the training", key="model"), deterministic_algorithms(work.spec.train.deterministic):
        return _interrupt(job, work) if isinstance(job, Interrupt) else _run(job, work)


def restore(job: Train, work: Work) -> TransformersPredictor:
    """The model that `job` trained, in evaluation mode, from its stored weights."""
    _demand()
    found = engine_of_torch.restore(job, work)
    return TransformersPredictor(found.module, found.assembly)


@dataclass(frozen=True)
class TransformersPredictor(engine_of_torch.TorchPredictor):
    """A trained model; `module` answers with logits, `model` is the PreTrainedModel in it."""

    @property
    def model(self) -> nn.Module:
        """The PreTrainedModel, in evaluation mode."""
        assert isinstance(self.module, Logits), "the recipe of this engine makes its model one of logits"
        return self.module.model


def take_steps(
    work: Work, steps: int, *, begin: Callable[[nn.Module], None], after_step: Callable[[nn.Module], None]
) -> Assembly:
    """Takes the first `steps` steps of the training; `begin` is called with the module before them, `after_step` after each."""
    _demand()
    assembly = assemble(work)
    if assembly.total_steps < steps:
        assembly = assemble(work, steps=steps)
    training = _new_training(assembly, work, work.spec.train.seed)
    begin(training.module)
    training.fit(until=steps, after_step=partial(after_step, training.module))
    return assembly


def _run(job: Train | Resume, work: Work) -> Result:
    if isinstance(job, Resume) or job.fresh:
        perturb()  # what is not seeded or restored must show
    seed = seed_of(job, work)
    assembly = assemble(work, steps=job.steps)
    looked_at = assembly.prepared.splits
    if isinstance(job, Train) and job.batches is not None:
        assembly = assembly.on_batches(job.batches, seed=seed, steps=job.steps)
        looked_at = {"train": assembly.examples}
    machine = Machine(assembly.device.device)
    training = _new_training(assembly, work, seed, seeded=isinstance(job, Train), machine=machine)
    splits = training.splits(looked_at)
    interruption, checkpoint = None, None
    if isinstance(job, Resume):
        saved = work.needed[job.interrupted]
        assert isinstance(saved.evidence, Interruption)
        interruption = saved.evidence
        checkpoint = saved.file(f"{_TRAINER}/checkpoint-{interruption.step}/{_STATE}").parent
    losses_before = interruption.losses_before if interruption else splits.losses(training.module)
    ends = until_fitted(
        job, loss=lambda: splits.loss(training.module, "train"), start=losses_before["train"], floor=assembly.loss_floor
    )
    history = training.fit(splits=splits if assembly.batches is None else None, resume_from=checkpoint, ends=ends)
    evidence, predictions = measured(
        training.state, history, assembly, splits, losses_before=losses_before, machine=machine
    )
    save_weights(training.module, work.folder / engine_of_torch.WEIGHTS)
    shutil.rmtree(work.folder / _TRAINER)  # empty: nothing was saved on the way
    resumed_at = interruption.step if interruption else None
    return Result(replace(evidence, engine="transformers", resumed_at=resumed_at), as_arrays(predictions))


def _interrupt(job: Interrupt, work: Work) -> Result:
    """Trains up to the step of the interruption and saves a checkpoint of the Trainer there.

    Where the training ends by itself before that step, the share is taken of the steps that it takes.
    """
    seed = seed_of(job, work)
    assembly = assemble(work, steps=job.steps)
    steps = assembly.total_steps
    while True:
        at = _step_at(job.at, steps)
        training = _new_training(assembly, work, seed)
        splits = training.splits(assembly.prepared.splits)
        losses_before = splits.losses(training.module)
        training.fit(splits=splits, until=at)
        if training.state.step == at and not training.state.stopped_early:
            return Result(Interruption(at, losses_before))
        steps = training.state.step


def _new_training(
    assembly: Assembly, work: Work, seed: int, *, seeded: bool = True, machine: Machine | None = None
) -> HfTraining:
    from pytest_mlspec.engines.hf_training import HfTraining

    module = assembly.new_model(seed, seeded=seeded)
    assert isinstance(module, Logits), "the recipe of this engine makes its model one of logits"
    return HfTraining(module, assembly, work, seed=seed, folder=work.folder / _TRAINER, machine=machine)


def _step_at(share: float, steps: int) -> int:
    """The step, not the first and not the last, at this share of `steps`."""
    if steps < 2:
        raise TrainingError("a training of 1 step cannot be interrupted", key="train", advice="train for more steps")
    return min(max(1, round(share * steps)), steps - 1)


def _demand() -> None:
    for package, lowest in LOWEST.items():
        demand(package, lowest=lowest, extra=_EXTRA)
