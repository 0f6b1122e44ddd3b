"""`Evaluate`: the team's own `evaluate` held against scikit-learn, what an evaluation changes, and slices that broke.

`evaluate` is called as the loop calls it: in training mode, with gradients of the last step. Between two calls everything that
one changed is put back. Without an `evaluate` the forward of the model and the slices are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from pytest_mlspec.engines import ModulePredictor, Predictor
from pytest_mlspec.engines.assembly import Assembly
from pytest_mlspec.engines.loading import drawn_anew
from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.evidence import Evaluation, TrainingRun
from pytest_mlspec.jobs import Evaluate
from pytest_mlspec.language.task import TASKS
from pytest_mlspec.probes.evaluation_changes import Before, as_after_a_step
from pytest_mlspec.probes.expected_metrics import Expected
from pytest_mlspec.probes.own_evaluation import OwnEvaluation, largest_difference, own_evaluation
from pytest_mlspec.probes.rows import rows_to_try
from pytest_mlspec.probes.scores import Bench
from pytest_mlspec.probes.slices import slices_of
from pytest_mlspec.probes.trained import restored
from pytest_mlspec.recipe.protocol import Examples
from pytest_mlspec.recipe.work import Result, Work
from pytest_mlspec.training.seeding import kept_generators, perturb
from pytest_mlspec.training.state import State

_ROWS = 64


def probe_evaluation(job: Evaluate, work: Work) -> Result:
    """Looks at the evaluation of the model that `job.of` trained."""
    run = work.needed[job.of].evidence
    assert isinstance(run, TrainingRun)
    bench = Bench(work, work.prepared, work.needed[job.of], job.of.fold)
    slices, split = slices_of(bench) if work.prepared.classes else (None, "")
    own = OwnEvaluation()
    changed: Mapping[str, tuple[str, ...]] | None = None
    repeats: dict[str, float] = {}
    has_own = work.recipe.evaluate is not None
    is_fitted_again = work.spec.train.engine.use == "callable"
    with from_outside("the evaluation", key="recipe.evaluate" if has_own else "model"):
        if has_own or not is_fitted_again:  # the engine callable fits again for each look at its model
            predictor = restored(job.of, work)
            if isinstance(predictor, ModulePredictor):
                rows = rows_to_try(work, _ROWS)
                changed = _changes_of_forward(predictor, rows)
                repeats = _repeats(predictor, rows, work)
            if has_own:
                expected = Expected(bench, _splits(predictor, work), run, predictor if is_fitted_again else None)
                own = own_evaluation(_judged(predictor, run), expected)
    return Result(
        Evaluation(
            own=has_own,
            metrics=own.metrics,
            unknown=own.unknown,
            changed=own.changed,
            failed=own.failed,
            forward_changed=changed,
            repeats={**repeats, **own.repeats},
            in_training=own.in_training,
            answered=own.answered,
            slices=slices,
            split=split or own.split,
            rows=own.rows or len(work.prepared.splits.get(split or "train", ())),
            device=run.device,
        )
    )


def _judged(predictor: Predictor, run: TrainingRun) -> Any:
    """What `evaluate` is given: a state as the loop leaves it, or what the team's `fit` returned."""
    assembly = getattr(predictor, "assembly", None)
    if not isinstance(predictor, ModulePredictor) or not isinstance(assembly, Assembly):
        return predictor.model
    state: State = assembly.new_state(run.seed)
    for module in dict.fromkeys((state.evaluated, state.model)):
        module.load_state_dict(predictor.module.state_dict())
    state.step, state.epoch = run.steps, run.epochs
    return state


def _splits(predictor: Predictor, work: Work) -> Mapping[str, Examples]:
    """The examples as the loop gives them to `evaluate`: with targets as the loss sees them."""
    assembly = getattr(predictor, "assembly", None)
    return assembly.prepared.splits if isinstance(assembly, Assembly) else work.prepared.splits


def _changes_of_forward(predictor: ModulePredictor, rows: Examples) -> dict[str, tuple[str, ...]]:
    """What a forward in evaluation mode changes, of a model that a step has left in training mode."""
    as_after_a_step(predictor.module)
    before = Before(predictor.module)
    predictor.outputs(rows)
    found = before.changes()
    before.put_back()
    predictor.module.zero_grad()
    predictor.module.eval()
    return found


def _repeats(predictor: ModulePredictor, rows: Examples, work: Work) -> dict[str, float]:
    """How much inputs and outputs differ between two evaluations of `rows`, with other random numbers."""
    found: dict[str, float] = {}
    if TASKS[work.recipe.task].supervised:
        drawn = [_flat(batch.inputs) for batch in drawn_anew(rows, work.recipe, draws=2)]
        if drawn:
            found["inputs"] = largest_difference(*drawn)
    with kept_generators():
        first = np.asarray(predictor.outputs(rows), dtype=np.float64)
        perturb()
        found["outputs"] = largest_difference(first, np.asarray(predictor.outputs(rows), dtype=np.float64))
    return found


def _flat(inputs: Any) -> np.ndarray[Any, Any]:
    tensors = inputs.values() if isinstance(inputs, Mapping) else [inputs]
    return torch.cat([each.detach().cpu().double().reshape(-1) for each in tensors]).numpy()
