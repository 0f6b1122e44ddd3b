"""What a spec requires of the machine is looked up, never imported; what is missing is named."""

from __future__ import annotations

import pytest

from pytest_mlspec.language.spec import Requires
from pytest_mlspec.requirements import missing
from pytest_mlspec.store import environment


def requires(**needed: object) -> Requires:
    return Requires.model_validate(needed)


def test_nothing_is_missing_where_nothing_is_required() -> None:
    """The answer is empty."""
    assert missing(requires()) == ""


def test_what_is_there_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages go by the name of their distribution; a variable may be empty."""
    monkeypatch.setenv("CHURN_TOKEN", "")
    monkeypatch.setattr(environment, "device_class", lambda: "cuda:NVIDIA H200")

    assert missing(requires(gpu=1, packages=["scikit-learn", "PyYAML"], environment=["CHURN_TOKEN"])) == ""


def test_everything_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, without the value of any variable."""
    monkeypatch.delenv("CHURN_TOKEN", raising=False)
    monkeypatch.setattr(environment, "device_class", lambda: "cpu:x86_64")

    assert missing(requires(gpu=1, packages=["scikit-learn", "no-such-package"], environment=["CHURN_TOKEN"])) == (
        "the package no-such-package, the environment variable CHURN_TOKEN, a GPU"
    )
