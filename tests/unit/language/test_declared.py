"""From a file to specs: every mistake of the file at once, each in its place; no input ends in anything but a SpecError."""

from __future__ import annotations

import contextlib
import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from churn_spec import CHURN, spec, specs, told
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlspec.errors import Place, SpecError
from pytest_mlspec.language.declared import read
from pytest_mlspec.plan import make_plan


def test_a_file_may_hold_several_specs(tmp_path: Path) -> None:
    """Each has its own places."""
    first, second = specs(tmp_path, text=f"{CHURN}---\n{CHURN.replace('name: churn', 'name: second')}")

    assert (first.spec.name, second.spec.name) == ("churn", "second")
    assert second.place(("gates", "test.accuracy")) == Place("churn.mlspec.yaml", 29, 3)


def test_two_specs_of_a_file_have_two_names(tmp_path: Path) -> None:
    """Their items could not be told apart."""
    message = told(tmp_path, text=f"{CHURN}---\n{CHURN}")

    assert message == "17:1  name: the name 'churn' stands at 2:1 too\n    rename one"


def test_the_place_of_a_key_that_is_not_written_is_that_around_it(tmp_path: Path) -> None:
    """An item that stands without a list has the place of its key."""
    declared = spec(tmp_path, ("[standard]", "standard"))

    assert declared.place(("train", "early_stop", "monitor")) == Place("churn.mlspec.yaml", 9, 1)
    assert declared.place(("checks", 0)) == Place("churn.mlspec.yaml", 12, 1)
    assert declared.place(()) == Place("churn.mlspec.yaml", 1, 1)


UNKNOWN_KEYS = [
    ("epochs: 10", "epoch: 10", "11:3  train.epoch: unknown key 'epoch'\n    did you mean 'epochs'?"),
    ("at_least", "atleast", "14:19  gates.test.accuracy.atleast: unknown key 'atleast'\n    did you mean 'at_least'?"),
    ("task: binary", "epochs: 3\ntask: binary", "3:1  epochs: unknown key 'epochs'\n    it stands under `train`"),
    ("task: binary", "lr: 3\ntask: binary", "3:1  lr: unknown key 'lr'\n    it stands under `train.optimizer`"),
    (
        "task: binary",
        "monitor: x\ntask: binary",
        "3:1  monitor: unknown key 'monitor'\n    it stands under `train.early_stop`",
    ),
    ("epochs: 10", "stratify: true", "unknown key 'stratify'\n    it stands under `data.split`"),
    ("test: 0.2", "tst: 0.2", "7:11  data.split.tst: unknown key 'tst'\n    did you mean 'test'?"),
    (
        "task: binary",
        "task: binary\nrecipe: {use: team.recipe, arguments: {}}",
        "4:28  recipe.arguments: unknown key 'arguments'\n    known: use, with",
    ),
    (
        "task: binary",
        "task: binary\nfrobnicate: 1",
        "4:1  frobnicate: unknown key 'frobnicate'\n    known: checks, data, gates, inputs, invariant, limits,",
    ),
    (
        "epochs: 10",
        "\u0435pochs: 10",
        "11:3  train.\u0435pochs: unknown key '\u0435pochs', with the character U+0435 (cyrillic small letter ie)\n"
        "    did you mean 'epochs'?",
    ),
    ("epochs: 10", "epo\u200bchs: 10", "the key holds the invisible character U+200B (zero width space)"),
]


