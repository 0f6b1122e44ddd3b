"""Names of what can be measured and gated: one definition each, with unit, direction and source.

A gate names a quantity as `SCOPE.NAME[SELECTOR, …]`:

    test.accuracy                a metric of scikit-learn on a split (train, val, test)
    test.recall[class=yes]       of one class
    test.recall[plan=basic]      over the raw rows whose column `plan` reads `basic`
    gap.accuracy                 the metric on train minus the metric on test
    cv.accuracy                  the mean of the metric over the folds of a cross-validation (data.split.folds)
    cv_std.accuracy              its standard deviation over the folds (n − 1)
    val.loss                     the declared loss on a split, at the end of the training, in evaluation mode
    train.seconds                wall-clock seconds of the training
    model.parameters             trainable scalars

The reference in the documentation is generated from this file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from pytest_mlspec.errors import MlspecError, did_you_mean
from pytest_mlspec.jobs import MetricRequest, Train

SPLITS = ("train", "val", "test")
FOLD_KINDS = ("cv", "cv_std")
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


_SHORT = {
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


@dataclass(frozen=True)
class RunValue:
    """A quantity that the training itself reports: `field` of its `TrainingRun`."""

    name: str
    field: str
    unit: str
    higher_is_better: bool | None
    definition: str


RUN_VALUES: dict[str, RunValue] = {
    value.name: value
    for value in (
        RunValue("train.seconds", "seconds", "s", False, "wall-clock time of the training, preparation left out"),
        RunValue("model.parameters", "parameters", "parameters", None, "scalars that an optimiser may change"),
    )
}


@dataclass(frozen=True)
class Quantity:
    """What one gate measures, read from its name.

    `kind` is `metric`, `gap`, `cv`, `cv_std`, `loss` or `run`. `split` and `metric` are set for metrics and losses, `split` of
    a cross-validation being the test split of each fold; `where` and
    `class_label` are the selectors of the brackets; `value` is set for a quantity of the run.
    """

    name: str
    kind: str
    split: str = ""
    metric: Metric | None = None
    where: tuple[tuple[str, str], ...] = ()
    class_label: str | None = None
    value: RunValue | None = None

    @property
    def higher_is_better(self) -> bool | None:
        """The direction; None where neither is better in itself."""
        if self.kind == "gap":
            return None
        if self.kind == "cv_std":
            return False
        if self.metric is not None:
            return self.metric.higher_is_better
        return self.value.higher_is_better if self.value else False

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest value that it can have; the least that is known."""
        if self.metric is None:
            return (0.0, math.inf) if self.kind == "run" else (-math.inf, math.inf)
        lowest, highest = self.metric.lowest, self.metric.highest
        match self.kind:
            case "gap":
                return (lowest - highest, highest - lowest)
            case "cv_std":
                return (0.0, math.inf)
            case _:
                return (lowest, highest)

    @property
    def unit(self) -> str:
        """The unit of the measured value; empty for a plain number."""
        return self.value.unit if self.value else ""

    @property
    def of_folds(self) -> bool:
        """True for what a cross-validation measures."""
        return self.kind in FOLD_KINDS

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that must exist for it to be measured; those of each fold for a cross-validation."""
        return ("train", "test") if self.kind == "gap" else ((self.split,) if self.split else ())

    def requests(self, *, of: str = "model") -> tuple[MetricRequest, ...]:
        """The metrics behind it, in the order of `splits`; none where it is read from the run."""
        if self.metric is None:
            return ()
        return tuple(MetricRequest(self.metric.name, split, self.where, self.class_label, of) for split in self.splits)

    @property
    def training(self) -> Train:
        """The training that it is measured on."""
        return Train()


_GATE = re.compile(r"(?P<scope>\w+)\.(?P<name>\w+)(?:\[(?P<selectors>.+)\])?", re.ASCII)
_SELECTOR = re.compile(r"(?P<column>[^=]+)=(?P<value>.+)")


def parse(text: str) -> Quantity:
    """The quantity that the gate `text` names; raises MlspecError that says what is allowed.

    >>> parse("test.recall[plan=basic]").where
    (('plan', 'basic'),)
    """
    match = _GATE.fullmatch(text)
    if match is None:
        raise MlspecError(
            f"{text!r} is no name of a quantity",
            advice="write SPLIT.METRIC, such as test.accuracy or test.recall[class=x]",
        )
    scope, name = match["scope"], match["name"]
    where, class_label = _selectors(match["selectors"], text)
    plain = f"{scope}.{name}"
    if plain in RUN_VALUES:
        if where or class_label is not None:
            raise MlspecError(f"{plain} takes no selector in brackets")
        return Quantity(text, "run", value=RUN_VALUES[plain])
    if scope == "gap":
        if name == "loss":
            raise MlspecError("gap.loss is not defined", advice="gap goes with metrics, such as gap.accuracy")
        return Quantity(text, "gap", "", _metric(name, class_label, others=()), where, class_label)
    if scope in FOLD_KINDS:
        if name == "loss":
            raise MlspecError(f"{plain} is not defined", advice=f"{scope} goes with metrics, such as {scope}.accuracy")
        return Quantity(text, scope, "test", _metric(name, class_label, others=()), where, class_label)
    if scope not in SPLITS:
        raise MlspecError(f"unknown quantity {plain!r}", advice=did_you_mean(plain, known_names()))
    if name == "loss":
        if where or class_label is not None:
            raise MlspecError(f"{plain} takes no selector in brackets")
        return Quantity(text, "loss", scope)
    others = ["loss", *(value.rpartition(".")[2] for value in RUN_VALUES if value.startswith(f"{scope}."))]
    return Quantity(text, "metric", scope, _metric(name, class_label, others=others), where, class_label)


def check_task(quantity: Quantity, task: str) -> None:
    """Raises MlspecError where the quantity is not defined for `task`, with the names that are."""
    metric = quantity.metric
    if metric is None or task in metric.tasks or (quantity.class_label is not None and task in CLASSIFICATION):
        return
    family = [name for name in METRICS if name.startswith(f"{metric.name}_") and task in METRICS[name].tasks]
    if metric.per_class and task == "multiclass":
        averages = f"an average ({', '.join(family)}) or " if family else ""
        raise MlspecError(
            f"{metric.name} is defined for one class, and the task is multiclass",
            advice=f"name {averages}one class ({quantity.split or 'gap'}.{metric.name}[class=…])",
        )
    known = [name for name, other in METRICS.items() if task in other.tasks]
    raise MlspecError(f"{metric.name} is not defined for the task {task}", advice=did_you_mean(metric.name, known))


def known_names() -> Iterable[str]:
    """Every name that a gate may have, selectors left out."""
    yield from RUN_VALUES
    for scope in SPLITS:
        yield f"{scope}.loss"
        yield from (f"{scope}.{metric}" for metric in METRICS)
    for scope in ("gap", *FOLD_KINDS):
        yield from (f"{scope}.{metric}" for metric in METRICS)


def _metric(name: str, class_label: str | None, *, others: Iterable[str]) -> Metric:
    if name not in METRICS:
        meant = f"did you mean {_SHORT[name]!r}?" if name in _SHORT else did_you_mean(name, [*METRICS, *others])
        raise MlspecError(f"unknown metric {name!r}", advice=meant)
    metric = METRICS[name]
    if class_label is not None and not metric.per_class:
        allowed = ", ".join(sorted(other for other in METRICS if METRICS[other].per_class))
        raise MlspecError(f"{name} is not defined for one class", advice=f"[class=…] goes with: {allowed}")
    return metric


def _selectors(text: str | None, gate: str) -> tuple[tuple[tuple[str, str], ...], str | None]:
    where: list[tuple[str, str]] = []
    class_label: str | None = None
    seen: set[str] = set()
    for part in text.split(",") if text else ():
        match = _SELECTOR.fullmatch(part.strip())
        if match is None:
            raise MlspecError(
                f"{gate!r}: cannot read the selector {part.strip()!r}", advice="write [column=value] or [class=label]"
            )
        column, value = match["column"].strip(), match["value"].strip()
        if column in seen:
            raise MlspecError(f"{gate!r} selects by {column!r} twice", advice="keep one of them")
        seen.add(column)
        if column == "class":
            class_label = value
        else:
            where.append((column, value))
    return tuple(where), class_label
