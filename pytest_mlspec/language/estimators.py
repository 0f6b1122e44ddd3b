"""The estimators of scikit-learn that a spec may name, what stands inside others, and what is known of each before any import.

They go by their class name and take scikit-learn's own arguments. Nothing is imported here; a test holds every table against the
installed package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pytest_mlspec.language.boosters import BOOSTERS
from pytest_mlspec.language.names import TRANSFORMERS

Kind = Literal["classes", "values"]
"""What the target of an estimator is."""


@dataclass(frozen=True)
class ComposedName:
    """An estimator made of others: its module, the arguments without which there is none, what its target is (None: either)."""

    module: str
    needs: frozenset[str]
    predicts: Kind | None = None


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _by_class(modules: Mapping[str, str]) -> Mapping[str, str]:
    return {name: module for module, names in modules.items() for name in names.split()}


CLASSIFIERS = _by_class(
    {
        "sklearn.calibration": "CalibratedClassifierCV",
        "sklearn.discriminant_analysis": "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis",
        "sklearn.dummy": "DummyClassifier",
        "sklearn.ensemble": "AdaBoostClassifier BaggingClassifier ExtraTreesClassifier GradientBoostingClassifier"
        " HistGradientBoostingClassifier RandomForestClassifier",
        "sklearn.gaussian_process": "GaussianProcessClassifier",
        "sklearn.linear_model": "LogisticRegression LogisticRegressionCV Perceptron RidgeClassifier RidgeClassifierCV"
        " SGDClassifier",
        "sklearn.naive_bayes": "BernoulliNB CategoricalNB ComplementNB GaussianNB MultinomialNB",
        "sklearn.neighbors": "KNeighborsClassifier NearestCentroid RadiusNeighborsClassifier",
        "sklearn.neural_network": "MLPClassifier",
        "sklearn.semi_supervised": "LabelPropagation LabelSpreading SelfTrainingClassifier",
        "sklearn.svm": "LinearSVC NuSVC SVC",
        "sklearn.tree": "DecisionTreeClassifier ExtraTreeClassifier",
    }
)
"""Class name to module, for each classifier that is made without a required argument."""

REGRESSORS = _by_class(
    {
        "sklearn.compose": "TransformedTargetRegressor",
        "sklearn.cross_decomposition": "CCA PLSCanonical PLSRegression",
        "sklearn.dummy": "DummyRegressor",
        "sklearn.ensemble": "AdaBoostRegressor BaggingRegressor ExtraTreesRegressor GradientBoostingRegressor"
        " HistGradientBoostingRegressor RandomForestRegressor",
        "sklearn.gaussian_process": "GaussianProcessRegressor",
        "sklearn.isotonic": "IsotonicRegression",
        "sklearn.kernel_ridge": "KernelRidge",
        "sklearn.linear_model": "ARDRegression BayesianRidge ElasticNet ElasticNetCV GammaRegressor HuberRegressor Lars"
        " LarsCV Lasso LassoCV LassoLars LassoLarsCV LassoLarsIC LinearRegression OrthogonalMatchingPursuit"
        " OrthogonalMatchingPursuitCV PoissonRegressor QuantileRegressor RANSACRegressor Ridge RidgeCV SGDRegressor"
        " TheilSenRegressor TweedieRegressor",
        "sklearn.neighbors": "KNeighborsRegressor RadiusNeighborsRegressor",
        "sklearn.neural_network": "MLPRegressor",
        "sklearn.svm": "LinearSVR NuSVR SVR",
        "sklearn.tree": "DecisionTreeRegressor ExtraTreeRegressor",
    }
)
"""The same for each regressor."""

COMPOSED: Mapping[str, ComposedName] = {
    **{
        name: ComposedName("sklearn.ensemble", _words("estimators"), "classes")
        for name in ("StackingClassifier", "VotingClassifier")
    },
    **{
        name: ComposedName("sklearn.ensemble", _words("estimators"), "values")
        for name in ("StackingRegressor", "VotingRegressor")
    },
    **{name: ComposedName("sklearn.feature_selection", _words("estimator")) for name in ("RFE", "RFECV")},
    **{
        name: ComposedName("sklearn.model_selection", _words("estimator param_grid"))
        for name in ("GridSearchCV", "HalvingGridSearchCV")
    },
    **{
        name: ComposedName("sklearn.model_selection", _words("estimator param_distributions"))
        for name in ("HalvingRandomSearchCV", "RandomizedSearchCV")
    },
    **{
        name: ComposedName("sklearn.model_selection", _words("estimator"), "classes")
        for name in ("FixedThresholdClassifier", "TunedThresholdClassifierCV")
    },
    **{
        name: ComposedName("sklearn.multiclass", _words("estimator"), "classes")
        for name in ("OneVsOneClassifier", "OneVsRestClassifier", "OutputCodeClassifier")
    },
    "Pipeline": ComposedName("sklearn.pipeline", _words("steps")),
}
"""The estimators that are made of others."""

_SEVERAL_TARGETS = "it learns several targets at once, and a row has one"

REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("ClassifierChain", "MultiOutputClassifier", "MultiOutputRegressor"), _SEVERAL_TARGETS),
    **dict.fromkeys(("MultiTaskElasticNet", "MultiTaskElasticNetCV", "RegressorChain"), _SEVERAL_TARGETS),
    **dict.fromkeys(("MultiTaskLasso", "MultiTaskLassoCV"), _SEVERAL_TARGETS),
    "FrozenEstimator": "it holds an estimator that was fitted before, which no spec can write",
}
"""The estimators that no spec can use, with the reason."""

CLUSTERERS = _by_class(
    {
        "sklearn.cluster": "AffinityPropagation Birch BisectingKMeans KMeans MeanShift MiniBatchKMeans",
        "sklearn.mixture": "BayesianGaussianMixture GaussianMixture",
    }
)
"""Class name to module, for each clusterer that can tell the cluster of a row it was not fitted on."""

CLUSTERERS_OF_SEEN_ROWS = _words(
    "AgglomerativeClustering DBSCAN FeatureAgglomeration HDBSCAN OPTICS SpectralBiclustering SpectralClustering"
    " SpectralCoclustering"
)
"""The clusterers that cannot: held-out rows would have no cluster."""

RECONSTRUCTORS: Mapping[str, str] = dict.fromkeys(
    sorted(_words("FastICA IncrementalPCA KernelPCA MiniBatchNMF MiniBatchSparsePCA NMF PCA SparsePCA TruncatedSVD")),
    "sklearn.decomposition",
)
"""Class name to module, for the transformers that can give back what they were given: `inverse_transform`."""

ESTIMATORS_OF_TASK: Mapping[str, Mapping[str, str]] = {"clustering": CLUSTERERS, "reconstruction": RECONSTRUCTORS}
"""The estimators of the tasks without a target."""

EXPERIMENTAL: Mapping[str, str] = {
    "HalvingGridSearchCV": "enable_halving_search_cv",
    "HalvingRandomSearchCV": "enable_halving_search_cv",
    "IterativeImputer": "enable_iterative_imputer",
}
"""What `sklearn.experimental` has to import first."""

PARTS: Mapping[str, str] = {
    **_by_class(
        {
            "sklearn.compose": "ColumnTransformer",
            "sklearn.feature_extraction.text": "CountVectorizer HashingVectorizer TfidfTransformer TfidfVectorizer",
            "sklearn.feature_selection": "SelectFromModel SequentialFeatureSelector",
            "sklearn.gaussian_process.kernels": "CompoundKernel ConstantKernel DotProduct ExpSineSquared Exponentiation"
            " Matern PairwiseKernel Product RBF RationalQuadratic Sum WhiteKernel",
            "sklearn.impute": "IterativeImputer",
            "sklearn.model_selection": "GroupKFold KFold LeaveOneOut RepeatedKFold RepeatedStratifiedKFold ShuffleSplit"
            " StratifiedKFold StratifiedShuffleSplit TimeSeriesSplit",
            "sklearn.pipeline": "FeatureUnion",
            "sklearn.preprocessing": "LabelBinarizer OneHotEncoder OrdinalEncoder TargetEncoder",
        }
    ),
    **TRANSFORMERS,
    **RECONSTRUCTORS,
    **CLUSTERERS,
    **REGRESSORS,
    **CLASSIFIERS,
    **{name: entry.module for name, entry in COMPOSED.items()},
    **{name: entry.package for name, entry in BOOSTERS.items()},
}
"""Name to module, for all that may stand inside an estimator: steps, kernels, what splits rows for a search."""

LISTS_OF_PARTS = _words("steps estimators transformer_list transformers")
"""The arguments that hold parts by name: `[{use: …}, …]`, where each is called as its class, or `{NAME: {use: …}, …}`."""

PARTS_BY_NAME = _words("base_estimator estimator final_estimator regressor transformer")
"""The arguments that hold one part, so that a plain string is the name of one."""

WORDS_FOR_PARTS = _words("drop passthrough prefit deprecated")
"""What scikit-learn takes in the place of a part."""

NOT_IN_A_SPEC: Mapping[str, str] = {
    "memory": "it keeps pickles in a folder, and reads what lies there",
    "callbacks": "no spec can write them",
}
"""Arguments that no spec may give, at any depth, with the reason."""

TAKES_CATEGORIES = frozenset({"HistGradientBoostingClassifier", "HistGradientBoostingRegressor", *BOOSTERS})
"""The estimators that take columns of text as categories, and missing values, without a `prepare`."""

WITHOUT_PROBABILITIES: Mapping[str, Mapping[str, frozenset[object]]] = {
    "LinearSVC": {},
    "NuSVC": {"probability": frozenset({True})},
    "OneVsOneClassifier": {},
    "OutputCodeClassifier": {},
    "Perceptron": {},
    "RidgeClassifier": {},
    "RidgeClassifierCV": {},
    "SGDClassifier": {"loss": frozenset({"log_loss", "modified_huber"})},
    "SVC": {"probability": frozenset({True})},
    "VotingClassifier": {"voting": frozenset({"soft"})},
}
"""The classifiers without `predict_proba`, each with the arguments and their values that give it one."""

WITHOUT_SCORES = frozenset({"OutputCodeClassifier", "VotingClassifier"})
"""Those among them that have no `decision_function` either, so that no row can be ranked."""
