"""The trainings that are watched, by the kind of their engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import nn

from pytest_mlspec.engines import ENGINES
from pytest_mlspec.engines import callable as own_fit
from pytest_mlspec.engines.assembly import Assembly, assemble
from pytest_mlspec.engines.fitting import fitted
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.engines.splits import Splits
from pytest_mlspec.errors import MlspecError, NotApplicableError
from pytest_mlspec.evidence import LoopTrace, RowUse
from pytest_mlspec.jobs import Train
from pytest_mlspec.probes.loop_rows import Stream, entered_splits, is_one_order, row_use, stream_of
from pytest_mlspec.probes.loop_state import equal_starts, state_fields
from pytest_mlspec.recipe.datasets import stand_in_a_dataset
from pytest_mlspec.recipe.oversampling import training_examples
from pytest_mlspec.recipe.protocol import Examples, Inputs
from pytest_mlspec.recipe.work import Work
from pytest_mlspec.training.determinism import deterministic_algorithms
from pytest_mlspec.training.global_hooks import compiled_beside_hooks
from pytest_mlspec.training.watch import Seen, Watch
from pytest_mlspec.training.watch_rows import RowFinder

# Two epochs show whether the order changes, and the third whether that was all. Of a long epoch a part is watched: more of it
# where the steps are the team's own.
_EPOCHS, _STEPS, _STEPS_OF_OWN = 3, 200, 600
_OWN = frozenset({"load", "collate", "optimizer", "training_step", "evaluate"})
# So many steps of a fit with another seed are compared.
_STEPS_OF_OTHER_SEED = 8
# Rows of more bytes are not looked for: they would be read as a whole.
_BYTES = 2_000_000_000
_TOO_LARGE = f"the prepared rows take more than {_BYTES // 10**9} GB"
_CHUNK = 1024


class _Enough(BaseException):
    """Ends a fit from within a step; no `except Exception` of its code holds it up."""


def of_a_fit(work: Work) -> LoopTrace:
    """A whole fit of the team's own, and the first steps of one with another seed."""
    seed = work.spec.train.seed
    train = training_examples(work.prepared, work.spec)
    finder = _finder(train.inputs, [work.prepared.splits[name].inputs for name in _others(work)])
    with compiled_beside_hooks(), Watch(finder) as watch:
        model = own_fit.restore(Train(seed=seed), work)
    seen = watch.seen
    if not seen.count:
        return LoopTrace("callable", RowUse(len(train)), steps=0, whole=True)
    with Watch() as looking:
        model(train.take(np.arange(min(2, len(train)))).inputs)
    evaluated = [root.module for root in looking.seen.roots]
    rows = _rows(seen, finder, train, work)
    trace = LoopTrace(
        engine="callable",
        rows=rows,
        whole=True,
        declared_batch=_declared_batch(work),
        device=_device(seen),
        seed=seed,
        entered=_entered(seen, finder, work),
        **state_fields(seen, finder, evaluated),
    )
    return trace if finder is None or rows.unknown else _with_other_seed(trace, seen, finder, work)


def of_torch(work: Work) -> LoopTrace:
    """The first epochs of the loop of the core, with whatever of it is the team's own."""
    seed = work.spec.train.seed
    with from_outside("the watched training", key="model"), deterministic_algorithms(work.spec.train.deterministic):
        assembly = _eager(assemble(work))
        finder = _finder_of(assembly, work)
        until, whole = _length(assembly, seed)
        splits = Splits(assembly, assembly.prepared.splits)
        state = assembly.new_state(seed)
        with Watch(finder) as watch:
            history = fitted(state, assembly, splits, work, until=until)
    taken = watch.steps_of(state.optimizer)
    fields = {**state_fields(watch.seen, finder, [state.evaluated]), "steps": taken}
    return LoopTrace(
        engine="torch",
        rows=_rows(watch.seen, finder, assembly.examples, work, given=int(history.rows_S.sum())),
        whole=whole or bool(state.stopped_early),
        expected=None if state.scaler is not None else state.step,
        declared_batch=_batch_of(assembly),
        device=assembly.device.name,
        seed=seed,
        **fields,
    )


def of_a_trainer(work: Work) -> LoopTrace:
    """The first epochs that the trainer of an engine takes; raises NotApplicableError where it tells no steps."""
    work = _without_early_stop(work)
    engine = work.spec.train.engine.use
    trainer = import_module(ENGINES.find(engine).module)
    if not hasattr(trainer, "take_steps"):
        raise NotApplicableError(f"the engine {engine} takes no steps that can be watched")
    seed = work.spec.train.seed
    models: list[nn.Module] = []
    with from_outside("the watched training", key="model"), deterministic_algorithms(work.spec.train.deterministic):
        assembly = assemble(work)
        finder = _finder_of(assembly, work)
        until, whole = _length(assembly, seed)
        with Watch(finder) as watch:
            trainer.take_steps(work, until, begin=models.append, after_step=lambda model: None)
    seen = watch.seen
    fields = {
        **state_fields(seen, finder, models),
        "steps": max((holder.steps for holder in seen.holders), default=0),
    }
    return LoopTrace(
        engine=engine,
        rows=_rows(seen, finder, assembly.examples, work, given=_given(assembly, until, seed)),
        whole=whole,
        expected=until if assembly.settings.precision != "fp16" else None,
        declared_batch=_batch_of(assembly),
        device=assembly.device.name,
        seed=seed,
        **fields,
    )


