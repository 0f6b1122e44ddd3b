"""A matrix makes one spec of each combination, under a name that says which; its mistakes are told where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from churn_spec import Change, spec, specs, told

CHECKS = "checks: [standard]"


def matrix(text: str) -> Change:
    return (CHECKS, f"matrix: {text}\n{CHECKS}")


def test_there_is_a_spec_for_each_combination(tmp_path: Path) -> None:
    """The last key varies fastest; nothing else of the spec changes."""
    declared = specs(tmp_path, matrix("{train.optimizer.lr: [1e-3, 3e-3], train.epochs: [5, 10]}"))

    assert [each.spec.name for each in declared] == [
        "churn[lr=0.001, epochs=5]",
        "churn[lr=0.001, epochs=10]",
        "churn[lr=0.003, epochs=5]",
        "churn[lr=0.003, epochs=10]",
    ]
    assert [(each.spec.train.optimizer.arguments["lr"], each.spec.train.epochs) for each in declared] == [
        (0.001, 5),
        (0.001, 10),
        (0.003, 5),
        (0.003, 10),
    ]
    assert all(each.spec.model == declared[0].spec.model for each in declared)


@pytest.mark.parametrize(
    ("varied", "labels"),
    [
        ("{train.epochs: [1]}", ["epochs=1"]),
        ("{model.hidden: [[], [64, 32]]}", ["hidden=1", "hidden=2"]),
        ("{model.hidden: [[8], [64, 32]]}", ["hidden=8", "hidden=64-32"]),
        ("{data.split.val: [0.1, 0.25]}", ["val=0.1", "val=0.25"]),
        ("{train.optimizer: [sgd, {use: adamw, lr: 1}]}", ["optimizer=sgd", "optimizer=adamw"]),
        ("{train.optimizer: [{use: sgd, lr: 0}, {use: sgd, lr: 1}]}", ["optimizer=1", "optimizer=2"]),
        ("{model: ['team.net:Small', 'team.net:Large']}", ["model=Small", "model=Large"]),
        ("{data.source: [data/churn.csv, 'team.rows:load']}", ["source=churn.csv", "source=load"]),
        ("{task: [binary, {use: binary, positive: 1}]}", ["task=1", "task=2"]),
        ("{gates.test.accuracy.at_least: [0.5, 0.9]}", ["at_least=0.5", "at_least=0.9"]),
        ("{train.optimizer.lr: [1, 1.0]}", ["lr=1", "lr=1.0"]),
        ("{data.target: ['a b', 'c']}", ["target=1", "target=2"]),
    ],
)
def test_the_name_says_the_values(tmp_path: Path, varied: str, labels: list[str]) -> None:
    """In characters that a name may have; where values cannot be told apart in a word, by their number."""
    names = [each.spec.name for each in specs(tmp_path, matrix(varied))]

    assert names == [f"churn[{label}]" for label in labels]


def test_keys_that_end_the_same_are_named_in_full(tmp_path: Path) -> None:
    """`seed` alone would say nothing."""
    (declared,) = specs(
        tmp_path,
        matrix("{train.seed: [1], data.split.seed: [2]}"),
        ("epochs: 10", "seed: 0"),
        ("test: 0.2", "seed: 0"),
    )

    assert declared.spec.name == "churn[train.seed=1, data.split.seed=2]"


def test_values_are_shared_by_no_two_variants(tmp_path: Path) -> None:
    """What is made of one variant's data cannot show in another."""
    first, second = specs(tmp_path, matrix("{model.hidden: [[8]], train.epochs: [1, 2]}"))

    assert first.document.data["model"]["hidden"] is not second.document.data["model"]["hidden"]


def test_a_mistake_in_a_value_is_told_where_the_matrix_holds_it(tmp_path: Path) -> None:
    """Once, though two variants have it; its key is that of the spec."""
    message = told(tmp_path, matrix("{train.optimizer: [sgd, {use: adamw, lrr: 1}], train.epochs: [5, 10]}"))

    assert message == ("12:46  train.optimizer.lrr: adamw has no argument 'lrr'\n    did you mean 'lr'?")


def test_a_mistake_outside_the_matrix_is_told_once(tmp_path: Path) -> None:
    """Every variant has it."""
    message = told(tmp_path, matrix("{train.optimizer.lr: [1, 2]}"), ("epochs: 10", "epochs: ten"))

    assert message == "11:3  train.epochs: a whole number is needed, not 'ten'"


SUCH_AS = "write {KEY PATH: [VALUE, …]}, such as {train.optimizer.lr: [1e-3, 3e-3]}"
MISTAKES = [
    ("[]", f"12:1  matrix: key paths with lists of values are needed, not an empty list\n    {SUCH_AS}"),
    ("{}", f"12:1  matrix: key paths with lists of values are needed, not a mapping\n    {SUCH_AS}"),
    ("{train.epochs: 5}", f"12:10  matrix.train.epochs: a list of values is needed, not 5\n    {SUCH_AS}"),
    ("{train.epochs: []}", f"12:10  matrix.train.epochs: a list of values is needed, not an empty list\n    {SUCH_AS}"),
    ("{train.epochs: [5, 5]}", "12:28  matrix.train.epochs[1]: a value stands twice\n    remove one"),
    (
        "{train.epoch: [5]}",
        "12:10  matrix.train.epoch: the spec has no such key that this could vary\n    did you mean 'train.epochs'?",
    ),
    (
        "{train.accumulate: [5]}",
        "12:10  matrix.train.accumulate: the spec has no such key that this could vary\n"
        "    write the key itself first, with a value",
    ),
    (
        "{train.seed: [5]}",
        "12:10  matrix.train.seed: the spec has no such key that this could vary\n"
        "    write the key itself first, with a value",
    ),
    ("{name: [a, b]}", "12:10  matrix.name: this key cannot vary\n    remove it"),
    (
        "{train.optimizer: [sgd], train.optimizer.lr: [1]}",
        "12:34  matrix.train.optimizer.lr: 'train.optimizer' varies too, and one holds the other\n"
        "    write the values of one",
    ),
    (
        f"{{train.epochs: {list(range(1, 51))}, train.optimizer.lr: {list(range(50))}}}",
        "12:1  matrix: 2,500 variants, at most 1,000\n    vary fewer keys together",
    ),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_mistakes_in_a_matrix_are_told(tmp_path: Path, text: str, message: str) -> None:
    """With the nearest key that the spec has, and what to write."""
    assert told(tmp_path, matrix(text)) == message


def test_a_spec_with_a_broken_matrix_is_looked_at_all_the_same(tmp_path: Path) -> None:
    """Its other mistakes are told too."""
    message = told(tmp_path, matrix("{train.epoch: [5]}"), ("epochs: 10", "epochs: ten"))

    assert message.startswith("11:3  train.epochs: a whole number is needed, not 'ten'\n12:10  matrix.train.epoch: ")


@pytest.mark.parametrize("name", ["", "name: 5\n", "name: a b\n"])
def test_a_matrix_makes_no_good_name_of_a_bad_one(tmp_path: Path, name: str) -> None:
    """A missing name, a number and two words stay mistakes, told once."""
    message = told(tmp_path, matrix("{train.epochs: [5, 10]}"), ("name: churn\n", name))

    assert message.count("name: ") == 1


def test_a_spec_without_a_matrix_is_itself(tmp_path: Path) -> None:
    """Under its own name."""
    assert spec(tmp_path).spec.name == "churn"
