"""Answers and plans as text: the verdict within the first characters, then what explains it and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from churn_spec import Change, spec

from pytest_mlspec.check import Status, Verdict, at_least, failed, passed
from pytest_mlspec.errors import Place
from pytest_mlspec.evidence import Array, Cost, Evidence, TrainingRun
from pytest_mlspec.jobs import Train
from pytest_mlspec.plan import Claim, make_plan
from pytest_mlspec.report import failure_text, measured_lines, plan_lines, properties
from pytest_mlspec.report.cost import cost_text
from pytest_mlspec.report.measured import measured_text
from pytest_mlspec.report.verdict import FACTS_SHOWN
from pytest_mlspec.session import Answer, Progress, Session
from pytest_mlspec.store import Key, Store, environment
from pytest_mlspec.store.inputs import Inputs
from pytest_mlspec.workers.tasks import Outcome, Task


def nobody(evidence: Mapping[str, Evidence]) -> Verdict:
    raise AssertionError("nothing is judged here")


CLAIM = Claim(
    "test.accuracy",
    Place("specs/churn.mlspec.yaml", 14, 3),
    "test.accuracy is at least 0.95.",
    {"run": Train(seed=0)},
    nobody,
)
RED = (
    at_least(0.931, 0.95)
    .on(n=360, seed=0, device="cpu")
    .explained("most confused: 8 as 1 (7 rows)", advice="look at them")
)


def answer(
    verdict: Verdict,
    *,
    evidence: tuple[str, ...] = (),
    reused: bool = False,
    trainings: Mapping[str, TrainingRun] | None = None,
) -> Answer:
    return Answer(CLAIM, verdict, CLAIM.place, evidence, reused=reused, trainings=trainings or {})


def test_a_failure_says_where_what_why_and_what_next() -> None:
    """Place, claim, verdict and numbers stand in the first line."""
    text = failure_text(answer(RED, evidence=(".mlspec/evidence/3f2a",)))

    assert text.splitlines() == [
        "specs/churn.mlspec.yaml:14:3  test.accuracy FAILED: 0.931, at least 0.95 (seed 0, n=360, cpu)",
        "  most confused: 8 as 1 (7 rows)",
        "  claim: test.accuracy is at least 0.95.",
        "  next: look at them",
        "  evidence: .mlspec/evidence/3f2a/",
    ]


def test_a_failure_without_more_to_say_is_short() -> None:
    """Nothing is made up."""
    text = failure_text(answer(failed("it does not hold")))

    assert text.splitlines() == [
        "specs/churn.mlspec.yaml:14:3  test.accuracy FAILED: it does not hold",
        "  claim: test.accuracy is at least 0.95.",
    ]


def test_a_cause_that_another_claim_tells_is_one_line() -> None:
    """What is claimed does not help there."""
    verdict = Verdict(Status.ERROR, "not run, because the warehouse does not answer")

    assert failure_text(replace(answer(verdict), told_with="data")) == (
        "specs/churn.mlspec.yaml:14:3  test.accuracy ERROR: not run, because the warehouse does not answer;"
        " told in full with data"
    )


def test_the_log_of_a_failed_job_is_named() -> None:
    """As the last line."""
    text = failure_text(replace(answer(Verdict(Status.ERROR, "it ended")), log_file=".mlspec/logs/1.txt"))

    assert text.splitlines()[-1] == "  log: .mlspec/logs/1.txt"


def test_many_facts_are_cut_and_counted() -> None:
    """The first are the most telling."""
    verdict = failed("bad").explained(*(f"fact {number}" for number in range(FACTS_SHOWN + 5)))

    lines = failure_text(answer(verdict)).splitlines()

    assert lines[FACTS_SHOWN : FACTS_SHOWN + 2] == [f"  fact {FACTS_SHOWN - 1}", "  … 5 more lines"]


def test_properties_hold_the_verdict_as_data() -> None:
    """What is not known is left out; 0 is known."""
    verdict = replace(RED, measured=0.0)

    assert dict(properties(answer(verdict, evidence=("a", "b")))) == {
        "mlspec.status": "failed",
        "mlspec.summary": "0.931, at least 0.95",
        "mlspec.measured": "0.0",
        "mlspec.allowed": "at least 0.95",
        "mlspec.n": "360",
        "mlspec.seed": "0",
        "mlspec.device": "cpu",
        "mlspec.evidence": "a b",
        "mlspec.reused": "false",
    }
    assert dict(properties(answer(passed("fine")))) == {"mlspec.status": "passed", "mlspec.summary": "fine"}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            answer(at_least(0.966, 0.95).on(n=360, seed=0, device="cpu")),
            "passed: 0.966, at least 0.95 (seed 0, n=360, cpu)",
        ),
        (answer(passed("fine"), evidence=("a",), reused=True), "passed: fine, stored"),
        (answer(Verdict(Status.NOT_APPLICABLE, "no gradients")), "not applicable: no gradients"),
    ],
)
def test_what_was_measured_is_one_line(given: Answer, line: str) -> None:
    """Made from the properties, which cross from the workers of xdist."""
    assert measured_text(properties(given)) == line


def test_an_item_that_is_no_claim_was_not_measured() -> None:
    """Its properties are another plugin's."""
    assert measured_text([("other", 1)]) == ""


