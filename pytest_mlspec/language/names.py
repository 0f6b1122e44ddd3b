"""The names of torch and scikit-learn that a spec may use, with the arguments that each takes, as plain tables.

Torch's things go by the snake_case form of torch's own name and take torch's own arguments. Left out: what no spec can write
(functions, tensors, other schedulers), what picks an implementation and not a result (`fused`, `foreach`, `capturable`),
optimisers that need a closure (LBFGS), sparse gradients (SparseAdam) or matrices alone (Muon), losses of more than two tensors,
as of pairs and triples. Those are written as functions of one's own. Estimators stand in `estimators.py`, `boosters.py`.
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
    """A module of `torch.nn`, or of `training/focal.py`, that is called with (input, target).

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


@dataclass(frozen=True)
class FormatName:
    """A format of files: the module of `sources` that reads it, and the arguments that a spec may give it.

    `target` says where the target stands: in the `column` that `data.target` names; `own`, in the file itself, another file
    or the names of folders; `none`, the rows have none. `packed` files are read when compressed with gzip too.
    """

    reader: str
    arguments: frozenset[str]
    target: Literal["column", "own", "none"] = "own"
    packed: bool = True


@dataclass(frozen=True)
class ModelName:
    """A built-in model: what enters it, and the arguments that a spec may give it.

    `task` is the one that it is made for; None is any with an output for each row.
    """

    inputs: Literal["numbers", "images", "ids", "table"]
    arguments: frozenset[str]
    task: str | None = None


@dataclass(frozen=True)
class PreparationName:
    """A step of `prepare`: the columns that it fits, the arguments that a spec may give it, and the scikit-learn class behind it.

    `takes` is one of numbers, categories, dates, texts and images, two of them, or empty.
    """

    takes: str = ""
    arguments: frozenset[str] = frozenset()
    sklearn_class: str = ""


@dataclass(frozen=True)
class AugmentationName:
    """A change of an image, and the arguments that a spec may give it."""

    arguments: frozenset[str]
    required: frozenset[str] = frozenset()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OF_COUNTS = _words(
    "lowercase strip_accents analyzer ngram_range token_pattern stop_words min_df max_df max_features binary"
)

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

OPTIMIZER_ARGUMENTS = _words("groups")
"""Arguments that every optimiser takes: `groups`, by the name of a module or parameter, the arguments that differ below it."""

