"""The probe and the check of a team's own loop, on healthy loops of many kinds and on each planted fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from projects import Project

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.loop import LoopParams, loop
from pytest_mlspec.errors import NotApplicableError
from pytest_mlspec.evidence import LoopTrace
from pytest_mlspec.jobs import WatchLoop

from .loop_team import BASE, FAULTY, HEALTHY


def spec(recipe: str, **arguments: Any) -> dict[str, Any]:
    data = {"source": "sklearn.digits", "split": {"test": 0.6, "val": 0.15}}
    use = {"use": f"team:{recipe}", **({"with": arguments} if arguments else {})}
    return {"task": "multiclass", "data": data, "recipe": use, "train": {"engine": "callable"}}


def traced(project: Project, spec: Mapping[str, Any]) -> LoopTrace:
    evidence = project.run(WatchLoop(), spec).evidence
    assert isinstance(evidence, LoopTrace)
    return evidence


def judged(project: Project, spec: Mapping[str, Any], **params: Any) -> Verdict:
    return loop(LoopParams(**params), traced(project, spec))


@pytest.mark.parametrize(
    "recipe",
    [
        "Loop",
        "Scaled",
        "Augmented",
        "Flipped",
        "Mixed",
        "Clamped",
        "DropsLast",
        "Balanced",
        "Drawn",
        "Endless",
        "ByLength",
        "Curriculum",
        "Accumulating",
        "Lbfgs",
        "FullBatch",
        "FrozenBody",
        "Averaged",
        "AveragedLate",
        "BestKept",
        "Reloaded",
        "Normalised",
        "FrozenNorm",
        "Recomputing",
        "Autocast",
        "GradientScaler",
        "TwoOptimizers",
        "Adversarial",
        "Teacher",
        "OwnHoldOut",
        "OnTrainAndVal",
        "TwoPhases",
        "OnePass",
        "WithoutModes",
        "LooksWithGraph",
        "ClearsLast",
        "TwoLosses",
        "Sharpness",
        "StepsWithinBackward",
        "Ensemble",
        "Folds",
    ],
)
def test_a_healthy_loop_gives_no_alarm(project: Project, recipe: str) -> None:
    """However unusual it is."""
    project.write("team", BASE + HEALTHY)
    verdict = judged(project, spec(recipe))

    assert verdict.status is Status.PASSED, (verdict.summary, verdict.facts)


@pytest.mark.parametrize(
    ("recipe", "finding"),
    [
        ("NeverClears", "loop.leftover"),
        ("ClearsEachSecond", "loop.leftover"),
        ("StepsFirst", "loop.late"),
        ("StepsOnNothing", "loop.late"),
        ("LosesWindow", "loop.window"),
        ("CarriesWindow", "loop.window"),
        ("Sorted", "loop.sorted"),
        ("SortedByBatch", "loop.sorted"),
        ("SortedAndDropped", "loop.class_unseen"),
        ("LeavesRowsOut", "loop.rows_unseen"),
        ("LeavesScaledRowsOut", "loop.rows_unseen"),
        ("LosesClass", "loop.class_unseen"),
        ("SameOrder", "loop.same_order"),
        ("SameOrderScaled", "loop.same_order"),
        ("NotShuffled", "loop.same_order"),
        ("FixedSeed", "loop.same_order_of_seeds"),
        ("FixedSeedScaled", "loop.same_order_of_seeds"),
        ("RebuiltEachEpoch", "loop.rebuilt"),
        ("ForgetsEachEpoch", "loop.rebuilt"),
        ("HeadAlone", "loop.not_in_optimizer"),
        ("StaleParameters", "loop.stale"),
        ("AverageStands", "loop.not_trained"),
        ("HalfPrecision", "loop.dtype"),
        ("NormOfOneRow", "loop.batch_of_one"),
        ("BackwardInEvaluation", "loop.evaluation"),
        ("EvaluatesInTraining", "loop.evaluation"),
        ("BuffersInEvaluation", "loop.evaluation"),
    ],
)
def test_a_fault_is_red(project: Project, recipe: str, finding: str) -> None:
    """Its finding comes first."""
    project.write("team", BASE + FAULTY)
    verdict = judged(project, spec(recipe))

    assert verdict.status is Status.FAILED
    assert verdict.findings[0] == finding, (verdict.findings, verdict.summary)


@pytest.mark.parametrize("recipe", ["OneRowAtATime", "AllRowsAtOnce"])
def test_batches_of_another_size_than_the_spec_hands_over_are_red(project: Project, recipe: str) -> None:
    """Where it hands over a `batch_size`; else nothing says what size is meant."""
    project.write("team", BASE + FAULTY)
    verdict = judged(project, spec(recipe, batch_size=32))
    undeclared = judged(project, spec(recipe))

    assert (verdict.status, verdict.findings) == (Status.FAILED, ("loop.batch_size",))
    assert undeclared.status is Status.PASSED


def test_the_declared_size_of_batches_passes(project: Project) -> None:
    """As handed over."""
    project.write("team", BASE)
    trace = traced(project, spec("Loop", batch_size=16))

    assert (trace.declared_batch, trace.rows.batch_size, trace.rows.step_rows) == (16, 16, 16)
    assert loop(LoopParams(), trace).status is Status.PASSED


def test_what_is_meant_can_be_said(project: Project) -> None:
    """Each of these is red without a word."""
    project.write("team", BASE + FAULTY)

    assert judged(project, spec("NotShuffled"), shuffled=False).status is Status.PASSED
    assert judged(project, spec("LeavesRowsOut"), every_row=False).status is Status.PASSED
    assert judged(project, spec("HeadAlone"), not_optimized=("0.*",)).status is Status.PASSED


def test_a_loader_whose_batch_is_larger_than_the_split_is_red(project: Project) -> None:
    """Which tells its size without a declared one: the rows are shuffled into it."""
    project.write("team", BASE + FAULTY)
    verdict = judged(project, spec("BatchOfAll"))

    assert (verdict.status, verdict.findings) == (Status.FAILED, ("loop.batch_size",))


@pytest.mark.parametrize(
    ("recipe", "findings"), [("Loop", ()), ("SameOrder", ("loop.same_order",)), ("Sorted", ("loop.sorted",))]
)
def test_rows_split_by_time_are_shuffled_within_the_training_split(
    project: Project, recipe: str, findings: tuple[str, ...]
) -> None:
    """A fault of their order is one there too."""
    project.write("team", BASE + FAULTY)
    trace = replace(traced(project, spec(recipe)), in_time=True)

    assert loop(LoopParams(), trace).findings[:1] == findings


def test_rows_in_their_order_are_meant_where_they_are_split_by_time(project: Project) -> None:
    """As they come in time."""
    project.write("team", BASE + FAULTY)
    trace = traced(project, spec("NotShuffled"))

    assert loop(LoopParams(), trace).status is Status.FAILED
    assert loop(LoopParams(), replace(trace, in_time=True)).status is Status.PASSED


def test_a_fit_that_looks_at_the_test_split_is_red(project: Project) -> None:
    """It is not given to it, so it was loaded."""
    project.write("team", BASE + FAULTY)
    asked = spec("LooksAtTest")
    verdict = judged(project, {**asked, "data": {**asked["data"], "prepare": "none"}})

    assert (verdict.status, verdict.findings[0]) == (Status.FAILED, "loop.test_used")


def test_the_rows_of_a_split_of_its_own_are_counted_apart(project: Project) -> None:
    """They are evaluated and not trained on."""
    project.write("team", BASE + HEALTHY)
    rows = traced(project, spec("OwnHoldOut")).rows

    assert (rows.rows, rows.held_out, rows.unused) == (448, 60, 0)


def test_rows_that_change_at_random_are_not_judged(project: Project) -> None:
    """Which is told, and the rest is judged."""
    project.write("team", BASE + HEALTHY)
    trace = traced(project, spec("Augmented"))

    assert trace.rows.unknown.startswith("rows enter the model changed")
    assert (trace.steps, trace.whole) == (42, True)


CENTROIDS = """
import numpy as np

class Centroids:
    def fit(self, examples, *, seed):
        rows = examples["train"]
        return np.stack([rows.inputs[rows.targets == c].mean(0) for c in range(10)])

    def predict(self, fitted, inputs):
        distances = ((inputs[:, None] - fitted) ** 2).sum(2)
        scores = np.exp(-distances + distances.min(1, keepdims=True))
        return scores / scores.sum(1, keepdims=True)
"""


def test_a_fit_without_steps_of_torch_is_not_applicable(project: Project) -> None:
    """There is no loop to watch."""
    project.write("team", CENTROIDS)
    with pytest.raises(NotApplicableError, match="no step of an optimiser of torch was seen"):
        traced(project, spec("Centroids"))
