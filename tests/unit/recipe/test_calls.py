from __future__ import annotations

import bdb
from typing import Any

import pytest
import torch
from torch import nn

from pytest_mlspec.errors import DataError, RecipeError, UserCodeError
from pytest_mlspec.recipe.calls import call_user, check_arguments, check_call, guarded


def test_an_exception_of_the_user_becomes_theirs_with_its_cause() -> None:
    """The traceback holds the user's frames and what caused the error."""

    def load() -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer\nsecond line") from error

    with pytest.raises(UserCodeError) as caught:
        guarded(load, name="load", key="recipe.load")()

    assert caught.value.message == "load raised ValueError: outer"
    assert caught.value.key == "recipe.load"
    assert "KeyError: 'inner'" in caught.value.details
    assert "in load" in caught.value.details
    assert "recipe/calls.py" not in caught.value.details


def test_how_torch_calls_a_module_is_left_out() -> None:
    """Two frames for each module would hide the user's; the call that failed stays."""
    model = nn.Sequential(nn.Sequential(nn.Linear(3, 2)))

    with pytest.raises(UserCodeError) as caught:
        call_user(model, torch.zeros(1, 4), key="model", name="the model")

    assert "_call_impl" not in caught.value.details
    assert "linear.py" in caught.value.details


def test_an_error_of_ours_passes_through() -> None:
    """A message that says more already is kept."""

    def load() -> None:
        raise DataError("no rows")

    with pytest.raises(DataError, match="no rows"):
        call_user(load, key="k", name="load")


def test_a_breakpoint_names_the_option_that_allows_it() -> None:
    """A debugger cannot be reached in a worker."""

    def load() -> None:
        raise bdb.BdbQuit

    with pytest.raises(UserCodeError) as caught:
        call_user(load, key="k", name="load")
    assert "--mlspec-inline" in caught.value.advice


def test_system_exit_is_left_to_the_worker() -> None:
    """A process that ends itself is reported by whoever watches it."""

    def load() -> None:
        raise SystemExit(0)

    with pytest.raises(SystemExit):
        call_user(load, key="k", name="load")


@pytest.mark.parametrize(
    "function",
    [
        lambda outputs, batch: 0,
        lambda logits, batch: 0,
        lambda outputs, _: 0,
        lambda outputs, batch, weight=1.0: 0,
        lambda *arguments: 0,
        lambda outputs, batch, **options: 0,
    ],
)
def test_a_function_that_can_be_called_fits(function: Any) -> None:
    """Names of their own, defaults and catch-alls are fine."""
    check_arguments(function, ("outputs", "batch"), key="recipe.loss", name="loss")


@pytest.mark.parametrize(
    "function",
    [
        lambda: 0,
        lambda outputs: 0,
        lambda outputs, batch, weight: 0,
        lambda outputs, batch, *, weight: 0,
        lambda batch, outputs: 0,
        lambda outputs, targets: 0,
    ],
)
def test_a_function_of_other_arguments_is_refused(function: Any) -> None:
    """Too few, too many, in another order, or named for something else."""
    with pytest.raises(RecipeError, match=r"loss\(.*\) does not fit") as caught:
        check_arguments(function, ("outputs", "batch"), key="recipe.loss", name="loss")
    assert "loss(outputs, batch)" in caught.value.advice


def test_a_keyword_must_be_taken() -> None:
    """As fit takes its seed."""
    check_arguments(lambda examples, *, seed: 0, ("examples",), key="k", name="fit", keywords=("seed",))
    check_arguments(lambda examples, seed=0: 0, ("examples",), key="k", name="fit", keywords=("seed",))

    with pytest.raises(RecipeError, match="does not fit") as caught:
        check_arguments(lambda examples: 0, ("examples",), key="k", name="fit", keywords=("seed",))
    assert "fit(examples, *, seed)" in caught.value.advice


def test_arguments_of_the_spec_are_checked_before_the_call() -> None:
    """The message shows what would be called and what there is."""

    def build(width: int, depth: int = 2) -> int:
        return width * depth

    check_call(build, (), {"width": 3}, key="model", name="nets:build")
    with pytest.raises(RecipeError, match=r"nets:build\(widht=3\)") as caught:
        check_call(build, (), {"widht": 3}, key="model", name="nets:build")
    assert caught.value.advice == "it is nets:build(width, depth=2)"
