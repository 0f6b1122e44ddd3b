"""Values that Python puts in the place of those of a spec, and what is told of mistakes in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from churn_spec import spec

from pytest_mlspec.errors import MlspecError, Place, SpecError
from pytest_mlspec.language.declared import Declared, read_one

AT = Place("test_churn.py", 7, 1)


def read_with(folder: Path, overrides: dict[str, Any], *, name: str | None = None) -> Declared:
    spec(folder)
    return read_one(folder / "churn.mlspec.yaml", root=folder, name=name, overrides=overrides, at=AT)


def test_values_are_put_in_by_the_paths_of_their_keys(tmp_path: Path) -> None:
    """Those that the file holds, those that it leaves out, and those of gates, whose names hold points."""
    changed = read_with(
        tmp_path, {"train.epochs": 2, "limits.time": "30s", "gates.test.f1": {"at_least": 0.5}, "model.hidden": (8, 8)}
    ).spec

    assert (changed.train.epochs, changed.limits.time, changed.gates["test.f1"].at_least) == (2, 30.0, 0.5)
    assert changed.model is not None
    assert changed.model.arguments["hidden"] == [8, 8]


def test_a_name_becomes_the_mapping_that_it_stands_for(tmp_path: Path) -> None:
    """`task: binary` is a mapping with `use`."""
    changed = read_with(tmp_path, {"task.positive": "yes"}).spec

    assert changed.task is not None
    assert (changed.task.use, changed.task.positive) == ("binary", "yes")


def test_nothing_else_changes(tmp_path: Path) -> None:
    """And without overrides nothing at all."""
    plain = read_with(tmp_path, {}).spec
    changed = read_with(tmp_path, {"train.epochs": 2}).spec

    assert plain.name == "churn"
    assert changed.model_dump(exclude={"name", "train"}) == plain.model_dump(exclude={"name", "train"})
    assert changed.train.model_dump(exclude={"epochs"}) == plain.train.model_dump(exclude={"epochs"})


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ({"train.epochs": 2}, "churn[train.epochs=2]"),
        ({"train.shuffle": False, "train.epochs": 2}, "churn[train.shuffle=false, train.epochs=2]"),
        ({"model.hidden": [8]}, "churn[model.hidden=a8f2ecf6]"),
    ],
)
def test_the_name_says_what_was_overridden(tmp_path: Path, overrides: dict[str, Any], name: str) -> None:
    """Two trainings with different values never go by one name."""
    assert read_with(tmp_path, overrides).spec.name == name


def test_values_that_read_the_same_have_names_of_their_own(tmp_path: Path) -> None:
    """A mapping is not told by its `use` alone."""
    named = [read_with(tmp_path, {"train.optimizer": {"use": "sgd", "lr": rate}}).spec.name for rate in (0.1, 0.2)]

    assert named[0] != named[1]


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (None, "none"), (2, "2"), (0.5, "0.5")])
def test_a_text_that_reads_as_another_value_has_a_name_of_its_own(tmp_path: Path, value: Any, text: str) -> None:
    """Jobs of one run go by that name: two trainings under one would share what the first gave."""
    given = (value, text)
    names = {read_with(tmp_path, {"model": "own:Net", "model.x": each}).spec.name for each in given}

    assert len(names) == 2


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"train.epochz": 2}, "train.epochz: unknown key 'epochz'\n    did you mean 'epochs'?"),
        ({"train.epochs": "many"}, "train.epochs: a whole number is needed, not 'many'"),
        ({"train.epochs": float("nan")}, "train.epochs: nan is not a finite number"),
        ({"train.loss.use": "mze"}, "train.loss: unknown loss 'mze'\n    did you mean 'mse'?"),
        ({"gates.test.acuracy": {"at_least": 1}}, "gates.test.acuracy: unknown metric 'acuracy'\n    did you mean"),
        ({"name": "other"}, "name: this key cannot be overridden"),
        ({"matrix": {}}, "matrix: this key cannot be overridden"),
        ({"model.hidden.first": 8}, "model.hidden.first: model.hidden holds a list, and no keys"),
        ({"train.optimizer": object()}, "train.optimizer: an object of object cannot stand in a spec"),
        ({"model": {"use": "mlp", "hidden": {8}}}, "model: an object of set cannot stand in a spec"),
    ],
)
def test_a_mistake_is_told_where_it_was_written(tmp_path: Path, overrides: dict[str, Any], message: str) -> None:
    """At the test, not in the file, where the value does not stand."""
    with pytest.raises(SpecError) as caught:
        read_with(tmp_path, overrides)

    assert caught.value.message.startswith(f"test_churn.py:7:1  {message}")


def test_one_of_several_is_chosen_by_name(tmp_path: Path) -> None:
    """A name that is not there is told with the nearest; so is that there are several."""
    with pytest.raises(MlspecError, match="holds no spec 'chrn'") as caught:
        read_with(tmp_path, {}, name="chrn")

    assert caught.value.advice == "did you mean 'churn'?"
