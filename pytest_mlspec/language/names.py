"""The names of torch and scikit-learn that a spec may use, with the arguments that each takes, as plain tables.

Torch's things go by the snake_case form of torch's own name and take torch's own arguments; scikit-learn's estimators go
by their class name. Left out: what no spec can write (functions, tensors), what picks an implementation and not a result
(`fused`, `foreach`, `capturable`), optimisers that need a closure or sparse gradients, losses of more than two tensors.
Nothing is imported here; a test holds every table against the installed packages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Interval = Literal["step", "epoch"]


@dataclass(frozen=True)
class OptimizerName:
    """A class of `torch.optim` and the arguments that a spec may give it."""

    torch_class: str
    arguments: frozenset[str]


@dataclass(frozen=True)
class LossName:
    """A module of `torch.nn` that is called with (input, target).

    `targets` says what a target is: `class`, one class number a row; `classes`, several class numbers a row; `values`,
    numbers in the shape of the outputs. `defaults` replace torch's own.
    """

    torch_class: str
    arguments: frozenset[str]
    targets: Literal["class", "classes", "values"] = "values"
    defaults: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class ScheduleName:
    """A class of `torch.optim.lr_scheduler` and the arguments that a spec may give it.

    `interval` is how often it steps unless the spec says otherwise, `intervals` what it may say. `length` is the argument
    that takes the length of the training (in intervals, less the warm-up) where the spec leaves it open. `defaults`
    replace torch's own.
    """

    torch_class: str
    arguments: frozenset[str]
    required: frozenset[str] = frozenset()
    interval: Interval = "step"
    intervals: tuple[Interval, ...] = ("step", "epoch")
    length: str | None = None
    defaults: Mapping[str, object] = field(default_factory=dict)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


OPTIMIZERS: Mapping[str, OptimizerName] = {
    "adam": OptimizerName("Adam", _words("lr betas eps weight_decay amsgrad maximize decoupled_weight_decay")),
    "adamw": OptimizerName("AdamW", _words("lr betas eps weight_decay amsgrad maximize")),
    "sgd": OptimizerName("SGD", _words("lr momentum dampening weight_decay nesterov maximize")),
    "rmsprop": OptimizerName("RMSprop", _words("lr alpha eps weight_decay momentum centered maximize")),
    "adagrad": OptimizerName("Adagrad", _words("lr lr_decay weight_decay initial_accumulator_value eps maximize")),
    "adadelta": OptimizerName("Adadelta", _words("lr rho eps weight_decay maximize")),
    "adamax": OptimizerName("Adamax", _words("lr betas eps weight_decay maximize")),
    "nadam": OptimizerName("NAdam", _words("lr betas eps weight_decay momentum_decay decoupled_weight_decay maximize")),
    "radam": OptimizerName("RAdam", _words("lr betas eps weight_decay decoupled_weight_decay maximize")),
    "rprop": OptimizerName("Rprop", _words("lr etas step_sizes maximize")),
    "asgd": OptimizerName("ASGD", _words("lr lambd alpha t0 weight_decay maximize")),
    "adafactor": OptimizerName("Adafactor", _words("lr beta2_decay eps d weight_decay maximize")),
}

LOSSES: Mapping[str, LossName] = {
    "cross_entropy": LossName("CrossEntropyLoss", _words("weight ignore_index label_smoothing"), "class"),
    "nll": LossName("NLLLoss", _words("weight ignore_index"), "class"),
    "multi_margin": LossName("MultiMarginLoss", _words("p margin weight"), "class"),
    "multilabel_margin": LossName("MultiLabelMarginLoss", _words(""), "classes"),
    "multilabel_soft_margin": LossName("MultiLabelSoftMarginLoss", _words("weight")),
    "binary_cross_entropy_with_logits": LossName("BCEWithLogitsLoss", _words("weight pos_weight")),
    "binary_cross_entropy": LossName("BCELoss", _words("weight")),
    "soft_margin": LossName("SoftMarginLoss", _words("")),
    "hinge_embedding": LossName("HingeEmbeddingLoss", _words("margin")),
    # torch's default for kl_div divides by every element, and warns that this is not the divergence.
    "kl_div": LossName("KLDivLoss", _words("log_target"), defaults={"reduction": "batchmean"}),
    "mse": LossName("MSELoss", _words("")),
    "l1": LossName("L1Loss", _words("")),
    "smooth_l1": LossName("SmoothL1Loss", _words("beta")),
    "huber": LossName("HuberLoss", _words("delta")),
    "poisson_nll": LossName("PoissonNLLLoss", _words("log_input full eps")),
}

SCHEDULES: Mapping[str, ScheduleName] = {
    # torch's defaults for the next two make a warm-up of five steps; here warm-up has a key of its own.
    "constant": ScheduleName(
        "ConstantLR", _words("factor total_iters"), length="total_iters", defaults={"factor": 1.0}
    ),
    "linear": ScheduleName(
        "LinearLR",
        _words("start_factor end_factor total_iters"),
        length="total_iters",
        defaults={"start_factor": 1.0, "end_factor": 0.0},
    ),
    "polynomial": ScheduleName("PolynomialLR", _words("total_iters power"), length="total_iters"),
    "cosine": ScheduleName("CosineAnnealingLR", _words("T_max eta_min"), length="T_max"),
    "cosine_warm_restarts": ScheduleName(
        "CosineAnnealingWarmRestarts", _words("T_0 T_mult eta_min"), _words("T_0"), interval="epoch"
    ),
    "one_cycle": ScheduleName(
        "OneCycleLR",
        _words(
            "max_lr pct_start anneal_strategy cycle_momentum base_momentum max_momentum div_factor"
            " final_div_factor three_phase"
        ),
        _words("max_lr"),
        intervals=("step",),
        length="total_steps",
    ),
    "cyclic": ScheduleName(
        "CyclicLR",
        _words(
            "base_lr max_lr step_size_up step_size_down mode gamma scale_mode cycle_momentum base_momentum max_momentum"
        ),
        _words("base_lr max_lr"),
    ),
    "step": ScheduleName("StepLR", _words("step_size gamma"), _words("step_size"), interval="epoch"),
    "multi_step": ScheduleName("MultiStepLR", _words("milestones gamma"), _words("milestones"), interval="epoch"),
    "exponential": ScheduleName("ExponentialLR", _words("gamma"), _words("gamma"), interval="epoch"),
    "reduce_on_plateau": ScheduleName(
        "ReduceLROnPlateau",
        _words("monitor mode factor patience threshold threshold_mode cooldown min_lr eps"),
        interval="epoch",
        intervals=("epoch",),
        defaults={"monitor": "val.loss"},
    ),
}

SCHEDULE_ARGUMENTS = _words("warmup interval")
"""Arguments that every schedule takes: `warmup`, in optimiser steps (int) or as a share of them (float below 1), during
which the rate rises linearly to the schedule's own; `interval`, `step` or `epoch`."""

