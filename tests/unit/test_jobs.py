"""Jobs are values: equal work is an equal job, in this process and in any other."""

from __future__ import annotations

import json

import pytest

from pytest_mlspec.jobs import (
    ChanceScore,
    ConstantLoss,
    Evaluate,
    GradientFlow,
    Interrupt,
    Job,
    MetricRequest,
    ObserveInputs,
    Prepare,
    ProbeCapacity,
    ProbeLoss,
    ReferenceStep,
    Refit,
    ReplaySchedule,
    Resume,
    RoundTrip,
    RowIndependence,
    Scores,
    SearchProperties,
    Train,
    TrainSeeds,
    WatchLoop,
    from_json,
    needed_by,
    to_json,
    with_seed,
)

REQUEST = MetricRequest("recall", "test", (("plan", "basic"), ("day", "1, 2")), "yes", "dummy")

EVERY: list[Job] = [
    Prepare(),
    Prepare(fold=1, shuffled=True),
    Refit(),
    ObserveInputs(rows=8),
    ChanceScore(of=Train(steps=8, shuffled=True)),
    Train(),
    Train(shuffled=True),
    Train(seed=3, batches=1, steps=200, fresh=True),
    Interrupt(at=0.25),
    Resume(at=0.25, steps=8),
    RowIndependence(rows=4, of=Train(seed=1)),
    ProbeCapacity(of=Train(seed=1)),
    ProbeLoss(start_deviation=2.0),
    ReplaySchedule(use="cosine", arguments=(("warmup", 0.1),), of=Train(seed=1)),
    GradientFlow(),
    WatchLoop(),
    SearchProperties(examples=5, of=Train(seed=1)),
    ReferenceStep(loss='{"use": "mse"}', clip_norm=1.0),
    Evaluate(of=Train(seed=1)),
    RoundTrip(steps=2),
    ConstantLoss(),
    TrainSeeds(first=3, count=8),
    Train(seed=4, among=TrainSeeds(first=3, count=8)),
    Train(seed=4, fold=2),
    Scores((REQUEST, MetricRequest("accuracy", "val")), of=Train(seed=2)),
]


@pytest.mark.parametrize("job", EVERY, ids=lambda job: job.title)
def test_a_job_comes_back_from_json(job: Job) -> None:
    """Equal, and hashable."""
    restored = from_json(json.loads(json.dumps(to_json(job))))

    assert restored == job
    assert hash(restored) == hash(job)


@pytest.mark.parametrize("job", EVERY, ids=lambda job: job.title)
def test_what_a_job_needs_needs_nothing_more_than_the_data(job: Job) -> None:
    """The chain is as short as that."""
    data = ((), (Prepare(),), (Prepare(shuffled=True),))

    assert all(needed_by(needed) in data for needed in needed_by(job))


def test_what_is_measured_on_a_training_needs_it() -> None:
    """And the data; a training in a fresh interpreter uses nothing that was stored."""
    assert needed_by(Scores((), of=Train(seed=2))) == (Prepare(), Train(seed=2))
    assert needed_by(RowIndependence(of=Train(seed=1))) == (Prepare(), Train(seed=1))
    assert needed_by(Resume(at=0.25, steps=8)) == (Prepare(), Interrupt(at=0.25, steps=8))
    assert needed_by(Train(seed=0)) == (Prepare(),)
    assert needed_by(Train(seed=0, fresh=True)) == ()
    assert needed_by(Train(seed=0, fold=2)) == (Prepare(fold=2),)
    assert needed_by(Scores((), of=Train(seed=0, fold=2))) == (Prepare(fold=2), Train(seed=0, fold=2))
    assert needed_by(Train(seed=3, among=TrainSeeds(0, 8))) == (Prepare(), TrainSeeds(0, 8))
    assert needed_by(Prepare()) == ()
    assert needed_by(Train(seed=0, shuffled=True)) == (Prepare(shuffled=True),)
    assert needed_by(ChanceScore(of=Train(shuffled=True))) == (Prepare(shuffled=True), Train(shuffled=True))
    assert needed_by(Refit()) == (Prepare(),)


def test_an_open_seed_becomes_that_of_the_spec() -> None:
    """So that equal work is an equal value; a seed that is given stays."""
    assert with_seed(Train(batches=1), 7) == Train(seed=7, batches=1)
    assert with_seed(Train(seed=1), 7) == Train(seed=1)
    assert with_seed(RowIndependence(), 7) == RowIndependence(of=Train(seed=7))
    assert with_seed(Scores(()), 7) == Scores((), of=Train(seed=7))
    assert with_seed(Scores((), of=Train(seed=1)), 7) == Scores((), of=Train(seed=1))
    assert with_seed(Resume(), 7) == Resume()


def test_the_key_of_a_request_tells_it_from_every_other() -> None:
    """Rows, class and model are in it."""
    keys = {
        MetricRequest("recall", "test").key,
        MetricRequest("recall", "train").key,
        MetricRequest("recall", "test", (("class", "a"),)).key,
        MetricRequest("recall", "test", (("plan", "a"),)).key,
        MetricRequest("recall", "test", of="dummy").key,
        REQUEST.key,
    }

    assert len(keys) == 6
    assert REQUEST.key == "dummy:test.recall[plan=basic, day=1, 2, class=yes]"


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (Train(seed=0), "train (seed 0)"),
        (Train(seed=0, batches=1, steps=200), "train (seed 0, batches 1, steps 200)"),
        (Train(seed=0, fresh=True), "train (seed 0, fresh interpreter)"),
        (Interrupt(at=0.25), "train, interrupted at 25%"),
        (Resume(at=0.5), "train, interrupted at 50% and resumed"),
        (Resume(at=0.5, steps=8), "train, interrupted at 50% and resumed (steps 8)"),
        (Scores((), of=Train(seed=0)), "compute the metrics (seed 0)"),
        (Prepare(fold=0), "prepare the data (fold 1)"),
        (Prepare(shuffled=True), "prepare the data (shuffled targets)"),
        (Train(seed=0, shuffled=True), "train (seed 0, shuffled targets)"),
        (TrainSeeds(0, 8), "train (seeds 0 to 7)"),
        (Train(seed=3, among=TrainSeeds(0, 8)), "train (seed 3, of 8)"),
        (Train(seed=0, fold=0), "train (seed 0, fold 1)"),
        (Scores((), of=Train(seed=1, fold=1)), "compute the metrics (seed 1, fold 2)"),
    ],
)
def test_a_job_has_a_title(job: Job, words: str) -> None:
    """For progress and messages."""
    assert job.title == words
