"""Tasks without a target: what a spec may say of them, and what is told of one that says more."""

from __future__ import annotations

from pathlib import Path

import pytest
from churn_spec import Change, specs, told

from pytest_mlspec.language.task import has_no_classes, has_no_target

AUTOENCODER = """mlspec: 1
name: codes
task: reconstruction
data: {source: sklearn.digits}
model: {use: autoencoder, hidden: [32, 8]}
checks: [standard]
gates: {test.r2: {at_least: 0.5}}
"""
CLUSTERS = """mlspec: 1
name: clusters
task: clustering
data: {source: sklearn.iris}
model: {use: KMeans, n_clusters: 3}
train: {engine: sklearn}
checks: [standard]
gates: {test.adjusted_rand_score: {at_least: 0.5}}
"""
TEXTS = """mlspec: 1
name: texts
task: language_model
data: {source: 'team.data:load', prepare: {use: tokenize, length: 8}}
model: {use: causal_lm, layers: 1}
checks: [standard]
gates: {test.perplexity: {better_than: dummy}}
"""
OF_ROWS = "{source: rows.csv}"


@pytest.mark.parametrize("text", [AUTOENCODER, CLUSTERS, TEXTS])
def test_a_task_without_a_target_is_declared_in_a_few_lines(tmp_path: Path, text: str) -> None:
    """The defaults of everything else go with it."""
    (declared,) = specs(tmp_path, text=text)

    assert declared.spec.task is not None


@pytest.mark.parametrize(
    ("text", "change", "message", "advice"),
    [
        (
            AUTOENCODER,
            ("sklearn.digits}", "'team.data:load', target: y}"),
            "data.target: the task reconstruction has no target",
            "remove this key; `drop` takes a column from the features",
        ),
        (
            AUTOENCODER,
            ("sklearn.digits}", "sklearn.digits, split: {stratify: true}}"),
            "data.split.stratify: the task reconstruction without a target has no classes to keep the shares of",
            "remove this key",
        ),
        (
            CLUSTERS,
            ("{source: sklearn.iris}", "{source: rows.csv, split: {stratify: true}}"),
            "data.split.stratify: the task clustering without a target has no classes to keep the shares of",
            "remove this key",
        ),
        (
            AUTOENCODER,
            ("{test.r2: {at_least: 0.5}}", "{test.accuracy: {at_least: 0.5}}"),
            "accuracy is not defined for the task reconstruction",
            "known: explained_variance, max_error, mean_absolute_error",
        ),
        (
            AUTOENCODER,
            ("checks: [standard]", "checks: [standard]\ntrain: {loss: cross_entropy}"),
            "train.loss: cross_entropy does not fit the task reconstruction",
            "write one of: mse, l1, smooth_l1, huber",
        ),
        (
            AUTOENCODER,
            ("{use: autoencoder, hidden: [32, 8]}\n", "RandomForestRegressor\ntrain: {engine: sklearn}\n"),
            "model: RandomForestRegressor does not fit the task reconstruction",
            "known: FastICA, IncrementalPCA, KernelPCA",
        ),
        (
            AUTOENCODER,
            ("{use: autoencoder, hidden: [32, 8]}", "PCA"),
            "model: PCA is an estimator of scikit-learn",
            "write `train: {engine: sklearn}`",
        ),
        (
            AUTOENCODER,
            ("{source: sklearn.digits}", "{source: sklearn.digits, prepare_target: standardize}"),
            "data.prepare_target: the task reconstruction has no target to scale",
            "remove this key; it goes with `task: regression`",
        ),
        (
            CLUSTERS,
            ("task: clustering", "task: multiclass"),
            "model: KMeans does not fit the task multiclass",
            "write `task: clustering`, or another estimator",
        ),
        (
            CLUSTERS,
            ("{use: KMeans, n_clusters: 3}", "DBSCAN"),
            "5:1  model: DBSCAN cannot tell the cluster of a row that it was not fitted on",
            "for held-out rows, take one of: AffinityPropagation, Birch, BisectingKMeans, KMeans",
        ),
        (CLUSTERS, ("KMeans,", "KMean,"), "model: unknown estimator 'KMean'", "did you mean 'KMeans'?"),
        (
            CLUSTERS,
            ("{source: sklearn.iris}", OF_ROWS),
            "gates.test.adjusted_rand_score: adjusted_rand_score compares with classes",
            "name the column of the classes under data.target: metrics alone read it, no fit",
        ),
        (
            CLUSTERS,
            ("at_least: 0.5", "better_than: dummy"),
            "a clustering has no constant baseline: all rows in one cluster are none",
            "write at_least, or at_most; chance has an adjusted_rand_score of 0",
        ),
        (
            CLUSTERS,
            ("{use: KMeans, n_clusters: 3}\ntrain: {engine: sklearn}", "'team.net:Net'"),
            "the engine torch cannot train the task clustering",
            "write `train: {engine: sklearn}`",
        ),
        (
            TEXTS,
            (
                "{use: causal_lm, layers: 1}",
                "{use: 'team.net:Net'}\ntrain: {loss: {use: cross_entropy, ignore_index: 0}}",
            ),
            "train.loss.ignore_index: in the task language_model padding alone is ignored",
            "remove this key",
        ),
        (
            TEXTS,
            ("{use: causal_lm, layers: 1}", "{use: causal_lm, layers: 1}\ntrain: {loss: mse}"),
            "train.loss: mse does not fit the task language_model",
            "write one of: cross_entropy",
        ),
        (
            TEXTS,
            ("test.perplexity: {better_than: dummy}", "test.perplexity: {at_most: 0.5}"),
            "no training can reach this: test.perplexity is never below 1",
            "",
        ),
    ],
)
def test_what_does_not_go_with_a_task_is_told_before_training(
    tmp_path: Path, text: str, change: Change, message: str, advice: str
) -> None:
    """The task is named, and what to write."""
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n", "utf-8")
    found = told(tmp_path, change, text=text)

    assert message in found
    assert advice in found


OWN_MODEL = (
    ("{use: autoencoder, hidden: [32, 8]}", "'team.net:Net'"),
    ("test.r2: {at_least: 0.5}", "test.loss: {at_most: 9}"),
)


@pytest.mark.parametrize(
    ("text", "changes", "has_target", "has_classes"),
    [
        (AUTOENCODER, (), False, False),
        (TEXTS, (), False, False),
        (CLUSTERS, (), True, True),
        (CLUSTERS, (("sklearn.iris", "'team.data:load'"),), True, True),
        (CLUSTERS, (("{source: sklearn.iris}", "{source: rows.csv, target: b}"),), True, True),
        (CLUSTERS, (("{source: sklearn.iris}", OF_ROWS), ("adjusted_rand", "silhouette")), False, False),
        (AUTOENCODER, (("reconstruction", "multiclass"), *OWN_MODEL), True, True),
        (AUTOENCODER, (("reconstruction", "regression"), *OWN_MODEL), True, False),
    ],
)
def test_what_follows_from_the_task_is_known(
    tmp_path: Path, text: str, changes: tuple[Change, ...], has_target: bool, has_classes: bool
) -> None:
    """Where the team's own code may bring a target, it may be there."""
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n", "utf-8")
    (declared,) = specs(tmp_path, *changes, text=text)

    assert has_no_target(declared.spec) is not has_target
    assert has_no_classes(declared.spec) is not has_classes
