"""The best constant prediction: what a model that learns nothing from its inputs can reach, in units of the recipe's loss.

The engine torch minimises that loss over one output. The others declare no loss, and the answer is known: the class shares,
the commonest class, or the mean (`engines/predictions.py`).
"""

from __future__ import annotations

from importlib import import_module

from pytest_mlspec.engines import ENGINES
from pytest_mlspec.evidence import ConstantPrediction
from pytest_mlspec.jobs import ConstantLoss
from pytest_mlspec.recipe.work import Result, Work


def fit_constant(job: ConstantLoss, work: Work) -> Result:
    """The constant that fits the training rows best, and its loss on every split."""
    return Result(_minimised(work) if work.spec.train.engine == "torch" else _known(work))


def _minimised(work: Work) -> ConstantPrediction:
    from pytest_mlspec.engines.assembly import assemble
    from pytest_mlspec.engines.outside import from_outside
    from pytest_mlspec.probes.lowest import lowest_constant

    with from_outside("the loss of a constant prediction", key="train.loss"):
        return lowest_constant(assemble(work))


def _known(work: Work) -> ConstantPrediction:
    from pytest_mlspec.engines import predictions

    kind: predictions.Kind = import_module(ENGINES.find(work.spec.train.engine).module).prediction_kind(work)
    splits = {name: rows.targets for name, rows in work.prepared.splits.items() if len(rows)}
    constant = predictions.best_constant(splits["train"], kind, len(work.prepared.classes))
    losses = {name: predictions.loss_of_constant(constant, targets, kind) for name, targets in splits.items()}
    held_out = {name: loss for name, loss in losses.items() if name != "train"}
    return ConstantPrediction(losses["train"], len(splits["train"]), tuple(constant.tolist()), held_out)