@pytest.mark.parametrize(("old", "new", "message"), UNKNOWN_KEYS)
def test_an_unknown_key_is_told_with_the_nearest_or_where_it_belongs(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    """A letter that only looks like another is shown by its code point."""
    assert message in told(tmp_path, (old, new))


@pytest.mark.parametrize(
    ("old", "message"),
    [
        ("mlspec: 1\n", "1:1  mlspec: this key is required\n    write `mlspec: 1`"),
        ("name: churn\n", "1:1  name: this key is required\n    write a name for the spec, such as churn"),
        (
            "  source: data/churn.csv\n",
            "4:1  data: the key 'source' is required\n"
            "    name a data set, a file or your function, or write a `recipe` that gives load",
        ),
    ],
)
def test_a_missing_key_is_told_at_the_mapping_that_lacks_it(tmp_path: Path, old: str, message: str) -> None:
    """With what to write."""
    assert told(tmp_path, (old, "")) == message


def test_every_mistake_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    """Those of the types, of the rules, and of the second spec, in the order of the file."""
    broken = (
        CHURN.replace("name: churn", "name: a b")
        .replace("epochs: 10", "epoch: 10")
        .replace("adamw", "adamv")
        .replace("at_least: 0.9", "at_least: true")
    )

    message = told(tmp_path, text=f"{broken}---\n{CHURN.replace('[standard]', '[standrd]')}")

    assert [line.partition("  ")[2] for line in message.splitlines() if not line.startswith("    ")] == [
        "name: 'a b' is no name",
        "train.optimizer: unknown optimizer 'adamv'",
        "train.epoch: unknown key 'epoch'",
        "gates.test.accuracy.at_least: a number is needed, not true",
        "checks[0]: unknown check 'standrd'",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            [("val: 0.1", "val: 10%"), ("epochs: 10", "early_stop: {}")],
            "7:22  data.split.val: a number is needed, not '10%'",
        ),
        (
            [("task: binary", "task: binry")],
            "3:1  task: 'binry' is not known here\n    did you mean 'binary'? allowed: binary, multiclass, regression,"
            " reconstruction, clustering, language_model, embedding",
        ),
        (
            [("[standard]", "[5]"), ("at_least: 0.9", "at_least: []")],
            "12:10  checks[0]: a check is a name or {NAME: {PARAMETER: VALUE, …}}, not 5\n"
            "14:19  gates.test.accuracy.at_least: a number is needed, not an empty list",
        ),
        (
            [("{use: mlp, hidden: [8]}", "[mlp]")],
            "8:1  model: a name, or a mapping with the key 'use', is needed, not a list",
        ),
        (
            [("target: churned", "target: 5")],
            "6:3  data.target: a text is needed, not 5\n    quote it if it is meant as text",
        ),
    ],
)
def test_a_key_that_could_not_be_read_is_not_told_as_missing(
    tmp_path: Path, changes: list[tuple[str, str]], message: str
) -> None:
    """One mistake makes one message: no second one says that the key is absent."""
    assert told(tmp_path, *changes) == message


def test_of_another_format_nothing_else_is_said(tmp_path: Path) -> None:
    """What its keys mean is not known."""
    message = told(tmp_path, ("mlspec: 1", "mlspec: 2"), ("epochs: 10", "epoch: 10"))

    assert message == "1:1  mlspec: this version reads format 1, not 2\n    write `mlspec: 1`"


def test_an_alias_is_told_where_its_text_stands(tmp_path: Path) -> None:
    """Both keys that repeat it are named."""
    gates = "test.accuracy: &bound {at_leas: 0.9}\n  test.f1: *bound"

    message = told(tmp_path, ("test.accuracy: {at_least: 0.9}", gates))

    assert message == (
        "14:26  gates.test.accuracy.at_leas: unknown key 'at_leas'\n    did you mean 'at_least'?\n"
        "14:26  gates.test.f1.at_leas: unknown key 'at_leas'\n    did you mean 'at_least'?"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "epochs: 10",
            "epochs: 10\n  epochs: 3",
            "12:3  train.epochs: the key stands twice; first in line 11, column 3",
        ),
        ("epochs: 10", "epochs: 010", "11:11  train.epochs: 010 is ambiguous"),
        ("lr: 3e-3", "lr: .nan", "10:31  train.optimizer.lr: .nan is not a finite number"),
        ("at_least: 0.9", "<<: {}", "merge keys are not allowed"),
        (
            "name: churn",
            "name: !!python/object/apply:os.system [ls]",
            "the tag !!python/object/apply:os.system is not allowed",
        ),
    ],
)
def test_what_yaml_cannot_say_is_told_by_the_loader(tmp_path: Path, old: str, new: str, message: str) -> None:
    """In the same form."""
    assert message in told(tmp_path, (old, new))


