"""A plan has every claim of a spec in its order, and every job once, after those it needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from checks.made import training
from churn_spec import CHURN, spec

from pytest_mlspec.check import CHECKS, Status
from pytest_mlspec.checks import STANDARD
from pytest_mlspec.errors import Place
from pytest_mlspec.evidence import Score, ScoreTable
from pytest_mlspec.jobs import Export, MetricRequest, Prepare, Scores, Serve, Train, TrainSeeds, needed_by
from pytest_mlspec.plan import Claim, Plan, in_order, make_plan

GATE = "test.accuracy: {at_least: 0.9}"
GATES = """test.accuracy: {at_least: 0.9}
  gap.f1: {at_most: 0.1}
  test.roc_auc: {better_than: dummy, by: 0.2}
  train.seconds: {at_most: 2min}
  test.loss: {within: [0.1, 0.6931471805599453]}
  test.accuracy[plan=basic]: {better_than: dummy}"""


def claims(plan: Plan) -> dict[str, Claim]:
    return {claim.name: claim for claim in plan.claims}


def test_checks_come_in_the_order_of_the_standard_and_gates_in_that_of_the_file(tmp_path: Path) -> None:
    """However they are listed."""
    plan = make_plan(spec(tmp_path, ("[standard]", "[resumes, overfit, data]"), (GATE, GATES)))

    assert [claim.name for claim in plan.claims] == [
        "data",
        "overfit",
        "resumes",
        "test.accuracy",
        "gap.f1",
        "test.roc_auc",
        "train.seconds",
        "test.loss",
        "test.accuracy[plan=basic]",
    ]


def test_standard_stands_for_its_checks_and_others_add_to_it(tmp_path: Path) -> None:
    """An entry of its own, before or after, has the last word on its parameters and its place."""
    entries = "\n  - overfit: {steps: 300}\n  - standard\n  - skip: {check: resumes, why: slow}"

    plan = make_plan(spec(tmp_path, (" [standard]", entries)))
    found = claims(plan)

    assert [claim.name for claim in plan.claims] == [*STANDARD, "test.accuracy"]
    assert found["overfit"].jobs == {"run": Train(seed=0, batches=1, steps=300, until_left=0.05)}
    assert found["overfit"].place == Place("churn.mlspec.yaml", 13, 5)
    assert found["data"].place == Place("churn.mlspec.yaml", 14, 5)
    assert (found["resumes"].skip, found["resumes"].place.line) == ("slow", 15)


def test_every_job_comes_once_and_after_what_it_needs(tmp_path: Path) -> None:
    """Claims that look at one training share it."""
    plan = make_plan(spec(tmp_path, (GATE, GATES)))
    jobs = list(plan.jobs)

    assert len(set(jobs)) == len(jobs)
    assert all(jobs.index(needed) < jobs.index(job) for job in jobs for needed in needed_by(job))
    assert {job for claim in plan.claims if not claim.not_applicable for job in claim.jobs.values()} <= set(jobs)
    assert jobs.count(Train(seed=0)) == 1


RECIPE = ("model: {use: mlp, hidden: [8]}", "model: {use: mlp, hidden: [8]}\nrecipe: team")


def test_serving_recomputes_what_the_gates_ask_of_the_test_split(tmp_path: Path) -> None:
    """From raw rows, with the declared seed; a gap and the training rows are not served."""
    serve = claims(make_plan(spec(tmp_path, (GATE, GATES), RECIPE)))["serving"].jobs["served"]

    assert isinstance(serve, Serve)
    assert serve.of == Train(seed=0)
    assert serve.requests == (
        MetricRequest("accuracy", "test"),
        MetricRequest("roc_auc", "test"),
        MetricRequest("accuracy", "test", (("plan", "basic"),)),
    )


def test_without_a_recipe_there_is_no_serving_path(tmp_path: Path) -> None:
    """The spec tells, and no job is asked for."""
    plan = make_plan(spec(tmp_path))

    assert "`predict(trained, rows)` of a recipe" in claims(plan)["serving"].not_applicable
    assert not [job for job in plan.jobs if isinstance(job, Serve)]


@pytest.mark.parametrize("form", ["onnx", "skops"])
def test_an_exported_form_is_served_where_it_can_be_exported(tmp_path: Path, form: str) -> None:
    """Its job comes first."""
    plan = make_plan(spec(tmp_path, ("checks: [standard]", f"checks: [serving: {{of: {form}}}]")))
    (serve,) = (job for job in plan.jobs if isinstance(job, Serve))

    assert serve.export == Export(form, of=Train(seed=0))
    assert plan.jobs.index(serve.export) < plan.jobs.index(serve)


def test_one_job_computes_every_metric(tmp_path: Path) -> None:
    """Equal requests are one; a comparison adds that of the dummy."""
    found = claims(make_plan(spec(tmp_path, (GATE, GATES))))
    scores = found["test.accuracy"].jobs["scores 1"]

    assert scores == found["gap.f1"].jobs["scores 1"]
    assert scores == Scores(
        (
            MetricRequest("accuracy", "test"),
            MetricRequest("f1", "train"),
            MetricRequest("f1", "test"),
            MetricRequest("roc_auc", "test"),
            MetricRequest("roc_auc", "test", of="dummy"),
            MetricRequest("accuracy", "test", (("plan", "basic"),)),
            MetricRequest("accuracy", "test", (("plan", "basic"),), of="dummy"),
        ),
        of=Train(seed=0),
    )
    assert found["train.seconds"].jobs == {"run 1": Train(seed=0)}
    assert found["test.loss"].jobs == {"run 1": Train(seed=0)}


def test_folds_and_seeds_are_trainings_of_their_own(tmp_path: Path) -> None:
    """A gate on a cross-validation asks for one a fold, any other for one a seed; the checks look at the first seed."""
    gates = "cv.accuracy: {at_least: 0.9}\n  test.accuracy: {at_least: 0.9}\n  train.seconds: {at_most: 9s}"
    folds = ("split: {", "split: {folds: 2, ")
    found = claims(make_plan(spec(tmp_path, (GATE, gates), folds, ("epochs: 10", "epochs: 10\n  seeds: 2"))))
    request = (MetricRequest("accuracy", "test"),)

    assert found["cv.accuracy"].jobs == {
        "run 1": Train(seed=0, fold=0),
        "scores 1": Scores(request, of=Train(seed=0, fold=0)),
        "run 2": Train(seed=0, fold=1),
        "scores 2": Scores(request, of=Train(seed=0, fold=1)),
    }
    assert found["test.accuracy"].jobs == {
        "run 1": Train(seed=0, among=TrainSeeds(0, 2)),
        "scores 1": Scores(request, of=Train(seed=0, among=TrainSeeds(0, 2))),
        "run 2": Train(seed=1, among=TrainSeeds(0, 2)),
        "scores 2": Scores(request, of=Train(seed=1, among=TrainSeeds(0, 2))),
    }


@pytest.mark.parametrize("model", ["{use: mlp, hidden: [8], dropout: 0.1}", "{use: mlp, hidden: [256]}", "'team:Net'"])
def test_seeds_that_are_no_faster_at_once_are_jobs_of_their_own(tmp_path: Path, model: str) -> None:
    """They run side by side."""
    changed = ("{use: mlp, hidden: [8]}", model), ("epochs: 10", "epochs: 10\n  seeds: 2")
    found = claims(make_plan(spec(tmp_path, (GATE, "train.seconds: {at_most: 9s}"), *changed)))

    assert found["train.seconds"].jobs == {"run 1": Train(seed=0), "run 2": Train(seed=1)}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("test.accuracy", "test.accuracy is at least 0.9."),
        ("gap.f1", "gap.f1 is at most 0.1."),
        ("test.roc_auc", "test.roc_auc is better than the constant baseline by 0.2."),
        ("train.seconds", "train.seconds is at most 120 s."),
        ("test.loss", "test.loss is between 0.1 and 0.693147180559945."),
        ("test.accuracy[plan=basic]", "test.accuracy[plan=basic] is better than the constant baseline."),
        ("data", CHECKS.find("data").claim),
    ],
)
def test_a_claim_says_what_holds_when_it_passes(tmp_path: Path, name: str, sentence: str) -> None:
    """In one sentence: a check's own, or the bound of a gate with its unit."""
    assert claims(make_plan(spec(tmp_path, (GATE, GATES))))[name].sentence == sentence