def _without_early_stop(work: Work) -> Work:
    """The same work, whose steps need no metrics after an epoch."""
    training = work.spec.train.model_copy(update={"early_stop": None})
    return replace(work, spec=work.spec.model_copy(update={"train": training}))


def _eager(assembly: Assembly) -> Assembly:
    """The same training without a compiler, which would hide what happens in the model."""
    return replace(assembly, training=assembly.training.model_copy(update={"compile": False}))


def _length(assembly: Assembly, seed: int) -> tuple[int, bool]:
    """How many steps are watched, and whether these are all."""
    an_epoch = assembly.settings.order(len(assembly.examples), seed).steps_per_epoch
    most = _STEPS_OF_OWN if assembly.recipe.given & _OWN else _STEPS
    until = min(assembly.total_steps, _EPOCHS * an_epoch, most)
    return until, until == assembly.total_steps


def _given(assembly: Assembly, steps: int, seed: int) -> int:
    """The rows of the first `steps` steps."""
    order = assembly.settings.order(len(assembly.examples), seed)
    epochs, position = divmod(steps, order.steps_per_epoch)
    sizes = [sum(map(len, step)) for step in order.steps(0)]
    return epochs * sum(sizes) + sum(sizes[:position])


def _batch_of(assembly: Assembly) -> int:
    return min(assembly.settings.batch_size, len(assembly.examples))


def _declared_batch(work: Work) -> int | None:
    """What the spec hands to the team's own recipe as the size of its batches."""
    given = work.spec.recipe.arguments.get("batch_size") if work.spec.recipe else None
    return given if isinstance(given, int) and not isinstance(given, bool) else None


def _device(seen: Seen) -> str:
    return next((one.tensor.device.type for one in seen.parameters), "cpu")


def _rows(seen: Seen, finder: RowFinder | None, examples: Examples, work: Work, *, given: int | None = None) -> RowUse:
    if finder is None:
        return RowUse(len(examples), unknown=_TOO_LARGE)
    return row_use(seen, finder, examples.targets, work.prepared.classes, given=given)


def _with_other_seed(trace: LoopTrace, seen: Seen, finder: RowFinder, work: Work) -> LoopTrace:
    """`trace` with what the first steps of a fit with the next seed tell."""

    def end(count: int) -> None:
        if count >= _STEPS_OF_OTHER_SEED:
            raise _Enough

    with compiled_beside_hooks(), Watch(finder, after_step=end) as other:
        try:
            with suppress(_Enough):
                own_fit.restore(Train(seed=trace.seed + 1), work)
        except MlspecError as error:
            return replace(trace, notes=(*trace.notes, f"with seed {trace.seed + 1}: {error.message}"))
    first = stream_of(seen, finder)
    second = stream_of(other.seen, finder, like=first) if isinstance(first, Stream) else first
    if not (isinstance(first, Stream) and isinstance(second, Stream)):
        return trace
    changes = trace.rows.passes > 1 and not trace.rows.repeated
    rows = replace(trace.rows, equal_for_seeds=is_one_order(first, second, changes=changes))
    return replace(trace, rows=rows, equal_starts=equal_starts(seen, other.seen))


def _others(work: Work) -> list[str]:
    """The splits that are not trained on; that for validation is the first."""
    names = [name for name, rows in work.prepared.splits.items() if name != "train" and len(rows)]
    return sorted(names, key=lambda name: name != "val")


def _entered(seen: Seen, finder: RowFinder | None, work: Work) -> dict[str, int]:
    found = {} if finder is None else entered_splits(seen, finder, _others(work))
    return {name: rows for name, rows in found.items() if name != "val"}


def _finder(train: Inputs, others: Iterable[Inputs]) -> RowFinder | None:
    """Finds the prepared rows; None where they are too large."""
    parts = [train, *others]
    arrays = [array for part in parts for array in (part.values() if isinstance(part, Mapping) else [part])]
    return None if sum(array.nbytes for array in arrays) > _BYTES else RowFinder(parts[0], parts[1:])


def _finder_of(assembly: Assembly, work: Work) -> RowFinder | None:
    """Finds the rows as batches hold them: after the team's own `collate`, or out of its Dataset."""
    parts = [assembly.examples, *(assembly.prepared.splits[name] for name in _others(work))]
    if assembly.recipe.collate is None and not any(map(stand_in_a_dataset, parts)):
        return _finder(parts[0].inputs, [part.inputs for part in parts[1:]])
    try:
        values = [_fetched(part, assembly) for part in parts]
    except ValueError:  # batches of several widths
        return None
    return None if any(part is None for part in values) else _finder(values[0], values[1:])


def _fetched(examples: Examples, assembly: Assembly) -> Any:
    """The inputs of all rows as batches hold them; None where they are too large."""
    source = assembly.source(examples)
    batches: list[Mapping[str, Any]] = []
    for begin in range(0, len(examples), _CHUNK):
        inputs = source.fetch(torch.arange(begin, min(begin + _CHUNK, len(examples)))).inputs
        named = inputs if isinstance(inputs, dict) else {"": inputs}
        batches.append({name: values.cpu().numpy() for name, values in named.items()})
        if sum(array.nbytes for batch in batches for array in batch.values()) > _BYTES:
            return None
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
