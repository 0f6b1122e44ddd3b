"""Gates on tasks of MTEB, judged on evidence made by hand."""

from __future__ import annotations

import pytest

from pytest_mlspec import quantities
from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.evidence import SubsetScore, TaskScore, from_record, to_record
from pytest_mlspec.gates import REFERENCE, Gate, judge
from pytest_mlspec.jobs import EvaluateTask, ReadPublished, Train


def task_score(*main: float, of: str = "model", split: str = "test", rows: int | None = 300) -> TaskScore:
    """A task with a subset for each score."""
    subsets = ["de", "en", "fr"]
    parts = tuple(
        SubsetScore(
            split, subset, ("eng-Latn",), {"main_score": value, "ndcg_at_10": value, "map_at_10": value / 2}, rows
        )
        for subset, value in zip(subsets, main, strict=False)
    )
    return TaskScore("SciFact", of, "ndcg_at_10", parts, "d" * 64, "2.26.24", "m" * 64, "cpu")


def judged(name: str, found: TaskScore, *, kind: str = "at_least", bound: float = 0.6) -> Verdict:
    return judge(Gate(quantities.parse(name), kind, (bound,)), {"measured": found})


def compared(value: float, reference: float, *, by: float = 0.0) -> Verdict:
    """No worse than a published score."""
    gate = Gate(quantities.parse("mteb.SciFact"), "no_worse_than", by=by)
    return judge(gate, {"measured": task_score(value), REFERENCE: task_score(reference, of="SciFact.json", rows=None)})


@pytest.mark.parametrize(
    ("value", "status"),
    [(0.64508, Status.PASSED), (0.6, Status.PASSED), (0.59999, Status.FAILED), (-0.2, Status.FAILED)],
)
def test_the_main_score_is_held_against_the_bound(value: float, status: Status) -> None:
    """At the limit too."""
    verdict = judged("mteb.SciFact", task_score(value))

    assert verdict.status is status
    assert (verdict.measured, verdict.n, verdict.device) == (value, 300, "cpu")
    assert verdict.facts == (f"the model: ndcg_at_10 on test/de; data {'d' * 12}; model {'m' * 12}; mteb 2.26.24",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mteb.SciFact", 0.7),
        ("mteb.SciFact[subset=en]", 0.9),
        ("mteb.SciFact[split=test]", 0.7),
        ("mteb.SciFact[score=map_at_10, subset=de]", 0.25),
    ],
)
def test_a_score_is_the_mean_of_what_is_selected(name: str, value: float) -> None:
    """Of all splits and subsets where nothing is."""
    assert judged(name, task_score(0.5, 0.9)).measured == pytest.approx(value)


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("mteb.SciFact[split=dev]", "SciFact was evaluated on test/de alone"),
        ("mteb.SciFact[subset=en]", "SciFact was evaluated on test/de alone"),
        ("mteb.SciFact[score=ndcg@10]", "SciFact has no score 'ndcg@10'"),
    ],
)
def test_a_score_that_was_not_measured_is_an_error(name: str, fact: str) -> None:
    """Never passed, and never skipped."""
    verdict = judged(name, task_score(0.5))

    assert verdict.status is Status.ERROR
    assert fact in verdict.facts


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_an_error(value: float) -> None:
    """Whatever the bound."""
    assert judged("mteb.SciFact", task_score(value)).status is Status.ERROR


@pytest.mark.parametrize(
    ("value", "reference", "by", "status"),
    [
        (0.64508, 0.64508, 0.0, Status.PASSED),
        (0.645079, 0.64508, 1e-6, Status.PASSED),
        (0.64504, 0.64508, 1e-6, Status.FAILED),
        (0.61, 0.62, 0.01, Status.PASSED),
        (0.6, 0.62, 0.01, Status.FAILED),
        (0.6, float("nan"), 0.01, Status.ERROR),
    ],
)
def test_a_score_is_no_worse_than_another(value: float, reference: float, by: float, status: Status) -> None:
    """By more than is allowed."""
    verdict = compared(value, reference, by=by)

    assert verdict.status is status


def test_what_is_compared_is_told_with_both_sources() -> None:
    """The data may be of another revision."""
    facts = compared(0.5, 0.6).facts

    assert {fact.partition(":")[0] for fact in facts} == {"the model", "SciFact.json"}


@pytest.mark.parametrize(
    ("name", "job"),
    [
        ("mteb.SciFact", EvaluateTask("SciFact", of=Train())),
        ("mteb.Banking77Classification.v2", EvaluateTask("Banking77Classification.v2", of=Train())),
        ("mteb.SciFact[of=base]", EvaluateTask("SciFact", of=None)),
    ],
)
def test_a_gate_asks_for_the_evaluation_of_its_model(name: str, job: EvaluateTask) -> None:
    """Names of tasks may hold dots."""
    assert quantities.parse(name).job == job


def test_a_gate_may_be_compared_with_the_base_and_with_a_file() -> None:
    """Each by its own job."""
    quantity = quantities.parse("mteb.SciFact")
    assert quantity.measure is not None
    references = quantity.measure.references

    assert references["base"](quantity.selectors) == EvaluateTask("SciFact", of=None)
    assert references["published"](quantity.selectors, file="a.json") == ReadPublished("SciFact", "a.json")


def test_a_score_is_stored_and_read_back() -> None:
    """With every part."""
    found = task_score(0.5, 0.9, rows=None)
    record = to_record(found)

    assert from_record(record.fields, record.volatile, pytest.fail) == found
