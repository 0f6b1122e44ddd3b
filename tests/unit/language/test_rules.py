"""What a spec as a whole needs and may hold: required keys, tasks, recipes, tags, requirements."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from churn_spec import remedy, spec, told

from pytest_mlspec.language.spec import Spec
from pytest_mlspec.language.task import task_of

TASK = "task: binary"

MISTAKES = [
    ("task: binary", "task: binary\nrecipe: team recipe", "'team recipe' is no import path", "or package.module"),
    (
        "task: binary",
        "task: binary\nrecipe: {use: team.recipe, with: {depth: 3}}",
        "'team.recipe' is a module, and takes no arguments",
        "name a class or a function: team.recipe:NAME",
    ),
    (
        "task: binary",
        "task: binary\nrecipe: {use: 'team.recipe:R', with: {trust_remote_code: true}}",
        "a spec cannot allow code from elsewhere",
        "remove this key",
    ),
    (
        TASK,
        f"{TASK}\ntags: [pr, a-b]",
        "4:12  tags[1]: 'a-b' cannot be a mark",
        "write letters, digits and underscores",
    ),
    (TASK, f"{TASK}\ntags: [and]", "'and' cannot be a mark", "write letters, digits and underscores"),
    (TASK, f"{TASK}\ntags: [été]", "'été' cannot be a mark", "write letters, digits and underscores"),
    (TASK, f"{TASK}\ntags: [xfail]", "the mark 'xfail' has a meaning of its own", "take another word"),
    (TASK, f"{TASK}\ntags: [skip]", "the mark 'skip' has a meaning of its own", "take another word"),
    (TASK, f"{TASK}\ntags: [mlspec]", "the mark 'mlspec' has a meaning of its own", "take another word"),
    (
        TASK,
        f"{TASK}\nrequires: {{packages: ['torch>=2']}}",
        "4:23  requires.packages[0]: 'torch>=2' is no name of a package",
        "write the name alone: versions are not compared here",
    ),
    (
        TASK,
        f"{TASK}\nrequires: {{environment: [KEY=1]}}",
        "4:26  requires.environment[0]: 'KEY=1' is no name of an environment variable",
        "write the name alone: values are not compared here",
    ),
]


@pytest.mark.parametrize(("old", "new", "message", "advice"), MISTAKES)
def test_a_mistake_is_told_with_its_remedy(tmp_path: Path, old: str, new: str, message: str, advice: str) -> None:
    """One mistake gives one message, and the advice below it."""
    found, remedied = remedy(tmp_path, (old, new))

    assert message in found
    assert advice in remedied


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("task: binary", "task: {use: binary, positive: yes}"),
        ("task: binary", "task: binary\nrecipe: {use: 'team.recipe:Recipe', with: {depth: 3}}"),
        ("task: binary", "task: binary\nrequires: {gpu: 1, packages: [scikit-learn], environment: [HOME]}"),
        ("task: binary", "task: binary\ntags: [pr, nightly_2]"),
    ],
)
def test_what_can_be_asked_is_accepted(tmp_path: Path, old: str, new: str) -> None:
    """A rule refuses what is impossible, and nothing else."""
    assert spec(tmp_path, (old, new)).spec.name == "churn"


def test_a_spec_has_what_it_needs(tmp_path: Path) -> None:
    """Without a recipe the data, the model and the task; and at least one claim."""
    message = told(tmp_path, text="mlspec: 1\nname: bare\n")

    assert message == (
        "1:1  the key 'data' is required\n    write it, or a `recipe` that supplies it\n"
        "1:1  the key 'model' is required\n    write it, or a `recipe` that supplies it\n"
        "1:1  the key 'task' is required here\n    write one of: binary, multiclass, regression, reconstruction, clustering,"
        " language_model, embedding\n"
        "1:1  the spec claims nothing\n    write `checks: standard`, or bounds under `gates`"
    )


def test_a_positive_class_goes_with_a_binary_task(tmp_path: Path) -> None:
    """Of several classes none is the positive one."""
    message = told(tmp_path, ("task: binary", "task: {use: multiclass, positive: 1}"))

    assert message == (
        "3:25  task.positive: the task multiclass has no positive class\n"
        "    remove this key; one class of several is named in a gate, such as test.recall[class=x]"
    )


@pytest.mark.parametrize(
    ("spec", "task"),
    [
        ({"task": "multiclass", "train": {"loss": "mse"}}, "multiclass"),
        ({"data": {"source": "sklearn.diabetes"}}, "regression"),
        ({"data": {"source": "sklearn.wine"}, "train": {"loss": "mse"}}, "multiclass"),
        ({"train": {"loss": "huber"}}, "regression"),
        ({"train": {"loss": "binary_cross_entropy"}}, "binary"),
        ({"train": {"loss": "cross_entropy"}}, None),
        ({"train": {"loss": "team.losses:focal"}}, None),
        ({}, None),
    ],
)
def test_the_task_is_declared_or_follows(spec: Mapping[str, object], task: str | None) -> None:
    """From the data set first, then from the loss; `cross_entropy` says nothing of how many classes there are."""
    assert task_of(Spec.model_validate({"mlspec": 1, "name": "a", **spec})) == task