def test_the_seed_of_the_spec_is_that_of_its_trainings(tmp_path: Path) -> None:
    """Of all but the one that is resumed, which takes it from the spec itself."""
    plan = make_plan(spec(tmp_path, ("epochs: 10", "seed: 7")))

    assert {job.seed for job in plan.jobs if isinstance(job, Train)} == {7}


def test_what_is_skipped_or_cannot_be_asked_runs_nothing(tmp_path: Path) -> None:
    """The engine says why."""
    train = "train:\n  optimizer: {use: adamw, lr: 3e-3}\n  epochs: 10\n"
    plan = make_plan(
        spec(
            tmp_path,
            (train, "train: {engine: sklearn}\n"),
            ("{use: mlp, hidden: [8]}", "GaussianNB"),
            ("[standard]", "[gradients, overfit, skip: {check: data, why: known}]"),
            (f"gates:\n  {GATE}\n", ""),
        )
    )
    found = claims(plan)

    assert plan.jobs == ()
    assert found["data"].skip == "known"
    assert found["gradients"].not_applicable == "an estimator of scikit-learn has no gradients"
    assert "fitted as a whole" in found["overfit"].not_applicable


def test_jobs_are_put_in_order_with_what_they_need() -> None:
    """Each once."""
    scores = Scores((), of=Train(seed=1))

    assert list(in_order([scores, Train(seed=1), Prepare()])) == [Prepare(), Train(seed=1), scores]


def test_a_claim_judges_the_evidence_of_its_jobs(tmp_path: Path) -> None:
    """By the names of its roles."""
    claim = claims(make_plan(spec(tmp_path)))["test.accuracy"]
    table = ScoreTable({"test.accuracy": Score(0.95, 100)})

    assert claim.judge({"run": training(), "scores": table}).status is Status.PASSED


def test_a_plan_is_named_by_its_file_and_its_spec(tmp_path: Path) -> None:
    """Two specs of one file have two plans."""
    plan = make_plan(spec(tmp_path, text=CHURN))

    assert (plan.id, plan.engine.name, plan.spec.name) == ("churn.mlspec.yaml::churn", "torch", "churn")