LOSSES: Mapping[str, LossName] = {
    "cross_entropy": LossName("CrossEntropyLoss", _words("weight ignore_index label_smoothing"), "class"),
    "nll": LossName("NLLLoss", _words("weight ignore_index"), "class"),
    "multi_margin": LossName("MultiMarginLoss", _words("p margin weight"), "class"),
    "focal": LossName("FocalLoss", _words("gamma alpha weight"), "class"),
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

BALANCED = "balanced"
"""The value of `weight` or `pos_weight` that makes all classes count alike, worked out of the training rows."""

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

AUGMENTATIONS: Mapping[str, AugmentationName] = {
    "random_crop": AugmentationName(_words("padding fill padding_mode"), _words("padding")),
    "random_erasing": AugmentationName(_words("p scale ratio value")),
    "random_horizontal_flip": AugmentationName(_words("p")),
    "random_rotation": AugmentationName(_words("degrees interpolation fill"), _words("degrees")),
    "random_vertical_flip": AugmentationName(_words("p")),
}
"""The changes of images at random, in the snake_case form of torchvision's names, with its arguments."""

MODELS: Mapping[str, ModelName] = {
    "mlp": ModelName("numbers", _words("hidden dropout activation")),
    "cnn": ModelName("images", _words("channels hidden norm dropout")),
    "mean_embedding": ModelName("ids", _words("dim hidden dropout")),
    "text_cnn": ModelName("ids", _words("dim filters widths dropout")),
    "transformer": ModelName("ids", _words("dim heads layers dropout")),
    "causal_lm": ModelName("ids", _words("dim heads layers dropout"), task="language_model"),
    "tabular": ModelName("table", _words("dim hidden dropout activation")),
    "autoencoder": ModelName("numbers", _words("hidden code activation"), task="reconstruction"),
}
"""The built-in models."""

PREPARATIONS: Mapping[str, PreparationName] = {
    "none": PreparationName(),
    "standard": PreparationName("numbers categories"),
    "impute": PreparationName("numbers", _words("strategy fill_value add_indicator"), "SimpleImputer"),
    "standardize": PreparationName("numbers", _words("with_mean with_std"), "StandardScaler"),
    "min_max": PreparationName("numbers", _words("feature_range clip"), "MinMaxScaler"),
    "robust_scale": PreparationName(
        "numbers", _words("with_centering with_scaling quantile_range unit_variance"), "RobustScaler"
    ),
    "quantile": PreparationName(
        "numbers", _words("n_quantiles output_distribution subsample random_state"), "QuantileTransformer"
    ),
    "log1p": PreparationName("numbers"),
    "one_hot": PreparationName(
        "categories", _words("handle_unknown min_frequency max_categories drop"), "OneHotEncoder"
    ),
    "ordinal": PreparationName("categories", _words("min_frequency max_categories"), "OrdinalEncoder"),
    "ids": PreparationName("categories", _words("min_frequency")),
    "dates": PreparationName("dates", _words("parts cyclic format")),
    "tokenize": PreparationName("texts", _words("kind length vocabulary min_frequency lowercase ngrams buckets file")),
    "tokenizer": PreparationName("texts", _words("path name revision length")),
    "tfidf": PreparationName("texts", _OF_COUNTS | _words("norm use_idf smooth_idf sublinear_tf"), "TfidfVectorizer"),
    "count": PreparationName("texts", _OF_COUNTS, "CountVectorizer"),
    "images": PreparationName("images", _words("mean std shape channels")),
}
"""The steps of `prepare`. Those that fit columns take `columns` too, by default every column that fits."""

_TRANSFORMERS_BY_MODULE = {
    "sklearn.cluster": "Birch BisectingKMeans FeatureAgglomeration KMeans MiniBatchKMeans",
    "sklearn.cross_decomposition": "CCA PLSCanonical PLSRegression PLSSVD",
    "sklearn.decomposition": "DictionaryLearning FactorAnalysis FastICA IncrementalPCA KernelPCA"
    " LatentDirichletAllocation MiniBatchDictionaryLearning MiniBatchSparsePCA PCA SparsePCA TruncatedSVD",
    "sklearn.discriminant_analysis": "LinearDiscriminantAnalysis",
    "sklearn.ensemble": "RandomTreesEmbedding",
    "sklearn.feature_selection": "GenericUnivariateSelect SelectFdr SelectFpr SelectFwe SelectKBest SelectPercentile"
    " VarianceThreshold",
    "sklearn.impute": "KNNImputer MissingIndicator SimpleImputer",
    "sklearn.kernel_approximation": "AdditiveChi2Sampler Nystroem PolynomialCountSketch RBFSampler SkewedChi2Sampler",
    "sklearn.manifold": "Isomap LocallyLinearEmbedding",
    "sklearn.neighbors": "NeighborhoodComponentsAnalysis",
    "sklearn.neural_network": "BernoulliRBM",
    "sklearn.preprocessing": "Binarizer KBinsDiscretizer MaxAbsScaler MinMaxScaler Normalizer PolynomialFeatures"
    " PowerTransformer QuantileTransformer RobustScaler SplineTransformer StandardScaler",
    "sklearn.random_projection": "GaussianRandomProjection SparseRandomProjection",
}

TRANSFORMERS: Mapping[str, str] = {
    name: module for module, classes in _TRANSFORMERS_BY_MODULE.items() for name in classes.split()
}
"""Class name to module, for each transformer of numbers that is made without a required argument and prepares a row alone
as it does among others."""

SCORE_FUNCTIONS = _words("chi2 f_classif f_regression mutual_info_classif mutual_info_regression r_regression")
"""What `score_func` of the selecting transformers may be, by the name in `sklearn.feature_selection`."""

_TABLE = _words("sep na_values text columns names quoting")
_RECORDS = _words("columns optional")

FORMATS: Mapping[str, FormatName] = {
    ".csv": FormatName("tables", _TABLE, target="column"),
    ".tsv": FormatName("tables", _TABLE, target="column"),
    ".jsonl": FormatName("records", _RECORDS, target="column"),
    ".ndjson": FormatName("records", _RECORDS, target="column"),
    ".json": FormatName("records", _RECORDS, target="column"),
    ".parquet": FormatName("parquet", _words("columns"), target="column", packed=False),
    ".npy": FormatName("arrays", _words("targets"), packed=False),
    ".npz": FormatName("arrays", _words("inputs targets"), packed=False),
    ".idx": FormatName("idx", _words("labels")),
    "-ubyte": FormatName("idx", _words("labels")),
    ".txt": FormatName("texts", _words("skip_blank"), target="none"),
    "/": FormatName("folders", _words("size mode"), packed=False),
}
"""The files that `source` may name, by the end of their name; an `/` ends the name of a folder of classes."""

FORMATS_IN_WORDS = f"formats: {', '.join(ending for ending in FORMATS if ending != '/')}; a folder of classes ends in /"
"""What a message says of them."""


def format_of(path: str) -> FormatName | None:
    """The format of the file at `path`, by the end of its name; None where it is not read."""
    plain = path.removesuffix(".gz")
    found = next((entry for ending, entry in FORMATS.items() if plain.endswith(ending)), None)
    return found if found is None or plain == path or found.packed else None


SOURCES: Mapping[str, frozenset[str]] = {
    **{f"sklearn.{name}": frozenset() for name in ("breast_cancer", "diabetes", "digits", "iris", "wine")},
    "huggingface": _words("path name split revision columns size mode"),
}
"""Data by name, with the arguments that a spec may give: what ships inside scikit-learn, and Hugging Face data sets."""
