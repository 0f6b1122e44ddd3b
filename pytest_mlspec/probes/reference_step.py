"""The first steps of the team's code, beside those that the spec declares: gradients, clipping, update.

The steps are those of the loop, taken by `take_step` with whatever points are the team's own, and watched from outside. They are
taken in float64 where the model and the team's code allow it, else in the precision of the training: in single precision a
forgotten weight decay hides below rounding.

    reference_step_watch.py      what a step does            reference_step_declared.py   what it should do
    reference_step_rows.py       the rows that it sees       reference_step_gradients.py  gradients and clipping, compared
    reference_step_losses.py     what explains a gradient    reference_step_updates.py    updates, compared and explained
    reference_step_distance.py   how far tensors are apart
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count, islice

import torch
from torch import Tensor

from pytest_mlspec.engines.assembly import Assembly, assemble
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import MlspecError, NotApplicableError
from pytest_mlspec.evidence.steps import ComparedPart, StepComparison
from pytest_mlspec.jobs.steps import ReferenceStep
from pytest_mlspec.probes.reference_step_declared import DeclaredStep, declared_step, own_points
from pytest_mlspec.probes.reference_step_gradients import Found, Judged, batch_of, rows_of
from pytest_mlspec.probes.reference_step_rows import joined
from pytest_mlspec.probes.reference_step_updates import Pair, Updates
from pytest_mlspec.probes.reference_step_watch import LossOfOutputs, Taken, Watch
from pytest_mlspec.recipe.work import Result, Work
from pytest_mlspec.training.batches import Batch
from pytest_mlspec.training.losses import LossFunction, as_scalar
from pytest_mlspec.training.state import State
from pytest_mlspec.training.step import take_step

# Team code may compute part of a loss in single precision, such as logits.float(); a mistake is far larger.
_TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3}
_HALF_PRECISION = 3e-2
# So many parameters are kept some twenty times: in single precision, 4 GB.
_LARGE = 50_000_000


def compare_steps(job: ReferenceStep, work: Work) -> Result:
    """Compares the first steps of a new training; raises NotApplicableError where nothing of a step is the team's own."""
    own = own_points(work.recipe)
    if not own:
        raise NotApplicableError(
            "the recipe gives no training_step, loss or optimizer: every step is the declared one, by construction"
        )
    with from_outside("the probe of steps", key="recipe"):
        assembly = assemble(work)
        length = max(assembly.total_steps, job.steps)
        assembly = replace(assembly, settings=replace(assembly.settings, steps=length, epochs=None))
        declared = declared_step(job, work, assembly)
        walked = _walked(job, work, assembly, declared)
        comparison = walked.compared(declared, assembly)
    return Result(comparison)


@dataclass(frozen=True)
class _Walked:
    """The steps that were taken, what was found of their gradients, and model and optimiser from before them, or why not."""

    taken: tuple[Taken, ...]
    found: tuple[Found, ...]
    own: Pair | str
    dtype: torch.dtype

    def compared(self, declared: DeclaredStep, assembly: Assembly) -> StepComparison:
        """Each part with its largest difference, or that of the step that a mistake explains."""
        parts: dict[tuple[str, str], ComparedPart] = {}
        left_out: dict[str, None] = {}
        for found in (*self.found, self._update(declared)):
            if found.part is None:
                left_out[found.left_out] = None
                continue
            key = (found.part.part, found.part.reference)
            parts[key] = max(parts.get(key, found.part), found.part, key=_tells)
        rows = sum(len(taken.batch) for taken in self.taken)
        name = str(self.dtype).removeprefix("torch.")
        return StepComparison(tuple(parts.values()), tuple(left_out), rows, len(self.taken), name, assembly.device.name)

    def _update(self, declared: DeclaredStep) -> Found:
        if not declared.takes_steps and declared.optimizer.make is None:
            own = "nothing says what the optimizer should be"
            return Found(
                left_out=f"update: {own if 'optimizer' in declared.own else 'it is that of the declared optimizer'}"
            )
        if isinstance(self.own, str):
            return Found(left_out=self.own)
        found = Updates(self.taken, declared, self.own, _TOLERANCE[self.dtype]).found()
        return Found(left_out=found) if isinstance(found, str) else Found(found)