# Plans


class NothingRuns:
    """Refuses every task."""

    def submit(self, tasks: Iterable[Task]) -> None:
        """Nothing may be handed over."""
        raise AssertionError(list(tasks))

    def outcome(self, key: str, *, on_progress: Progress | None = None) -> Outcome:
        """Nothing may be waited for."""
        raise AssertionError(key)

    def close(self) -> None:
        """There is nothing to end."""


def lines(root: Path, *changes: Change, fresh: bool = False) -> list[str]:
    plan = make_plan(spec(root, *changes))
    session = Session(root, Store(root), NothingRuns(), fresh=fresh)
    return list(plan_lines(session, plan, plan.claims))


def test_a_plan_shows_each_job_its_state_and_who_needs_it(tmp_path: Path) -> None:
    """In the order in which they would run; nothing runs."""
    shown = lines(tmp_path, ("[standard]", "[data, skip: {check: resumes, why: too slow}]"))

    assert shown[0] == "churn.mlspec.yaml::churn  (engine torch, limit 600 s a job)"
    assert [line.split("  ")[1] for line in shown[1:7:2]] == [
        "prepare the data",
        "train (seed 0)",
        "compute the metrics (seed 0)",
    ]
    assert shown[2::2][:3] == ["      for data", "      for test.accuracy", "      for test.accuracy"]
    assert shown[1].partition("runs: ")[2] != ""
    assert shown[3].endswith("runs: a job that it needs runs")
    assert shown[7] == "  resumes: skipped: too slow"


def test_a_plan_says_that_nothing_stored_counts(tmp_path: Path) -> None:
    """With --mlspec-fresh."""
    shown = lines(tmp_path, ("[standard]", "[data]"), fresh=True)

    assert [line.rpartition("  ")[2].strip() for line in shown[1:7:2]] == ["runs: --mlspec-fresh"] * 3


def test_a_plan_shows_what_is_reused(tmp_path: Path) -> None:
    """Where the store has proved evidence of a job."""
    plan = make_plan(spec(tmp_path, ("[standard]", "[data]"), ("gates:\n  test.accuracy: {at_least: 0.9}\n", "")))
    session = Session(tmp_path, Store(tmp_path), NothingRuns())
    (job,) = plan.jobs
    request = session.task(plan, job).request
    inputs = Inputs(packages=environment.installed(tmp_path))
    with session.store.draft(Key(request["label"], request["ingredients"])) as draft:
        draft.publish({"evidence": {}, "unprovable": ""}, inputs=inputs, volatile={"seconds": 1.5})

    shown = list(plan_lines(session, plan, plan.claims))

    assert "prepare the data" in shown[1]
    assert "reused (" in shown[1]
    assert shown[1].endswith("), took 1.50 s")


