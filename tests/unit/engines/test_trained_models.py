"""What `capacity` and `evaluation` say of sound models of the engines with a trainer of their own."""

from __future__ import annotations

import pytest
from encoders import PAIRS, write_encoder, write_pairs
from projects import Project

from pytest_mlspec.check import Status

from . import test_keras_faults, test_lightning_faults
from .small_texts import spec, write_team
from .verdicts import judged

CHECKS = ("capacity", "evaluation")


@pytest.mark.parametrize("check", CHECKS)
def test_a_lightning_module_is_green(project: Project, check: str) -> None:
    """Its layers are seen, and its forward changes nothing."""
    project.write("team", test_lightning_faults.TEAM)

    assert judged(project, test_lightning_faults.spec("Healthy"), check).status is Status.PASSED


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
def test_a_keras_model_is_green(project: Project, monkeypatch: pytest.MonkeyPatch, check: str) -> None:
    """Its layers are no layers of torch, and so none is called lost."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    project.write("team", test_keras_faults.TEAM)

    assert judged(project, test_keras_faults.spec("Healthy"), check).status is Status.PASSED


@pytest.mark.parametrize("check", CHECKS)
def test_a_model_of_transformers_is_green(project: Project, check: str) -> None:
    """A BERT of two layers on texts."""
    write_team(project)

    assert judged(project, spec(), check).status is Status.PASSED


@pytest.mark.parametrize("check", CHECKS)
def test_an_encoder_of_texts_is_green(project: Project, check: str) -> None:
    """Its embeddings differ between texts."""
    write_encoder(project.root / "tiny")
    write_pairs(project.root)

    assert judged(project, PAIRS, check).status is Status.PASSED