def _tells(part: ComparedPart) -> tuple[bool, float]:
    return (bool(part.explained_by), part.difference / part.tolerance)


def _walked(job: ReferenceStep, work: Work, assembly: Assembly, declared: DeclaredStep) -> _Walked:
    """The steps in float64, or in the precision of the training where something refuses that, or memory would."""
    parameters = sum(one.numel() for one in assembly.new_model(work.spec.train.seed).parameters())
    if parameters <= _LARGE:
        try:
            return _walk(job, work, assembly, declared, torch.float64)
        except (MlspecError, RuntimeError, TypeError, ValueError):
            pass
    return _walk(job, work, assembly, declared, torch.float32)


def _walk(job: ReferenceStep, work: Work, assembly: Assembly, declared: DeclaredStep, dtype: torch.dtype) -> _Walked:
    seed = work.spec.train.seed
    source = assembly.source(assembly.examples)
    order = assembly.settings.order(len(assembly.examples), seed)
    steps = list(islice((step for epoch in count() for step in order.steps(epoch)), job.steps))
    state = assembly.new_state(seed)
    if dtype is torch.float64:
        _to_double(state)
    own = _copied(state)
    found: list[Found] = []
    with _default_dtype(dtype):
        watch = Watch(state.model, state.optimizer, [_of_outputs(loss.function) for loss in declared.losses])
        for number, index in enumerate(steps):
            batches = [_in(source.fetch(rows), dtype) for rows in index]
            state.model.train()
            with watch.step(joined(batches)):
                take_step(
                    state,
                    batches,
                    loss=assembly.loss,
                    training_step=assembly.recipe.training_step,
                    clip_norm=assembly.settings.clip_norm,
                    precision=assembly.settings.precision,
                )
            taken = watch.taken[-1]
            found += Judged(taken, number + 1, declared, _tolerance(taken, dtype), len(index)).found()
            taken.forget_gradients()
            if taken.broken_off:
                break
            state.step += 1
            state.position += 1
            if state.schedule is not None:
                state.schedule.after_step()
    return _Walked(tuple(watch.taken), tuple(found), own, dtype)


def _tolerance(taken: Taken, dtype: torch.dtype) -> float:
    """The share by which equal gradients may differ in this precision."""
    outputs = [forward.outputs for forward in taken.forwards if isinstance(forward.outputs, Tensor)]
    half = any(one.is_floating_point() and one.element_size() < 4 for one in outputs)
    return _HALF_PRECISION if half else _TOLERANCE[dtype]


def _of_outputs(loss: LossFunction) -> LossOfOutputs:
    """`loss` of all outputs of a step, against the rows that they belong to."""

    def of(taken: Taken, outputs: Tensor) -> Tensor:
        rows = rows_of(taken)
        if isinstance(rows, str):
            raise NotApplicableError(rows)
        return as_scalar(loss(outputs, batch_of(rows, taken.batch)), "the declared loss")

    return of


def _copied(state: State) -> Pair | str:
    try:
        pair: Pair = copy.deepcopy((state.model, state.optimizer))
    except Exception as error:  # a model or optimiser of the team's own may hold anything
        return f"update: model and optimizer cannot be copied ({type(error).__name__}: {error})"
    return pair


def _to_double(state: State) -> None:
    state.model.double()
    for kept in state.optimizer.state.values():
        for name, value in kept.items():
            if isinstance(value, Tensor) and value.dim() and value.is_floating_point():
                kept[name] = value.double()


def _in(batch: Batch, dtype: torch.dtype) -> Batch:
    """The batch with its numbers in `dtype`; classes and ids stay."""

    def cast(values: Tensor) -> Tensor:
        return values.to(dtype) if values.is_floating_point() else values

    inputs = (
        {name: cast(each) for name, each in batch.inputs.items()}
        if isinstance(batch.inputs, dict)
        else cast(batch.inputs)
    )
    return Batch(inputs, None if batch.targets is None else cast(batch.targets), batch.index)


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Tensors that team code makes meanwhile are of the same precision."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
