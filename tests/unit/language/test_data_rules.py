"""Targets, splits and preparations that cannot go together: each told with its place and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from churn_spec import remedy, spec, told

from pytest_mlspec.language.rules.training import splits_of

SOURCE = "source: data/churn.csv"
EPOCHS = "epochs: 10"
GATE = "test.accuracy: {at_least: 0.9}"

MISTAKES = [
    ("  target: churned\n", "", "the key 'target' is required for a table", "write the column to predict"),
    (
        "target: churned",
        "drop: [churned]\n  target: churned",
        "the target 'churned' is dropped",
        "remove it from the list",
    ),
    ("val: 0.1", "val: 0.8", "test 0.2 and val 0.8 leave no row for training", "make one smaller"),
    ("val: 0.1", "group: id, time: day", "group and time exclude each other", "keep one of them"),
    ("val: 0.1", "group: id, stratify: true", "stratify and group exclude each other", "keep one of them"),
    ("val: 0.1", "group: churned", "'churned' is the target", "split by another column, or use stratify: true"),
    ("target: churned", "target: churned\n  prepare: standart", "unknown step of prepare 'standart'", "'standard'?"),
    ("target: churned", "target: churned\n  prepare: [impute, none]", "`none` among other steps", "`prepare: none`"),
    (
        "target: churned",
        "target: churned\n  prepare: {use: impute, by: mean}",
        "impute has no argument 'by'",
        "known: add_indicator, columns, fill_value, strategy",
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
        (SOURCE, "source: 'team.data:load'"),
        ("target: churned", "target: churned\n  prepare: [impute, {use: 'team.prepare:scaler', by: 2}]"),
    ],
)
def test_data_that_can_be_had_are_accepted(tmp_path: Path, old: str, new: str) -> None:
    """A rule refuses what is impossible, and nothing else."""
    assert spec(tmp_path, (old, new)).spec.name == "churn"


def test_a_validation_split_that_is_not_made_cannot_be_looked_at(tmp_path: Path) -> None:
    """Neither by a gate nor by what decides on the training."""
    message = told(
        tmp_path,
        (", val: 0.1", ""),
        (EPOCHS, "early_stop: {patience: 1}\n  schedule: reduce_on_plateau"),
        ("test.accuracy", "val.accuracy"),
    )

    assert message == (
        "11:3  train.early_stop.monitor: val.loss needs a validation split\n"
        "    give data.split.val a share, such as 0.1\n"
        "12:3  train.schedule: val.loss needs a validation split\n"
        "    give data.split.val a share, such as 0.1\n"
        "15:3  gates.val.accuracy: there is no split 'val'\n"
        "    give data.split.val a share, such as 0.1"
    )


def test_the_users_own_loader_may_bring_a_validation_split(tmp_path: Path) -> None:
    """Then a worker finds out."""
    declared = spec(
        tmp_path, (", val: 0.1", ""), (SOURCE, "source: 'team.data:load'"), ("test.accuracy", "val.accuracy")
    )

    assert splits_of(declared.spec) == ("train", "val", "test")


def test_a_regression_has_no_classes_to_keep(tmp_path: Path) -> None:
    """`stratify` goes with classes."""
    message = told(
        tmp_path,
        ("task: binary", "task: regression"),
        ("val: 0.1", "stratify: true"),
        (GATE, "test.r2: {at_least: 0.1}"),
    )

    assert message == (
        "7:22  data.split.stratify: a regression has no classes to keep the shares of\n    remove this key"
    )