RUN = TrainingRun(
    engine="torch",
    seed=0,
    device="cpu",
    device_reason="cpu: asked for",
    threads=1,
    steps=30,
    epochs=3,
    planned_steps=30,
    rows=3000,
    parameters=10,
    stopped="finished 3 epochs",
    best_epoch=None,
    loss_S=Array.of([]),
    gradient_norm_S=Array.of([]),
    learning_rate_S=Array.of([]),
    epochs_log=(),
    losses_before={},
    losses={},
    weights_digest="",
    predictions_digest="",
    examples_digest="",
    seconds=2.0,
)


def cost(**changes: object) -> Cost:
    """What a training of 90,000 rows took."""
    fields: dict[str, object] = {
        "rows": 90_000,
        "rows_per_second": 45_000.0,
        "phase_seconds": {"fetch": 0.5, "forward and backward": 1.5},
        "peak_memory": 412_000_000,
    }
    return Cost(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "skipped", "line"),
    [
        (None, 0, ""),
        (cost(), 0, "t: 30 steps in 2 s, 45,000 rows/s; fetch 25%, forward and backward 75%; peak memory 412 MB"),
        (
            cost(phase_seconds={}, peak_device_memory=2_000_000, utilisation=0.5),
            3,
            "t: 30 steps in 2 s, 45,000 rows/s; peak memory 412 MB; on the GPU 2 MB; GPU busy 50%; 3 steps skipped for fp16",
        ),
    ],
)
def test_what_a_training_cost_is_one_line(found: Cost | None, skipped: int, line: str) -> None:
    """With what was measured; an engine that measures nothing has no line."""
    run = replace(RUN, cost=found, skipped_steps=skipped)

    assert cost_text("t", run) == line


def test_what_a_pass_lets_through_is_told_below_it() -> None:
    """Nothing else shows it: a column that looks like an identifier, the rows that two splits share."""
    given = answer(passed("fine").explained("another value in every row: customer; is it an identifier?"))
    red = answer(failed("bad").explained("told with the failure"))

    assert measured_lines([("a", properties(given)), ("b", properties(red))]) == [
        "a  passed: fine",
        "  another value in every row: customer; is it an identifier?",
        "b  failed: bad",
    ]


def test_a_training_behind_several_claims_is_told_once() -> None:
    """By its property, which crosses from the workers of xdist."""
    run = replace(RUN, cost=cost())
    items = [(name, list(properties(answer(passed(name), trainings={"t": run})))) for name in "ab"]

    assert measured_lines(items) == ["a  passed: a", "b  passed: b", cost_text("t", run)]


def test_what_was_noted_is_told_once_for_all_claims_and_seeds() -> None:
    """The notes of trainings, and the warnings of Python in the logs of the jobs."""
    given = {f"t (seed {seed})": replace(RUN, notes=("no dropout",)) for seed in range(3)}
    warned = replace(answer(passed("fine"), trainings=given), warnings=("team/data.py:3: UserWarning: old",))

    shown = measured_lines([(name, list(properties(warned))) for name in "ab"])

    assert shown == [
        "a  passed: fine",
        "b  passed: fine",
        "note: t (seeds 0 to 2): no dropout",
        "note: team/data.py:3: UserWarning: old",
    ]


def test_a_plan_shows_the_trainings_of_several_seeds_and_folds_as_one(tmp_path: Path) -> None:
    """With the same state, for the same claims."""
    gates = "gates:\n  cv.accuracy: {at_least: 0.9}\n"
    shown = lines(
        tmp_path,
        ("[standard]", "[data]"),
        ("split: {", "split: {folds: 3, "),
        ("epochs: 10", "epochs: 10\n  seeds: 4"),
        ("hidden: [8]", "hidden: [8], dropout: 0.5"),
        ("gates:\n", gates),
    )

    assert [line.split("  ")[1] for line in shown[1::2]] == [
        "prepare the data",
        "prepare the data (folds 1 to 3)",
        "train (seed 0, folds 1 to 3)",
        "compute the metrics (seed 0, folds 1 to 3)",
        "train (seeds 0 to 3)",
        "compute the metrics (seeds 0 to 3)",
    ]
