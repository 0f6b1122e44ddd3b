"""The best constant prediction: what a model that learns nothing from its inputs can reach, in units of the recipe's loss.

The engines of modules measure a declared loss, which is minimised over one output. The others have none, and the answer is
known: the class shares, the commonest class, or the mean (`engines/predictions.py`), or one cluster; and so it is for a language
model.
"""

from __future__ import annotations

from importlib import import_module

from pytest_mlspec.engines import ENGINES
from pytest_mlspec.evidence import ConstantPrediction
from pytest_mlspec.jobs import ConstantLoss
from pytest_mlspec.recipe.work import Result, Work


def fit_constant(job: ConstantLoss, work: Work) -> Result:
    """The constant that fits the training rows best, and its loss on every split."""
    engine = ENGINES.find(work.spec.train.engine.use)
    if work.recipe.task == "embedding":
        return Result(import_module(engine.module).constant_prediction(work))
    if engine.kind != "module":
        return Result(_known(work))
    is_known = work.recipe.task == "language_model" and "loss" not in work.recipe.given
    return Result(_unigram(work) if is_known else _minimised(work))


def _minimised(work: Work) -> ConstantPrediction:
    from pytest_mlspec.engines.assembly import assemble
    from pytest_mlspec.engines.outside import from_outside
    from pytest_mlspec.probes.lowest import lowest_constant

    with from_outside("the loss of a constant prediction", key="train.loss"):
        return lowest_constant(assemble(work))


def _known(work: Work) -> ConstantPrediction:
    from pytest_mlspec.engines import predictions

    kind: predictions.Kind = import_module(ENGINES.find(work.spec.train.engine.use).module).prediction_kind(work)
    if kind == "clusters":
        return _one_cluster(work)
    splits = {name: rows.targets for name, rows in work.prepared.splits.items() if len(rows)}
    constant = predictions.best_constant(splits["train"], kind, len(work.prepared.classes))
    losses = {name: predictions.loss_of_constant(constant, targets, kind) for name, targets in splits.items()}
    held_out = {name: loss for name, loss in losses.items() if name != "train"}
    return ConstantPrediction(losses["train"], len(splits["train"]), tuple(constant.reshape(-1).tolist()), held_out)


def _one_cluster(work: Work) -> ConstantPrediction:
    import numpy as np

    from pytest_mlspec.engines.clusters import Centres
    from pytest_mlspec.recipe.unsupervised_scores import as_table

    tables = {name: as_table(rows.inputs) for name, rows in work.prepared.splits.items() if len(rows)}
    train = tables.pop("train")
    centres = Centres.fitted(train, np.zeros(len(train), dtype=np.int64))
    held_out = {name: centres.loss_of_constant(table) for name, table in tables.items()}
    return ConstantPrediction(centres.loss_of_constant(train), len(train), tuple(centres.of_all_F.tolist()), held_out)


def _unigram(work: Work) -> ConstantPrediction:
    """The frequencies of the training tokens. Held-out rows have those in which each id counts once more: none is impossible."""
    from pytest_mlspec.probes.dummy import Unigram

    unigram = Unigram.fitted(work.prepared)
    splits, declared = work.prepared.splits, work.spec.train.loss
    smoothing = declared.arguments.get("label_smoothing", 0.0) if declared else 0.0
    held_out = {
        name: unigram.loss(rows.targets, smoothing) for name, rows in splits.items() if name != "train" and len(rows)
    }
    return ConstantPrediction(unigram.entropy(smoothing), len(splits["train"]), held_out=held_out)