def test_texts_of_yaml_1_1_stay_text(tmp_path: Path) -> None:
    """`NO` is a country, `12:30` no number, a date no date; `1e-3` is a number."""
    declared = spec(
        tmp_path,
        ("task: binary", "task: {use: binary, positive: NO}"),
        ("target: churned", "target: 2024-01-01\n  drop: [12:30]"),
        ("lr: 3e-3", "lr: 1e-3"),
    )

    assert declared.spec.task is not None
    assert declared.spec.task.positive == "NO"
    assert declared.spec.data is not None
    assert (declared.spec.data.target, declared.spec.data.drop) == ("2024-01-01", ("12:30",))
    assert declared.spec.train.optimizer.arguments == {"lr": 0.001}


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(SpecError) as caught:
        read(tmp_path / "gone.mlspec.yaml", root=tmp_path)

    assert caught.value.message == "gone.mlspec.yaml:1:1  the file cannot be read: No such file or directory"


# Any input

VALID: dict[str, Any] = yaml.safe_load(CHURN) | {"matrix": {"train.epochs": [1, 2]}, "limits": {"time": "60s"}}
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 3, 2**62, 1.5, -0.0, 1e300),
    *("", " ", "a", "standard", "5%", "30s", "a.b:C", "use", "test.f1", "x" * 300, "\u0435", "a\nb"),
    *([], [[]], [None], ["a", 1], {}, {"use": None}, {"use": "mlp", "": 1}, {"skip": {"check": "data"}}),
    *({"a": {"b": {"c": [1, {"d": None}]}}}, {"at_least": "1s"}, {"train.epochs": [1, 2]}),
)
KEYS = (
    *("use", "with", "matrix", "gates", "checks", "recipe", "within", "by", "early_stop", "schedule", "requires"),
    *("limits", "engine", "loss", "tags", "positive", "prepare", "drop", "monitor", "test.recall[a=b]", "", "é"),
)


def paths_of(data: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(below for key, value in inner for below in paths_of(value, (*path, key)))]


@st.composite
def mutated_specs(draw: st.DrawFn) -> str:
    """The text of a valid spec after a few changes: keys dropped, renamed and added, values replaced, lines doubled."""
    data = copy.deepcopy(VALID)
    for _ in range(draw(st.integers(1, 4))):
        *parents, last = draw(st.sampled_from(paths_of(data)[1:] or [("mlspec",)]))
        around: Any = data
        for part in parents:
            around = around[part]
        change = draw(st.sampled_from(["drop", "replace", "add"]))
        if change == "drop" and isinstance(around, dict):
            around.pop(last, None)
        elif change == "add" and isinstance(around, dict):
            around[draw(st.sampled_from(KEYS))] = copy.deepcopy(draw(st.sampled_from(ODD)))
        else:
            around[last] = copy.deepcopy(draw(st.sampled_from(ODD)))
    lines = yaml.safe_dump(data, sort_keys=False, default_flow_style=draw(st.booleans())).splitlines()
    if draw(st.booleans()):
        lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from(lines)))
    return "\n".join(lines)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One root directory for all examples."""
    return tmp_path_factory.mktemp("root")


@settings(derandomize=True, database=None, deadline=None, max_examples=150)
@given(text=mutated_specs())
def test_any_input_gives_specs_that_can_be_planned_or_a_spec_error(root: Path, text: str) -> None:
    """Nothing else is raised, and every problem has a place and a message."""
    with contextlib.suppress(SpecError):
        assert all(make_plan(declared).claims for declared in specs(root, text=text))
