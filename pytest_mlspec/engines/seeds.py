"""`train.seeds`: the trainings of several seeds in one job, at once where that gives the same numbers and pays.

Where it does not, they are trained one after another; the notes of each run say which it was, and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from pytest_mlspec.engines.assembly import Assembly, assemble
from pytest_mlspec.engines.fitting import fitted
from pytest_mlspec.engines.live import Live
from pytest_mlspec.engines.measured import measured
from pytest_mlspec.engines.predictions import FloatArray, as_arrays
from pytest_mlspec.engines.splits import Splits
from pytest_mlspec.evidence import SeedRuns, TrainingRun
from pytest_mlspec.jobs import TrainSeeds
from pytest_mlspec.recipe.models.mlp import MLP
from pytest_mlspec.recipe.work import Result, Work
from pytest_mlspec.training.instruments import Machine
from pytest_mlspec.training.nonfinite import NonFiniteError
from pytest_mlspec.training.stacked import fit_stacked, why_not_stacked
from pytest_mlspec.training.state import State

Trained = tuple[TrainingRun, dict[str, FloatArray]]
"""A run, and its predictions by split."""


def train_seeds(job: TrainSeeds, work: Work) -> Result:
    """Trains every seed of `job` and measures each as a training of its own."""
    assembly = assemble(work)
    splits = Splits(assembly, assembly.prepared.splits)
    seeds = range(job.first, job.first + job.count)
    states = [assembly.new_state(seed) for seed in seeds]
    reason = _why_not_at_once(states, assembly)
    note = f"{job.count} seeds were trained one after another: {reason}" if reason else f"{job.count} seeds at once"
    trained = [] if reason else _trained_at_once(states, assembly, splits, work)
    # Where a loss is not finite, the training alone says so with the rows of the source and the layer.
    trained = trained or [_trained(assembly.new_state(seed), assembly, splits, work) for seed in seeds]
    runs = tuple(replace(run, notes=(*run.notes, note)) for run, _ in trained)
    arrays = {
        f"{run.seed}/{name}": values for run, predicted in trained for name, values in as_arrays(predicted).items()
    }
    return Result(SeedRuns(runs), arrays)


def taken_from(job: TrainSeeds, seed: int, work: Work) -> Result:
    """The training of one seed of `job`, out of its stored result."""
    stored = work.needed[job]
    assert isinstance(stored.evidence, SeedRuns)
    run = stored.evidence.runs[seed - job.first]
    predictions = {split: stored.array(f"{seed}/predictions/{split}") for split in run.losses}
    return Result(run, as_arrays(predictions))


def _trained(state: State, assembly: Assembly, splits: Splits, work: Work) -> Trained:
    """One seed, in the generators that its state was just made with."""
    before, machine = splits.losses(state.evaluated), Machine(assembly.device.device)
    history = fitted(state, assembly, splits, work, machine=machine)
    return measured(state, history, assembly, splits, losses_before=before, machine=machine)


def _trained_at_once(states: Sequence[State], assembly: Assembly, splits: Splits, work: Work) -> list[Trained]:
    """Every seed; none of them where the loss of one is not finite."""
    before, machine = [splits.losses(state.evaluated) for state in states], Machine(assembly.device.device)
    order = assembly.settings.order(len(assembly.examples), states[0].seed)
    live = Live(work.report, states[0], total_steps=assembly.total_steps, steps_per_epoch=order.steps_per_epoch)
    try:
        histories = fit_stacked(
            states,
            assembly.source(assembly.examples),
            settings=assembly.settings,
            loss=assembly.loss,
            evaluate=splits.after_epoch(assembly.training),
            on_epoch=live.on_epoch,
            chain_of=_layers_of_mlp,
        )
    except NonFiniteError:
        return []
    return [
        measured(state, history, assembly, splits, losses_before=losses, machine=machine)
        for state, history, losses in zip(states, histories, before, strict=True)
    ]


def _why_not_at_once(states: Sequence[State], assembly: Assembly) -> str:
    training = assembly.training
    if assembly.recipe.training_step is not None or assembly.recipe.augment or training.workers:
        return "rows or steps are the team's own, or change from epoch to epoch"
    return why_not_stacked(
        states,
        assembly.source(assembly.examples),
        settings=assembly.settings,
        loss=assembly.loss,
        chain_of=_layers_of_mlp,
    )


def _layers_of_mlp(model: nn.Module) -> nn.Sequential | None:
    return model.layers if type(model) is MLP else None
