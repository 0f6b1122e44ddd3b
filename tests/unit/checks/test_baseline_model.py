"""`baseline`, the model, on hand-made structures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_mlspec.checks import baseline_model
from pytest_mlspec.evidence import Description, Structure

from .recorded import DESCRIPTION, MODEL


def built(**changes: Any) -> Description:
    return replace(DESCRIPTION, model=replace(MODEL, **changes))


def red(now: Description, before: Description = DESCRIPTION, *, held: bool = False) -> list[str]:
    verdicts = list(baseline_model.structure(before, now, same_model=held))
    return [finding for verdict in verdicts if verdict.status.red for finding in verdict.findings]


def told(now: Description, before: Description = DESCRIPTION) -> str:
    return next(baseline_model.structure(before, now)).summary


def test_the_same_model_is_silent() -> None:
    """Nothing to tell."""
    assert list(baseline_model.structure(DESCRIPTION, DESCRIPTION)) == []


@pytest.mark.parametrize(
    "parts",
    [
        {"one.weight": "float32 [8, 3]"},
        {**MODEL.parts, "norm.weight": "float32 [8]"},
        {**MODEL.parts, "one.weight": "float64 [8, 3]"},
        {**MODEL.parts, "one.weight": "float32 [8, 3] frozen"},
        {**MODEL.parts, "one.weight": "bfloat16 [8, 3]"},
    ],
    ids=["bias gone", "norm new", "double", "frozen", "half"],
)
def test_other_parameters_are_red(parts: dict[str, str]) -> None:
    """Gone, new, frozen or of another type."""
    assert red(built(parts=parts)) == ["baseline.parameters"]


def test_a_width_is_told_and_red_where_the_model_is_held() -> None:
    """A team changes it as it changes a rate; its answers are then not compared."""
    wider = built(parts={**MODEL.parts, "one.weight": "float32 [9, 3]"}, answers=(5.0, -2.0, 0.5))

    assert red(wider) == []
    assert told(wider) == "the model has other sizes: one.weight is float32 [9, 3], it was float32 [8, 3]"
    assert red(wider, held=True) == ["baseline.parameters"]


def test_parts_with_other_names_are_the_same_model() -> None:
    """A refactoring."""
    renamed = {f"body.{name}": text for name, text in MODEL.parts.items()}

    assert red(built(parts=renamed)) == []
    assert told(built(parts=renamed)).startswith("parts of the model have other names")


def test_other_answers_are_told_and_red_where_the_model_is_held() -> None:
    """An activation has no parameters; a team exchanges it on purpose."""
    other = built(answers=(1.0, -2.0, 0.501))

    assert red(other, held=True) == ["baseline.answers"]
    assert red(built(answers=(1.00001, -2.0, 0.5)), held=True) == []
    assert red(other) == []
    assert told(other).startswith("the model answers otherwise with the same parameters (answers differ by")


def test_layers_written_in_another_way_are_the_same_where_the_answers_are() -> None:
    """`F.relu` for `nn.ReLU`."""
    layers = {name: text for name, text in MODEL.layers.items() if name != "act"}

    assert red(built(layers=layers)) == []
    assert told(built(layers=layers)) == "layers are others, and answers as before: act is gone, it was ReLU()"


@pytest.mark.parametrize("drop", ["Dropout(p=0.9)", None])
def test_another_dropout_is_told_and_red_where_the_model_is_held(drop: str | None) -> None:
    """It shows in no answer."""
    layers = {name: text for name, text in {**MODEL.layers, "drop": drop}.items() if text}

    assert red(built(layers=layers), held=True) == ["baseline.dropout"]
    assert red(built(layers=layers)) == []
    assert told(built(layers=layers)).startswith("the model has other layers: drop is")


def test_what_the_spec_declares_otherwise_is_not_compared() -> None:
    """And it is told."""
    assert red(built(declared="wider", parts={"one.weight": "float32 [16, 3]"})) == []
    assert "the spec declares it otherwise" in told(built(declared="wider"))


def test_other_training_rows_may_make_other_sizes() -> None:
    """A vocabulary that has grown is no other model, a norm more is one."""
    grown = replace(
        built(parts={**MODEL.parts, "one.weight": "float32 [8, 4]"}, answers=(3.0, 3.0, 3.0)),
        splits={"train": replace(DESCRIPTION.splits["train"], digest="other")},
    )
    more = replace(grown, model=replace(grown.model, parts={**grown.model.parts, "norm.weight": "float32 [8]"}))

    assert (red(grown), red(more)) == ([], ["baseline.parameters"])


def test_a_structure_that_is_not_known_is_told() -> None:
    """With the reason."""
    unknown = replace(DESCRIPTION, model=Structure(MODEL.declared, missing="the engine keras shows no model"))

    assert red(unknown) == []
    assert told(unknown).endswith("the engine keras shows no model")


def test_an_estimator_of_other_steps_or_settings_is_red() -> None:
    """A setting that only one version of a library knows is none that was changed."""
    old = replace(DESCRIPTION, model=Structure("rf", {"max_depth": "3"}, {"estimator": "Pipeline", "scale": "Scaler"}))
    depth = replace(old, model=replace(old.model, parts={"max_depth": "4"}))
    step = replace(old, model=replace(old.model, layers={"estimator": "Pipeline"}))
    version = replace(old, model=replace(old.model, parts={"max_depth": "3", "new_option": "true"}))

    assert [red(now, old) for now in (depth, step, version)] == [["baseline.estimator"], ["baseline.estimator"], []]