_ESTIMATORS_BY_MODULE = {
    "sklearn.calibration": "CalibratedClassifierCV",
    "sklearn.compose": "TransformedTargetRegressor",
    "sklearn.cross_decomposition": "CCA PLSCanonical PLSRegression",
    "sklearn.discriminant_analysis": "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis",
    "sklearn.dummy": "DummyClassifier DummyRegressor",
    "sklearn.ensemble": "AdaBoostClassifier AdaBoostRegressor BaggingClassifier BaggingRegressor ExtraTreesClassifier"
    " ExtraTreesRegressor GradientBoostingClassifier GradientBoostingRegressor HistGradientBoostingClassifier"
    " HistGradientBoostingRegressor RandomForestClassifier RandomForestRegressor",
    "sklearn.gaussian_process": "GaussianProcessClassifier GaussianProcessRegressor",
    "sklearn.isotonic": "IsotonicRegression",
    "sklearn.kernel_ridge": "KernelRidge",
    "sklearn.linear_model": "ARDRegression BayesianRidge ElasticNet ElasticNetCV GammaRegressor HuberRegressor Lars"
    " LarsCV Lasso LassoCV LassoLars LassoLarsCV LassoLarsIC LinearRegression LogisticRegression LogisticRegressionCV"
    " MultiTaskElasticNet MultiTaskElasticNetCV MultiTaskLasso MultiTaskLassoCV OrthogonalMatchingPursuit"
    " OrthogonalMatchingPursuitCV Perceptron PoissonRegressor QuantileRegressor RANSACRegressor Ridge RidgeCV"
    " RidgeClassifier RidgeClassifierCV SGDClassifier SGDRegressor TheilSenRegressor TweedieRegressor",
    "sklearn.naive_bayes": "BernoulliNB CategoricalNB ComplementNB GaussianNB MultinomialNB",
    "sklearn.neighbors": "KNeighborsClassifier KNeighborsRegressor NearestCentroid RadiusNeighborsClassifier"
    " RadiusNeighborsRegressor",
    "sklearn.neural_network": "MLPClassifier MLPRegressor",
    "sklearn.semi_supervised": "LabelPropagation LabelSpreading SelfTrainingClassifier",
    "sklearn.svm": "LinearSVC LinearSVR NuSVC NuSVR SVC SVR",
    "sklearn.tree": "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor",
}

ESTIMATORS: Mapping[str, str] = {
    name: module for module, names in _ESTIMATORS_BY_MODULE.items() for name in names.split()
}
"""Class name to module, for each classifier and regressor that is made without a required argument."""

MODELS: Mapping[str, frozenset[str]] = {"mlp": _words("hidden dropout activation")}
"""The built-in models, with their arguments."""

PREPARATIONS: frozenset[str] = _words("standard impute standardize one_hot ordinal none")
"""The steps of `prepare`; they take no arguments."""

TABLE_FORMATS: tuple[str, ...] = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
"""The endings of files that `source` may name."""

SOURCES: Mapping[str, frozenset[str]] = {
    f"sklearn.{name}": frozenset() for name in ("breast_cancer", "diabetes", "digits", "iris", "wine")
}
"""The data sets that ship inside scikit-learn, with the arguments that a spec may give them."""
