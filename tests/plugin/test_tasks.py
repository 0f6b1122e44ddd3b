"""The tasks without a target, as users run them: from raw texts and columns to one verdict for each claim."""

from __future__ import annotations

import pytest

from .project import Project

LOAD = '''
"""Sentences of a small grammar, each with a number of its own."""

import random

import pandas as pd


def sentences():
    draw = random.Random(0)
    words = [["the cat", "a dog", "my friend"], ["sees", "likes", "eats"], ["fish", "a big red apple", "bread"]]
    return pd.DataFrame({"text": [f"{' '.join(map(draw.choice, words))} {number}" for number in range(200)]})
'''

LANGUAGE_MODEL = """
mlspec: 1
name: grammar
task: language_model
data: {source: "team.texts:sentences", prepare: {use: tokenize, length: 10}}
model: {use: causal_lm, dim: 16, heads: 2, layers: 1, dropout: 0.0}
train: {epochs: 15, batch_size: 16, optimizer: {use: adamw, lr: 1e-2}}
inputs: [team/texts.py]
checks: [data, gradients, converges, overfit, independence, resumes]
gates:
  test.perplexity: {better_than: dummy, by: 1}
  test.token_accuracy: {better_than: dummy, by: 0.1}
  test.loss: {at_most: 3}
"""
AUTOENCODER = """
mlspec: 1
name: codes
task: reconstruction
data: {source: sklearn.wine}
model: {use: autoencoder, hidden: [32], code: 8}
train: {epochs: 40, batch_size: 16, optimizer: {use: adamw, lr: 1e-2}}
checks: [data, gradients, converges, overfit, independence, resumes]
gates:
  test.mean_squared_error: {better_than: dummy, by: 0.2}
"""
CLUSTERS = """
mlspec: 1
name: clusters
task: clustering
data: {source: sklearn.wine}
model: {use: KMeans, n_clusters: 3}
train: {engine: sklearn}
checks: [data, gradients, converges, overfit, independence, resumes]
gates:
  test.adjusted_rand_score: {at_least: 0.5}
  test.silhouette_score: {at_least: 0.1}
"""


@pytest.mark.slow
def test_tasks_without_a_target_are_tested_like_any_other(project: Project) -> None:
    """Each claim passes, or says why it is not applicable."""
    project.write("team/texts.py", LOAD)
    project.write("specs/grammar.mlspec.yaml", LANGUAGE_MODEL)
    project.write("specs/codes.mlspec.yaml", AUTOENCODER)
    project.write("specs/clusters.mlspec.yaml", CLUSTERS)

    result = project.run("specs", "-rs")

    result.assert_outcomes(passed=9 + 7 + 5, skipped=3)
    result.stdout.fnmatch_lines(["*not applicable: an estimator of scikit-learn cannot be interrupted and resumed"])


def test_clusters_that_tell_nothing_have_no_score(project: Project) -> None:
    """One cluster is an error, though some metrics would give it a number."""
    one = CLUSTERS.replace("n_clusters: 3", "n_clusters: 1").replace("checks: [data, gradients,", "checks: [")
    project.write("clusters.mlspec.yaml", one)

    result = project.run("-k", "converges or score")

    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "*converges FAILED: train loss *",
            "*test.adjusted_rand_score ERROR: adjusted_rand_score is not defined: all rows are in one cluster*",
        ]
    )
