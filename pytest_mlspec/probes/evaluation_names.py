"""Which quantity a team means by the name of a metric, as `quantities/metrics.py` defines them."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_mlspec.engines.own_metrics import plain_name
from pytest_mlspec.quantities import METRICS
from pytest_mlspec.quantities.metrics import SHORT

LOSS = "loss"
"""The declared loss, which the training measured; a team's own may be another one."""

_MORE: Mapping[str, str] = {
    "accuracy_score": "accuracy",
    "top1": "accuracy",
    "top_1": "accuracy",
    "top1_accuracy": "accuracy",
    "error_rate": "zero_one_loss",
    "balanced_acc": "balanced_accuracy",
    "f1_score": "f1",
    "macro_f1": "f1_macro",
    "micro_f1": "f1_micro",
    "weighted_f1": "f1_weighted",
    "macro_precision": "precision_macro",
    "macro_recall": "recall_macro",
    "precision_score": "precision",
    "recall_score": "recall",
    "auroc": "roc_auc",
    "roc_auc_score": "roc_auc",
    "average_precision_score": "average_precision",
    "nll": "log_loss",
    "cross_entropy": "log_loss",
    "logloss": "log_loss",
    "brier": "brier_score",
    "r2_score": "r2",
    "r_squared": "r2",
    "ppl": "perplexity",
}
# Of more than two classes these names leave the average open. That over rows (micro) is the accuracy, and no average.
_OPEN: Mapping[str, tuple[str, ...]] = {
    **{name: (f"{name}_macro", f"{name}_weighted") for name in ("f1", "precision", "recall", "jaccard")},
    "roc_auc": ("roc_auc_ovr", "roc_auc_ovo", "roc_auc_ovr_weighted", "roc_auc_ovo_weighted"),
}


def meant(name: str, task: str) -> tuple[str, ...]:
    """The quantities of `task` that a metric called `name` may be; none where the name is not known.

    >>> meant("val_acc", "binary"), meant("f1", "binary"), meant("F1", "multiclass"), meant("hits@3", "binary")
    (('accuracy',), ('f1',), ('f1_macro', 'f1_weighted'), ())
    """
    plain = plain_name(name).removeprefix("neg_")
    plain = SHORT.get(plain, plain)
    plain = _MORE.get(plain, plain)
    if plain in METRICS and task in METRICS[plain].tasks:
        return (plain,)
    return _OPEN.get(plain, ()) if task == "multiclass" else ()


def is_loss(name: str) -> bool:
    """Whether the name is that of the loss, or of one that many losses are called by."""
    plain = plain_name(name)
    return plain == LOSS or _MORE.get(plain, plain) == "log_loss"


def is_negated(name: str) -> bool:
    """Whether the name says that it is less where it is worse, as scikit-learn's scorers do."""
    return plain_name(name).startswith("neg_")
