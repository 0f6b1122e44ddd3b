"""The metrics: scikit-learn's, by its scorer names, and those of tokens. One definition each."""

from __future__ import annotations

import math
from dataclasses import dataclass

CLASSIFICATION = frozenset({"binary", "multiclass"})
REGRESSION = frozenset({"regression"})
# A row of a reconstruction has many values; its metrics are taken over the values of all rows together.
VALUES = REGRESSION | {"reconstruction"}
CLUSTERING = frozenset({"clustering"})
LANGUAGE_MODEL = frozenset({"language_model"})
TASKS = CLASSIFICATION | VALUES | CLUSTERING | LANGUAGE_MODEL


@dataclass(frozen=True)
class Metric:
    """A metric of scikit-learn, or of tokens.

    `function` is its name in `sklearn.metrics` (empty for one of tokens) and `options` are the arguments that it is called
    with; `reads` says what it compares with the targets: predicted `labels`, `probabilities` of the classes, `values`,
    `clusters`, or `tokens`; or `inputs`, which compares the prepared inputs with the clusters and reads no target.
    `higher_is_better` is its direction. `per_class` allows `[class=x]`, one class against the rest. `share` marks a share of
    rows counted one by one, for which a binomial interval holds. No value lies below `lowest` or above `highest`.
    """

    name: str
    function: str
    tasks: frozenset[str]
    reads: str
    higher_is_better: bool
    options: tuple[tuple[str, str | int], ...] = ()
    per_class: bool = False
    share: bool = False
    lowest: float = 0.0
    highest: float = 1.0

    @property
    def ranks(self) -> bool:
        """True for a metric of the order alone, which scores of the classes tell as well as probabilities."""
        return self.name in _OF_ORDER


_OF_ORDER = frozenset({"average_precision", "roc_auc", "top_k_accuracy"})


def _classification(name: str, function: str, **more: object) -> Metric:
    settings: dict[str, object] = {"tasks": CLASSIFICATION, "reads": "labels", "higher_is_better": True, **more}
    return Metric(name, function, **settings)  # type: ignore[arg-type]


def _averaged(name: str, function: str) -> list[Metric]:
    """The metric of the positive class, and its averages over classes."""
    binary = frozenset({"binary"})
    averages = [
        _classification(f"{name}_{average}", function, options=(("average", average),))
        for average in ("macro", "micro", "weighted")
    ]
    return [_classification(name, function, tasks=binary, per_class=True), *averages]


def _probabilistic(name: str, function: str, **more: object) -> Metric:
    return _classification(name, function, reads="probabilities", **more)


def _error(name: str, tasks: frozenset[str] = REGRESSION) -> Metric:
    return Metric(name, name, tasks, "values", higher_is_better=False, highest=math.inf)


def _explained(name: str, function: str, tasks: frozenset[str] = REGRESSION) -> Metric:
    return Metric(name, function, tasks, "values", higher_is_better=True, lowest=-math.inf)


def _agreement(name: str, lowest: float = 0.0) -> Metric:
    """Of clusters with the classes that the target names."""
    return Metric(name, name, CLUSTERING, "clusters", higher_is_better=True, lowest=lowest)


_BINARY = frozenset({"binary"})
_MULTICLASS = frozenset({"multiclass"})

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        _classification("accuracy", "accuracy_score", share=True),
        _classification("balanced_accuracy", "balanced_accuracy_score"),
        *_averaged("f1", "f1_score"),
        *_averaged("precision", "precision_score"),
        *_averaged("recall", "recall_score"),
        *_averaged("jaccard", "jaccard_score"),
        _classification("matthews_corrcoef", "matthews_corrcoef", lowest=-1.0),
        _classification("cohen_kappa", "cohen_kappa_score", lowest=-1.0),
        _classification("zero_one_loss", "zero_one_loss", higher_is_better=False, share=True),
        _probabilistic("log_loss", "log_loss", higher_is_better=False, highest=math.inf),
        _probabilistic("brier_score", "brier_score_loss", tasks=_BINARY, higher_is_better=False),
        _probabilistic("roc_auc", "roc_auc_score", tasks=_BINARY, per_class=True),
        _probabilistic("average_precision", "average_precision_score", tasks=_BINARY, per_class=True),
        _probabilistic("roc_auc_ovr", "roc_auc_score", tasks=_MULTICLASS, options=(("multi_class", "ovr"),)),
        _probabilistic("roc_auc_ovo", "roc_auc_score", tasks=_MULTICLASS, options=(("multi_class", "ovo"),)),
        _probabilistic(
            "roc_auc_ovr_weighted",
            "roc_auc_score",
            tasks=_MULTICLASS,
            options=(("multi_class", "ovr"), ("average", "weighted")),
        ),
        _probabilistic(
            "roc_auc_ovo_weighted",
            "roc_auc_score",
            tasks=_MULTICLASS,
            options=(("multi_class", "ovo"), ("average", "weighted")),
        ),
        _probabilistic("top_k_accuracy", "top_k_accuracy_score", tasks=_MULTICLASS, options=(("k", 2),), share=True),
        _explained("r2", "r2_score", VALUES),
        _explained("explained_variance", "explained_variance_score", VALUES),
        _explained("d2_absolute_error_score", "d2_absolute_error_score"),
        _error("mean_absolute_error", VALUES),
        _error("mean_squared_error", VALUES),
        _error("root_mean_squared_error", VALUES),
        _error("mean_squared_log_error"),
        _error("root_mean_squared_log_error"),
        _error("median_absolute_error", VALUES),
        _error("mean_absolute_percentage_error"),
        _error("max_error", VALUES),
        _error("mean_poisson_deviance"),
        _error("mean_gamma_deviance"),
        Metric("silhouette_score", "silhouette_score", CLUSTERING, "inputs", higher_is_better=True, lowest=-1.0),
        Metric(
            "calinski_harabasz_score",
            "calinski_harabasz_score",
            CLUSTERING,
            "inputs",
            higher_is_better=True,
            highest=math.inf,
        ),
        Metric(
            "davies_bouldin_score",
            "davies_bouldin_score",
            CLUSTERING,
            "inputs",
            higher_is_better=False,
            highest=math.inf,
        ),
        _agreement("adjusted_rand_score", lowest=-0.5),
        _agreement("adjusted_mutual_info_score", lowest=-1.0),
        _agreement("normalized_mutual_info_score"),
        _agreement("v_measure_score"),
        _agreement("homogeneity_score"),
        _agreement("completeness_score"),
        _agreement("fowlkes_mallows_score"),
        _agreement("rand_score"),
        Metric("perplexity", "", LANGUAGE_MODEL, "tokens", higher_is_better=False, lowest=1.0, highest=math.inf),
        Metric("token_accuracy", "", LANGUAGE_MODEL, "tokens", higher_is_better=True),
    )
}
"""Metrics by scikit-learn's scorer names without `neg_`; a few functions without a scorer go by their own names."""


SHORT = {
    "acc": "accuracy",
    "ari": "adjusted_rand_score",
    "auc": "roc_auc",
    "kappa": "cohen_kappa",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "mcc": "matthews_corrcoef",
    "mse": "mean_squared_error",
    "nmi": "normalized_mutual_info_score",
    "pr_auc": "average_precision",
    "rmse": "root_mean_squared_error",
    "silhouette": "silhouette_score",
}
"""What people call metrics in short: no names of scikit-learn's, but they tell which is meant."""
