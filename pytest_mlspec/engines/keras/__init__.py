"""The engine keras: a compiled model of Keras 3 on torch, and its `fit`, on one device.

The compiled model owns its loss and its optimiser. Its outputs are read by that loss, as logits or as probabilities; the losses
of whole splits are cross-entropy, or the mean squared error. The order of the rows is that of the engine torch, and a training
is resumed at any step. Left out: other backends, several outputs, callbacks of the team's own.

    reading.py  the model, and what its outputs mean;  watch.py  the callback that keeps the history;  rows.py  the batches
    training.py one fit, left and taken up again
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from pytest_mlspec.engines.assembly import Assembly, assemble
from pytest_mlspec.engines.generators import seed_of
from pytest_mlspec.engines.measured import measured
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.engines.predictions import as_arrays
from pytest_mlspec.engines.splits import Splits
from pytest_mlspec.engines.torch import WEIGHTS, TorchPredictor
from pytest_mlspec.engines.until_fitted import until_fitted
from pytest_mlspec.errors import TrainingError
from pytest_mlspec.evidence import Interruption
from pytest_mlspec.jobs import Interrupt, Resume, Train
from pytest_mlspec.recipe.installed import make_ready
from pytest_mlspec.recipe.work import Result, Work
from pytest_mlspec.training.determinism import deterministic_algorithms
from pytest_mlspec.training.instruments import Machine
from pytest_mlspec.training.seeding import perturb
from pytest_mlspec.training.weights import load_weights, save_weights

if TYPE_CHECKING:
    from pytest_mlspec.engines.keras.reading import Scores

_CHECKPOINT = "interrupted.pt"


def run(job: Train | Interrupt | Resume, work: Work) -> Result:
    """Trains the model of `work` and measures it on every split before and after; an `Interrupt` saves it half-way instead.

    Raises TrainingError where no step can be taken or a loss is not finite, RecipeError where the model does not fit,
    UserCodeError for an exception of the model or of Keras.
    """
    with _library("the training"), deterministic_algorithms(work.spec.train.deterministic):
        return _interrupt(job, work) if isinstance(job, Interrupt) else _run(job, work)


@dataclass(frozen=True)
class KerasPredictor(TorchPredictor):
    """A trained model; `module` answers with logits or values, `model` is the model of Keras in it."""

    @property
    def model(self) -> nn.Module:
        """The model of Keras."""
        return self.module.get_submodule("model")

    def precise(self) -> KerasPredictor:
        """Itself: the layers of Keras cast what they are given to their own precision."""
        return self


def restore(job: Train, work: Work) -> KerasPredictor:
    """The model that `job` trained, from its stored weights; its module answers with logits, or with values."""
    with _library("the restored model"):
        module, assembly = _new(work, assemble(work), seed_of(job, work))
        load_weights(module, work.needed[job].file(WEIGHTS))
        return KerasPredictor(module.eval(), assembly)


def take_steps(
    work: Work, steps: int, *, begin: Callable[[nn.Module], None], after_step: Callable[[nn.Module], None]
) -> Assembly:
    """Takes the first `steps` steps of the training; `begin` is called with what learns before them, `after_step` after each.

    What Keras keeps in parameters and does not learn, such as batch statistics, is left out of it.
    """
    with _library("the training"):
        from pytest_mlspec.engines.keras.reading import Learning
        from pytest_mlspec.engines.keras.training import Training

        seed = work.spec.train.seed
        assembly = assemble(work)
        if assembly.total_steps < steps:
            assembly = assemble(work, steps=steps)
        module, assembly = _new(work, assembly, seed)
        learning = Learning(module.model)
        begin(learning)
        observed = partial(after_step, learning)
        Training(module, assembly, work, seed=seed, splits=None, after_step=observed).fit_until(steps)
        return assembly


@contextmanager
def _library(what: str) -> Iterator[None]:
    """Keras is there, on torch, and left as it was; `what` names what is done with it, for its errors."""
    make_ready("keras")
    from keras import config

    is_filtered = config.is_traceback_filtering_enabled()
    try:
        with from_outside(what, key="model"):
            yield
    finally:
        if is_filtered:
            config.enable_traceback_filtering()


def _new(work: Work, assembly: Assembly, seed: int, *, seeded: bool = True) -> tuple[Scores, Assembly]:
    from pytest_mlspec.engines.keras.reading import new_model

    return new_model(work, assembly, seed, seeded=seeded)


def _run(job: Train | Resume, work: Work) -> Result:
    from pytest_mlspec.engines.keras.reading import demand_probabilities
    from pytest_mlspec.engines.keras.training import Training

    if isinstance(job, Resume) or job.fresh:
        perturb()  # what is not seeded or restored must show
    seed = seed_of(job, work)
    assembly = assemble(work, steps=job.steps)
    planned = assembly.total_steps
    looked_at = assembly.prepared.splits
    if isinstance(job, Train) and job.batches is not None:
        assembly = assembly.on_batches(job.batches, seed=seed, steps=job.steps)
        looked_at = {"train": assembly.examples}
    module, assembly = _new(work, assembly, seed, seeded=isinstance(job, Train))
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
    if assembly.batches is not None:
        training.hold_rate(planned)
    history = training.fit(checkpoint)
    demand_probabilities(module, assembly)
    run, predictions = measured(training.state, history, assembly, splits, losses_before=losses_before, machine=machine)
    save_weights(module, work.folder / WEIGHTS)
    resumed_at = interruption.step if interruption else None
    run = replace(run, engine="keras", resumed_at=resumed_at, notes=(*run.notes, *training.notes))
    return Result(run, as_arrays(predictions))


def _interrupt(job: Interrupt, work: Work) -> Result:
    """Trains up to the step of the interruption and saves everything there.

    Where the training ends by itself before that step, the share is taken of the steps that it takes.
    """
    from pytest_mlspec.engines.keras.training import Training

    seed = seed_of(job, work)
    planned = assemble(work, steps=job.steps)
    steps = planned.total_steps
    while True:
        if steps < 2:
            raise TrainingError(
                "a training of 1 step cannot be interrupted", key="train", advice="train for more steps"
            )
        at = min(max(1, round(job.at * steps)), steps - 1)
        module, assembly = _new(work, planned, seed)
        splits = Splits(assembly, assembly.prepared.splits)
        losses_before = splits.losses(module)
        training = Training(module, assembly, work, seed=seed, splits=splits)
        if training.fit_until(at, work.folder / _CHECKPOINT):
            return Result(Interruption(at, losses_before))
        steps = training.state.step
