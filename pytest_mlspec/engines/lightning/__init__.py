"""The engine lightning: a LightningModule and the Trainer of Lightning, on one device.

The module owns its loss and its optimiser; `train.loss` says how the outputs of its `forward` are read and what the losses of
whole splits mean. It gets batches as `(inputs, targets)`, in the order that the engine torch has. Left out: manual
optimisation, a LightningDataModule, and a training on several devices.

    watch.py   the callback that keeps the history, stops early and saves;  rows.py  the batches
    trainer.py  the Trainer of a spec
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from torch import nn

from pytest_mlspec.engines import torch as engine_of_torch
from pytest_mlspec.engines.assembly import Assembly, assemble
from pytest_mlspec.engines.generators import seed_of
from pytest_mlspec.engines.measured import measured
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.engines.predictions import as_arrays
from pytest_mlspec.engines.splits import Splits
from pytest_mlspec.engines.until_fitted import until_fitted
from pytest_mlspec.errors import NotApplicableError, RecipeError, TrainingError
from pytest_mlspec.evidence import Interruption
from pytest_mlspec.jobs import Interrupt, Resume, Train
from pytest_mlspec.recipe.installed import make_ready
from pytest_mlspec.recipe.work import Result, Work
from pytest_mlspec.training.determinism import deterministic_algorithms
from pytest_mlspec.training.instruments import Machine
from pytest_mlspec.training.seeding import perturb
from pytest_mlspec.training.weights import save_weights

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule

_CHECKPOINT = "interrupted.ckpt"


def run(job: Train | Interrupt | Resume, work: Work) -> Result:
    """Trains the module of `work` and measures it on every split before and after; an `Interrupt` saves it half-way instead.

    Raises TrainingError where no step can be taken or a loss is not finite, RecipeError where the module does not fit,
    UserCodeError for an exception of the module or of the Trainer.
    """
    make_ready("lightning")
    with from_outside("the training", key="model"), deterministic_algorithms(work.spec.train.deterministic):
        return _interrupt(job, work) if isinstance(job, Interrupt) else _run(job, work)


def restore(job: Train, work: Work) -> engine_of_torch.TorchPredictor:
    """The module that `job` trained, in evaluation mode, from its stored weights."""
    make_ready("lightning")
    return engine_of_torch.restore(job, work)


def take_steps(
    work: Work, steps: int, *, begin: Callable[[nn.Module], None], after_step: Callable[[nn.Module], None]
) -> Assembly:
    """Takes the first `steps` steps of the training; `begin` is called with the module before them, `after_step` after each."""
    make_ready("lightning")
    from pytest_mlspec.engines.lightning.trainer import Training

    assembly = assemble(work)
    if assembly.total_steps < steps:
        assembly = assemble(work, steps=steps)
    module = new_module(assembly, work.spec.train.seed)
    training = Training(
        module,
        assembly,
        work,
        seed=work.spec.train.seed,
        begin=lambda: begin(module),
        after_step=lambda: after_step(module),
    )
    training.fit_until(steps)
    return assembly


def new_module(assembly: Assembly, seed: int, *, seeded: bool = True) -> LightningModule:
    """A new module on the device; raises RecipeError where the model is no LightningModule that can be trained here."""
    from lightning.pytorch import LightningModule

    module = assembly.new_model(seed, seeded=seeded)
    name = type(module).__name__
    if not isinstance(module, LightningModule):
        of_old_name = any(base.__module__.startswith("pytorch_lightning.") for base in type(module).__mro__)
        raise RecipeError(
            f"{name} is no LightningModule of the package lightning",
            key="model",
            advice="write `import lightning as L` in the place of `import pytorch_lightning`"
            if of_old_name
            else "subclass lightning.LightningModule, or write `engine: torch`",
        )
    if not module.automatic_optimization:
        raise RecipeError(
            f"{name} steps its optimiser itself (automatic_optimization = False), and this engine has to see each step",
            key="model",
            advice="leave the step to Lightning, or give the loop as a recipe with `engine: callable`",
        )
    return module


def _run(job: Train | Resume, work: Work) -> Result:
    from pytest_mlspec.engines.lightning.trainer import Training

    if isinstance(job, Train) and job.fresh:
        perturb()  # what is not seeded must show
    seed = seed_of(job, work)
    assembly = assemble(work, steps=job.steps)
    looked_at = assembly.prepared.splits
    if isinstance(job, Train) and job.batches is not None:
        assembly = assembly.on_batches(job.batches, seed=seed, steps=job.steps)
        looked_at = {"train": assembly.examples}
    if isinstance(job, Resume):
        perturb()  # as must what is not restored
    module = new_module(assembly, seed, seeded=isinstance(job, Train))
    splits = Splits(assembly, looked_at)
    checkpoint, interruption = None, None
    if isinstance(job, Resume):
        saved = work.needed[job.interrupted]
        assert isinstance(saved.evidence, Interruption)
        checkpoint, interruption = saved.file(_CHECKPOINT), saved.evidence
    losses_before = interruption.losses_before if interruption else splits.losses(module)
    machine = Machine(assembly.device.device)
    ends = until_fitted(
        job, loss=lambda: splits.loss(module, "train"), start=losses_before["train"], floor=assembly.loss_floor
    )
    training = Training(module, assembly, work, seed=seed, splits=splits, machine=machine, ends=ends)
    state, history = training.fit(checkpoint=checkpoint)
    run, predictions = measured(state, history, assembly, splits, losses_before=losses_before, machine=machine)
    save_weights(module, work.folder / engine_of_torch.WEIGHTS)
    resumed_at = interruption.step if interruption else None
    run = replace(run, engine="lightning", resumed_at=resumed_at, notes=(*run.notes, *training.notes))
    return Result(run, as_arrays(predictions))


def _interrupt(job: Interrupt, work: Work) -> Result:
    """Trains up to the step of the interruption, which lies within an epoch, and saves a checkpoint of Lightning there.

    Where the training ends by itself before that step, the share is taken of the steps that it takes.
    """
    from pytest_mlspec.engines.lightning.trainer import Training

    seed = seed_of(job, work)
    assembly = assemble(work, steps=job.steps)
    splits = Splits(assembly, assembly.prepared.splits)
    losses_before: dict[str, float] = {}
    steps = assembly.total_steps
    while True:
        at = _step_within(job.at, steps, assembly.settings.order(len(assembly.examples), seed).steps_per_epoch)
        module = new_module(assembly, seed)
        losses_before = splits.losses(module)
        training = Training(module, assembly, work, seed=seed, splits=splits)
        if training.fit_until(at, work.folder / _CHECKPOINT):
            return Result(Interruption(at, losses_before))
        steps = training.state.step


def _step_within(share: float, steps: int, steps_per_epoch: int) -> int:
    """The step at this share of `steps`, not the last of an epoch: there Lightning leaves out what an epoch ends with."""
    if steps < 2:
        raise TrainingError("a training of 1 step cannot be interrupted", key="train", advice="train for more steps")
    at = min(max(1, round(share * steps)), steps - 1)
    if at % steps_per_epoch:
        return at
    if steps_per_epoch == 1:
        raise NotApplicableError("each epoch has one step, and Lightning resumes exactly within an epoch alone")
    return at + 1 if at + 1 < steps else at - 1
