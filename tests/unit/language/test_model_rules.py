"""Built-in models, their losses and the groups of an optimiser: every impossible option is told before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_mlspec.language import names
from pytest_mlspec.language.rules import Mistake, model
from pytest_mlspec.language.rules.training import mistakes
from pytest_mlspec.language.spec import Spec
from pytest_mlspec.recipe.models import layers


def told(**keys: Any) -> list[Mistake]:
    """The mistakes of a spec on images, with `keys`."""
    document = {"mlspec": 1, "name": "x", "task": "multiclass", "data": {"source": "team:load"}, "model": "mlp", **keys}
    return list(mistakes(Spec.model_validate(document)))


DATA_FOR = {
    "numbers": {"source": "team:load"},
    "images": {"source": "team:load", "prepare": "images"},
    "ids": {"source": "team:load", "prepare": {"use": "tokenize", "length": 8}},
    "table": {"source": "team:load", "prepare": ["impute", "standardize", "ids"]},
}


@pytest.mark.parametrize("name", sorted(names.MODELS))
def test_a_model_with_its_preparation_and_task_is_no_mistake(name: str) -> None:
    """The lines that the advice writes are the ones that are taken."""
    entry = names.MODELS[name]

    assert told(model=name, data=DATA_FOR[entry.inputs], task=entry.task or "multiclass") == []


@pytest.mark.parametrize(
    ("name", "prepare", "message", "advice"),
    [
        ("cnn", "standard", "cnn takes images, and `prepare` gives numbers", "write `prepare: images`"),
        ("text_cnn", "standard", "text_cnn takes texts as ids, and", "write `prepare: {use: tokenize, length: 32}`"),
        ("transformer", "images", "and `prepare` gives images", "or take model cnn"),
        (
            "tabular",
            "one_hot",
            "tabular takes numbers and ids of categories",
            "write `prepare: [impute, standardize, ids]`",
        ),
        ("mlp", {"use": "tokenize"}, "and `prepare` gives texts as ids", "or take model mean_embedding or text_cnn"),
        ("mlp", ["impute", "ids"], "gives numbers and ids of categories", "or take model tabular"),
    ],
)
def test_a_preparation_of_another_form_is_told_with_the_line_to_write(
    name: str, prepare: object, message: str, advice: str
) -> None:
    """Before any data are read."""
    (mistake,) = told(model=name, data={"source": "team:load", "prepare": prepare})

    assert mistake.key == ("data", "prepare")
    assert message in mistake.message
    assert advice in mistake.advice


def test_the_default_preparation_is_a_mistake_of_the_model() -> None:
    """There is no line of `prepare` to point at."""
    (mistake,) = told(model="cnn")

    assert mistake.key == ("model",)


@pytest.mark.parametrize("prepare", ["none", "team:prepared", ["impute", "team:Ids"]])
def test_the_teams_own_preparation_may_give_anything(prepare: object) -> None:
    """What it gives is looked at when the model is made."""
    assert told(model="text_cnn", data={"source": "team:load", "prepare": prepare}) == []
    assert told(model="text_cnn", recipe="team.pipeline") == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"use": "cnn", "channels": []}, "at least one width is needed"),
        ({"use": "cnn", "channels": [0]}, "a list of widths is needed"),
        ({"use": "cnn", "hidden": [8]}, "a whole number above 0 is needed, not a list"),
        ({"use": "cnn", "norm": "layer"}, "'layer' is not known here"),
        ({"use": "cnn", "dropout": 1.0}, "a number from 0 to below 1 is needed"),
        ({"use": "cnn", "dim": 3}, "cnn has no argument 'dim'"),
    ],
)
def test_arguments_are_held_to_what_they_mean(given: dict[str, Any], message: str) -> None:
    """`hidden` is one width for a cnn, and a list of them for the others."""
    (mistake,) = told(model=given, data=DATA_FOR["images"])

    assert message in mistake.message


@pytest.mark.parametrize(
    ("name", "task", "message", "advice"),
    [
        ("autoencoder", "multiclass", "a model of the task reconstruction", "write `task: reconstruction`"),
        ("mlp", "reconstruction", "mlp does not fit the task reconstruction", "write `model: autoencoder`"),
    ],
)
def test_a_model_of_another_task_is_a_mistake(name: str, task: str, message: str, advice: str) -> None:
    """A language model and an autoencoder have no output for a row."""
    (mistake,) = told(model=name, task=task)

    assert message in mistake.message
    assert advice in mistake.advice


@pytest.mark.parametrize(
    ("loss", "task", "instead"),
    [
        ("nll", "multiclass", "cross_entropy"),
        ("binary_cross_entropy", "binary", "binary_cross_entropy_with_logits"),
    ],
)
def test_a_loss_of_probabilities_does_not_fit_logits(loss: str, task: str, instead: str) -> None:
    """Torch would train on nonsense, or fail in the first step."""
    (mistake,) = told(task=task, train={"loss": loss})

    assert mistake.key == ("train", "loss")
    assert mistake.advice == f"write {instead}"


@pytest.mark.parametrize(
    ("loss", "task"),
    [
        ({"use": "cross_entropy", "weight": "balanced"}, "multiclass"),
        ({"use": "multi_margin", "weight": "balanced"}, "multiclass"),
        ({"use": "focal", "weight": "balanced", "gamma": 1}, "binary"),
        ({"use": "focal", "alpha": 0.25}, "binary"),
        ({"use": "binary_cross_entropy_with_logits", "pos_weight": "balanced"}, "binary"),
    ],
)
def test_classes_can_be_balanced(loss: dict[str, Any], task: str) -> None:
    """By the weights of the classes, or that of the positive one."""
    assert told(task=task, train={"loss": loss}) == []


@pytest.mark.parametrize(
    ("loss", "task", "message"),
    [
        (
            {"use": "binary_cross_entropy_with_logits", "weight": "balanced"},
            "binary",
            "weight of binary_cross_entropy_with_logits cannot be balanced",
        ),
        (
            {"use": "cross_entropy", "label_smoothing": "balanced"},
            "multiclass",
            "label_smoothing of cross_entropy cannot",
        ),
        ({"use": "cross_entropy", "weight": "heavy"}, "multiclass", "a number is needed, not 'heavy'"),
        ({"use": "focal", "alpha": 0.2, "weight": [1, 2]}, "binary", "alpha and weight both weigh the classes"),
    ],
)
def test_what_cannot_be_balanced_is_a_mistake(loss: dict[str, Any], task: str, message: str) -> None:
    """Each with its place."""
    (mistake,) = told(task=task, train={"loss": loss})

    assert message in mistake.message
    assert mistake.key[:2] == ("train", "loss")


def test_groups_take_the_arguments_of_the_optimizer() -> None:
    """By the names of modules or parameters, which only a worker knows."""
    groups = {"backbone": {"lr": 1e-4}, "head.bias": {"weight_decay": 0, "betas": [0.8, 0.9]}}

    assert told(train={"optimizer": {"use": "adamw", "groups": groups}}) == []


@pytest.mark.parametrize(
    ("groups", "key", "message"),
    [
        ({"backbone": {"learning_rate": 1}}, ("backbone", "learning_rate"), "adamw has no argument 'learning_rate'"),
        ({"backbone": {"lr": "low"}}, ("backbone", "lr"), "a number is needed, not 'low'"),
        ({"backbone": 0.1}, ("backbone",), "arguments of adamw are needed, not 0.1"),
        ({"backbone": {}}, ("backbone",), "arguments of adamw are needed"),
        ({}, (), "names of modules with arguments are needed"),
        (["backbone"], (), "names of modules with arguments are needed"),
        ({"backbone": {"groups": {}}}, ("backbone", "groups"), "adamw has no argument 'groups'"),
    ],
)
def test_a_group_of_another_form_is_a_mistake(groups: object, key: tuple[str, ...], message: str) -> None:
    """Told at its own place."""
    (mistake,) = told(train={"optimizer": {"use": "adamw", "groups": groups}})

    assert mistake.key == ("train", "optimizer", "groups", *key)
    assert message in mistake.message


@pytest.mark.parametrize("group", ["backbone", "backbone.layer1"])
def test_a_group_of_what_is_frozen_is_a_mistake(group: str) -> None:
    """Its rate would never be used."""
    optimizer = {"use": "adamw", "groups": {group: {"lr": 1e-4}}}
    (mistake,) = told(train={"freeze": ["backbone"], "optimizer": optimizer})

    assert mistake.message == f"{group} does not learn: `freeze` names backbone"


def test_a_group_of_a_like_name_is_none() -> None:
    """A name ends at a dot."""
    optimizer = {"use": "adamw", "groups": {"backbone2": {"lr": 1e-4}}}

    assert told(train={"freeze": ["backbone"], "optimizer": optimizer}) == []


def test_the_words_are_those_of_the_models() -> None:
    """The rules import no torch, so they hold a table of their own."""
    assert set(model.ACTIVATIONS) == layers.ACTIVATIONS.keys()
