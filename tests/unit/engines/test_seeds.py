"""Several seeds in one job: each is the training that its seed gives alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from projects import DIGITS, Project

from pytest_mlspec.errors import TrainingError
from pytest_mlspec.evidence import TrainingRun
from pytest_mlspec.jobs import Train, TrainSeeds
from pytest_mlspec.recipe.work import Result

SEEDS = TrainSeeds(first=3, count=3)


def result_of(project: Project, spec: dict[str, Any], seed: int) -> Result:
    """The training of `seed` out of those of three."""
    return project.run(Train(seed=seed, among=SEEDS), spec, project.done(spec, SEEDS))


def run_of(result: Result) -> TrainingRun:
    assert isinstance(result.evidence, TrainingRun)
    return result.evidence


def with_model(**arguments: Any) -> dict[str, Any]:
    return {**DIGITS, "model": {"use": "mlp", "hidden": [16], **arguments}}


@pytest.mark.parametrize("seed", [3, 5])
def test_seeds_at_once_give_what_each_gives_alone(project: Project, seed: int) -> None:
    """Up to rounding: losses, metrics and predictions; steps, rates and rows are the same."""
    together = result_of(project, with_model(), seed)
    run, predicted = run_of(together), together.arrays
    alone = project.run(Train(seed=seed), with_model())
    own = run_of(alone)

    assert "3 seeds at once" in run.notes
    assert (run.seed, run.steps, run.rows, run.parameters) == (seed, own.steps, own.rows, own.parameters)
    assert run.loss_S.values == pytest.approx(own.loss_S.values, rel=1e-3)
    assert run.losses == pytest.approx(own.losses, rel=1e-3)
    assert run.epochs_log[-1] == pytest.approx(own.epochs_log[-1], rel=1e-3)
    assert predicted["predictions/test"] == pytest.approx(alone.arrays["predictions/test"], abs=1e-3)


def test_seeds_are_different_trainings(project: Project) -> None:
    """Each from weights and an order of its own."""
    one, other = (result_of(project, with_model(), seed).arrays["predictions/test"] for seed in (3, 4))

    assert not np.allclose(one, other, atol=1e-2)


def test_what_cannot_be_at_once_is_trained_one_after_another(project: Project) -> None:
    """To the last bit as alone, and the notes say why."""
    spec = with_model(dropout=0.5)
    together, alone = run_of(result_of(project, spec, 4)), run_of(project.run(Train(seed=4), spec))

    assert together.weights_digest == alone.weights_digest
    assert together.notes[-1].startswith("3 seeds were trained one after another: dropout draws for each seed")


def test_a_loss_that_is_not_finite_is_told_as_that_of_one_training(project: Project) -> None:
    """With the rows of the source and the layer."""
    spec = {**with_model(), "train": {"epochs": 3, "optimizer": {"use": "sgd", "lr": 1e30}}}

    with pytest.raises(TrainingError, match=r"layers\.\d"):
        project.run(SEEDS, spec)
