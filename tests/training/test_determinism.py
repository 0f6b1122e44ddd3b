"""Deterministic algorithms are on for the length of a job, and everything is as before it afterwards."""

from __future__ import annotations

import os

import pytest
import torch

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.training.determinism import deterministic_algorithms


def test_they_are_on_within_and_off_after() -> None:
    """With the workspace that cuBLAS needs."""
    with deterministic_algorithms(True):
        within = torch.are_deterministic_algorithms_enabled(), os.environ["CUBLAS_WORKSPACE_CONFIG"]

    assert within == (True, ":4096:8")
    assert not torch.are_deterministic_algorithms_enabled()
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ


def test_unless_they_are_wanted_nothing_is_touched() -> None:
    """The default."""
    with deterministic_algorithms(False):
        within = torch.are_deterministic_algorithms_enabled()

    assert not within


def test_a_workspace_that_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within it and after it."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    with deterministic_algorithms(True):
        within = os.environ["CUBLAS_WORKSPACE_CONFIG"]

    assert within == os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_an_operation_without_a_deterministic_form_is_an_error() -> None:
    """It names the operation and the key; everything is put back all the same."""
    with pytest.raises(TrainingError, match=r"^put_ does not have a deterministic implementation$") as caught:  # noqa: SIM117
        with deterministic_algorithms(True):
            torch.zeros(3).put_(torch.tensor([0]), torch.tensor([1.0]))

    assert caught.value.key == "train.deterministic"
    assert not torch.are_deterministic_algorithms_enabled()


def test_any_other_error_passes() -> None:
    """It is not about determinism."""
    with pytest.raises(RuntimeError, match="another"), deterministic_algorithms(True):
        raise RuntimeError("another")
