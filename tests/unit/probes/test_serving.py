"""The probe of serving paths, on a healthy team and on the faults that serving paths have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from projects import Kept, Project

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.serving import ServingParams, serving
from pytest_mlspec.errors import DataError, NotApplicableError, UserCodeError
from pytest_mlspec.evidence import Served
from pytest_mlspec.jobs import Job, MetricRequest, Prepare, Serve, Train
from pytest_mlspec.recipe.work import Stored

TEAM = """
import random
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

PLANS = ["basic", "plus", "premium"]

def load():
    draws = random.Random(3)
    rows = range(240)
    table = pd.DataFrame({
        "plan": [draws.choice(PLANS) for _ in rows],
        "tenure": [float(draws.randint(1, 90)) for _ in rows],
        "fee": [round(draws.uniform(10, 90), 2) for _ in rows],
        "calls": [draws.randint(0, 6) for _ in rows],
    })
    left = (table["calls"] - table["tenure"] / 20 + (table["plan"] == "basic")) > 0
    table.loc[::9, "fee"] = np.nan
    return table, np.where(left, "yes", "no")

def fit_prepare(train_rows):
    numbers = train_rows.features[["tenure", "fee", "calls"]]
    return {"median": numbers.median(), "mean": numbers.mean(), "std": numbers.std()}

def features(table, fitted):
    numbers = table[["tenure", "fee", "calls"]].astype(float).fillna(fitted["median"])
    scaled = (numbers - fitted["mean"]) / fitted["std"]
    plans = np.stack([(table["plan"] == plan).to_numpy() for plan in PLANS], axis=1)
    return np.concatenate([scaled.to_numpy(), plans], axis=1).astype("float32")

def prepare(rows, fitted):
    return features(rows.features, fitted), rows.targets

def build_model():
    layers = torch.nn.Linear(6, 16), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(16, 2)
    return torch.nn.Sequential(*layers)

@torch.no_grad()
def answered(trained, inputs):
    return F.softmax(trained.model(torch.as_tensor(inputs, dtype=torch.float32)), dim=-1)
"""

HEALTHY = """
def predict(trained, rows):
    return answered(trained, features(rows, trained.fitted))
"""

SPEC: Mapping[str, Any] = {
    "task": {"use": "binary", "positive": "yes"},
    "recipe": {"use": "team"},
    "data": {"split": {"test": 0.4}},
    "train": {"epochs": 12, "optimizer": {"use": "adamw", "lr": 1e-2}},
    "gates": {},
}
ACCURACY = (MetricRequest("accuracy", "test"),)


def served(project: Project, code: str, job: Serve | None = None, *, spec: Mapping[str, Any] = SPEC) -> Served:
    """What `predict` of the team with `code` serves."""
    project.write("team", TEAM + code)
    needed: dict[Job, Stored] = {}
    for each in (Prepare(), Train()):
        work = project.work(spec, needed)
        needed[each] = Kept(project.run(each, spec, needed, work=work), work.folder)
    evidence = project.run(job or Serve(requests=ACCURACY), spec, needed).evidence
    assert isinstance(evidence, Served)
    return evidence


def judged(evidence: Served, **params: Any) -> Verdict:
    return serving(ServingParams(**params), evidence)


def red_cases(evidence: Served) -> set[str]:
    """The cases that are no longer equal up to rounding."""
    return {
        name
        for name, found in evidence.differences.items()
        if found.error or found.absolute is None or found.absolute > 1e-4 * found.scale
    }


def test_a_healthy_path_serves_what_was_reported(project: Project) -> None:
    """In every case that a table has."""
    found = served(project, HEALTHY)

    assert set(found.differences) == {"whole", "again", "alone", "order", "columns", "json", "missing"}
    assert red_cases(found) == set()
    assert found.rows == 96
    assert judged(found).status is Status.PASSED
    assert judged(found).summary.endswith("served")


FORMS = {
    "a DataFrame in another order of classes": """
def predict(trained, rows):
    both = answered(trained, features(rows, trained.fitted)).numpy()
    return pd.DataFrame({"yes": both[:, 1], "no": both[:, 0]})
""",
    "mappings": """
def predict(trained, rows):
    both = answered(trained, features(rows, trained.fitted)).tolist()
    return [dict(zip(trained.classes, row)) for row in both]
""",
    "the probability of the positive class": """
def predict(trained, rows):
    return answered(trained, features(rows, trained.fitted))[:, 1]
""",
    "labels": """
def predict(trained, rows):
    numbers = answered(trained, features(rows, trained.fitted)).argmax(1).tolist()
    return [trained.classes[number] for number in numbers]
""",
    "what was written to disk": """
SERVICES = {}

def loaded(folder):
    model = build_model().eval()
    model.load_state_dict(torch.load(folder / "weights.pt"))
    return model, pd.read_json(folder / "numbers.json")

def predict(trained, rows):
    if trained.folder not in SERVICES:
        torch.save(trained.model.state_dict(), trained.folder / "weights.pt")
        pd.DataFrame(trained.fitted).to_json(trained.folder / "numbers.json", double_precision=15)
        SERVICES[trained.folder] = loaded(trained.folder)
    model, numbers = SERVICES[trained.folder]
    with torch.no_grad():
        return model(torch.as_tensor(features(rows, numbers))).softmax(-1)
""",
}


@pytest.mark.parametrize("code", FORMS.values(), ids=FORMS)
def test_answers_may_have_any_of_the_forms(project: Project, code: str) -> None:
    """Names of classes put them in order."""
    found = served(project, code)

    assert red_cases(found) == set()
    assert judged(found).status is Status.PASSED


FAULTS = {
    "the normaliser is missing": (
        """
def predict(trained, rows):
    table = rows.assign(fee=rows["fee"].fillna(trained.fitted["median"]["fee"]))
    return answered(trained, features(table, {**trained.fitted, "mean": 0.0, "std": 1.0}))
""",
        {"whole", "missing"},
    ),
    "the classes are swapped": (
        """
def predict(trained, rows):
    return answered(trained, features(rows, trained.fitted)).flip(1)
""",
        {"whole", "missing"},
    ),
    "the input is truncated": (
        """
def predict(trained, rows):
    inputs = features(rows, trained.fitted)
    inputs[:, 5:] = 0
    return answered(trained, inputs)
""",
        {"whole", "missing"},
    ),
    "the weights are stale": (
        """
def predict(trained, rows):
    torch.manual_seed(0)
    stale = build_model().eval()
    with torch.no_grad():
        return stale(torch.as_tensor(features(rows, trained.fitted))).softmax(-1)
""",
        {"whole", "missing"},
    ),
    "nothing is imputed": (
        """
def predict(trained, rows):
    return answered(trained, features(rows.fillna({"fee": 0.0}), trained.fitted))
""",
        {"whole", "missing"},
    ),
    "columns go by position": (
        """
def predict(trained, rows):
    table = rows.set_axis(["plan", "tenure", "fee", "calls"], axis="columns")
    return answered(trained, features(table, trained.fitted))
""",
        {"columns"},
    ),
    "the scaling is fitted on the request": (
        """
def predict(trained, rows):
    numbers = rows[["tenure", "fee", "calls"]].astype(float)
    return answered(trained, features(rows, {**trained.fitted, "mean": numbers.mean()}))
""",
        {"whole", "again", "alone", "order", "columns", "json", "missing"},
    ),
    "the model is put into training mode": (
        """
def predict(trained, rows):
    trained.model.train()
    return answered(trained, features(rows, trained.fitted))
""",
        {"whole", "again", "alone", "order", "columns", "json", "missing"},
    ),
    "JSON's whole numbers are none that it knows": (
        """
def predict(trained, rows):
    if rows["tenure"].dtype != float:
        raise TypeError("tenure must be float")
    return answered(trained, features(rows, trained.fitted))
""",
        {"json"},
    ),
    "rows are sorted on the way": (
        """
def predict(trained, rows):
    return answered(trained, features(rows.sort_values("calls", kind="stable"), trained.fitted))
""",
        {"whole", "again", "alone", "order", "columns", "json"},
    ),
}


@pytest.mark.parametrize(("code", "cases"), FAULTS.values(), ids=FAULTS)
def test_a_fault_of_the_path_is_red(project: Project, code: str, cases: set[str]) -> None:
    """In the cases that it concerns, and in no other."""
    found = served(project, code)

    assert red_cases(found) == cases
    assert judged(found).status is Status.FAILED


def test_a_feature_of_the_target_cannot_be_served(project: Project) -> None:
    """Rows come without it, so what is put in its place makes other answers."""
    peeking = """
def prepare(rows, fitted):
    inputs = features(rows.features, fitted)
    inputs[:, 0] = rows.targets == "yes"
    return inputs, rows.targets

def predict(trained, rows):
    inputs = features(rows, trained.fitted)
    inputs[:, 0] = 0
    return answered(trained, inputs)
"""
    verdict = judged(served(project, peeking))

    assert verdict.status is Status.FAILED
    assert verdict.summary.startswith("test.accuracy 0.9")


def test_the_metric_as_served_stands_first(project: Project) -> None:
    """With the classes that are mixed up."""
    verdict = judged(served(project, FAULTS["the classes are swapped"][0]))

    assert verdict.summary.startswith("test.accuracy 0.9")
    assert verdict.summary.endswith(" served")
    assert any("mixed up: in their places yes, no are served" in fact for fact in verdict.facts)


def test_gradients_recorded_while_serving_are_red(project: Project) -> None:
    """The answers are right, and their graph is kept."""
    verdict = judged(
        served(
            project,
            "def predict(trained, rows): return trained.model(torch.as_tensor(features(rows, trained.fitted))).softmax(-1)",
        )
    )

    assert verdict.status is Status.FAILED
    assert "gradients are recorded" in verdict.summary
    assert "no_grad" in verdict.advice[0]


def test_logits_are_no_probabilities(project: Project) -> None:
    """The error says what to apply."""
    with pytest.raises(Exception, match="gives no probabilities") as raised:
        served(
            project, "def predict(trained, rows): return trained.model(torch.as_tensor(features(rows, trained.fitted)))"
        )

    assert "softmax" in getattr(raised.value, "advice", "")


def test_what_predict_raises_is_the_teams(project: Project) -> None:
    """On the whole split it is told like any exception of the team."""
    with pytest.raises(UserCodeError, match="predict raised KeyError: 'churned'"):
        served(project, "def predict(trained, rows): return rows['churned']")


def test_a_recipe_without_predict_cannot_be_asked(project: Project) -> None:
    """And the reason names what is missing."""
    with pytest.raises(NotApplicableError, match=r"gives no `predict\(trained, rows\)`"):
        served(project, "")


def test_a_metric_that_labels_do_not_give_is_named(project: Project) -> None:
    """The others are compared."""
    requests = (*ACCURACY, MetricRequest("roc_auc", "test"), MetricRequest("recall", "test", where=(("plan", "plus"),)))
    verdict = judged(served(project, FORMS["labels"], Serve(requests=requests)))

    assert verdict.status is Status.PASSED
    assert any(fact.startswith("test.roc_auc is not compared: roc_auc needs probabilities") for fact in verdict.facts)
    assert any(fact.startswith("test.recall[plan=plus] ") for fact in verdict.facts)


def test_a_preparation_of_the_spec_is_read_from_its_files(project: Project) -> None:
    """`fitted.inputs` makes of raw rows what enters the model; an array is served too."""
    code = """
del prepare, fit_prepare, load, build_model

def predict(trained, rows):
    return answered(trained, trained.fitted.inputs(rows))
"""
    spec = {
        **SPEC,
        "task": "multiclass",
        "model": {"use": "mlp", "hidden": [16]},
        "data": {"source": "sklearn.digits", "split": {"test": 0.4}},
    }
    found = served(project, code, spec=spec)

    assert set(found.differences) == {"whole", "again", "alone", "order"}
    assert red_cases(found) == set()


@pytest.mark.parametrize(
    ("estimator", "predict"),
    [("LogisticRegression", "predict_proba"), ("LogisticRegression", "predict"), ("RidgeClassifier", "predict")],
)
def test_an_estimator_is_served(project: Project, estimator: str, predict: str) -> None:
    """The engine sklearn gives the fitted estimator; its labels are numbers of the classes."""
    code = f"def predict(trained, rows): return trained.model.{predict}(trained.fitted.inputs(rows))"
    spec = {
        "task": "multiclass",
        "recipe": {"use": "estimating"},
        "data": {"source": "sklearn.wine", "split": {"test": 0.4}},
        "model": estimator,
        "train": {"engine": "sklearn"},
    }
    project.write("estimating", code)
    found = served(project, "", spec=spec)

    assert red_cases(found) == set()
    assert judged(found).status is Status.PASSED


def test_values_are_served(project: Project) -> None:
    """Of a regression, in the unit of the target."""
    project.write(
        "regressing",
        "import torch\ndef predict(trained, rows):\n"
        "    with torch.no_grad():\n"
        "        return trained.model(torch.as_tensor(trained.fitted.inputs(rows)))",
    )
    spec = {
        "task": "regression",
        "recipe": {"use": "regressing"},
        "data": {"source": "sklearn.diabetes", "split": {"test": 0.4}},
        "model": {"use": "mlp", "hidden": [8]},
    }
    found = served(project, "", Serve(requests=(MetricRequest("r2", "test"),)), spec=spec)

    assert red_cases(found) == set()
    assert judged(found).status is Status.PASSED


def deployed(project: Project, spec: Mapping[str, Any], form: str = "onnx") -> Served:
    """What the exported form serves behind the stored preparation."""
    job = Serve(form=form)
    assert job.export is not None
    needed: dict[Job, Stored] = {}
    for each in (Prepare(), Train(), job.export):
        work = project.work(spec, needed)
        needed[each] = Kept(project.run(each, spec, needed, work=work), work.folder)
    evidence = project.run(job, spec, needed).evidence
    assert isinstance(evidence, Served)
    return evidence


WINE: Mapping[str, Any] = {"task": "multiclass", "data": {"source": "sklearn.wine", "split": {"test": 0.4}}}


@pytest.mark.parametrize(
    "spec",
    [
        {**WINE, "model": {"use": "mlp", "hidden": [8]}},
        {**WINE, "model": "LogisticRegression", "train": {"engine": "sklearn"}},
    ],
    ids=["torch", "sklearn"],
)
def test_an_exported_model_is_served_behind_the_stored_preparation(project: Project, spec: Mapping[str, Any]) -> None:
    """Raw rows give what the training reported, without the team's code."""
    found = deployed(project, spec)

    assert (found.path, red_cases(found)) == ("onnx", set())
    assert set(found.differences) == {"whole", "again", "alone", "order", "columns", "json"}
    assert judged(found, of="onnx").status is Status.PASSED


def test_an_export_without_its_preparation_is_not_served(project: Project) -> None:
    """The team's own preparation is not stored, and is named."""
    project.write("team", TEAM)

    with pytest.raises(NotApplicableError, match="the preparation is the team's own"):
        deployed(project, SPEC)


GOLDEN = Serve(golden="golden.json", requests=ACCURACY)


def test_golden_rows_that_are_not_there_are_an_error(project: Project) -> None:
    """What is served now is left with the evidence."""
    verdict = judged(served(project, HEALTHY, GOLDEN), golden="golden.json")

    assert verdict.status is Status.ERROR
    assert verdict.summary == "golden.json is not there: nothing was compared with it"
    assert golden_candidate(project)["rows"][0].keys() == {"plan", "tenure", "fee", "calls"}


def golden_candidate(project: Project) -> dict[str, Any]:
    (path,) = project.root.glob("job*/golden.json")
    found: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return found


def test_golden_rows_are_served_again(project: Project) -> None:
    """Equal for the same model, and red for one that gives other outputs."""
    served(project, HEALTHY, GOLDEN)
    golden = golden_candidate(project)
    (project.root / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
    again = judged(served(project, HEALTHY, GOLDEN), golden="golden.json")
    golden["outputs"][3] = {"yes": golden["outputs"][3]["no"], "no": golden["outputs"][3]["yes"]}
    (project.root / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
    other = judged(served(project, HEALTHY, GOLDEN), golden="golden.json")

    assert again.status is Status.PASSED
    assert other.status is Status.FAILED
    assert other.summary.startswith("golden rows: row 4 differs by")


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"rows": [], "outputs": []}', '{"rows": [{"plan": "plus"}], "outputs": ["maybe"]}']
)
def test_a_file_of_another_form_is_an_error(project: Project, text: str) -> None:
    """The form is shown."""
    (project.root / "golden.json").write_text(text, encoding="utf-8")
    with pytest.raises(Exception, match=r"golden\.json") as raised:
        served(project, HEALTHY, GOLDEN)

    assert '{"rows": […], "outputs": […]}' in getattr(raised.value, "advice", "")


def test_a_golden_output_that_is_not_finite_is_a_mistake_of_the_file(project: Project) -> None:
    """And not of predict, which gives none."""
    served(project, HEALTHY, GOLDEN)
    golden = golden_candidate(project)
    golden["outputs"][2]["yes"] = None
    (project.root / "golden.json").write_text(json.dumps(golden), encoding="utf-8")

    with pytest.raises(DataError, match=r"golden\.json cannot be read: golden\.json gives nan for row 3 of 8"):
        served(project, HEALTHY, GOLDEN)


COSTLY = {
    "serving.calls": """
def predict(trained, rows):
    parts = [answered(trained, features(rows.iloc[[at]], trained.fitted)) for at in range(len(rows))]
    return torch.cat(parts)
""",
    "serving.reload": """
def predict(trained, rows):
    weights = trained.folder / "weights.pt"
    if not weights.exists():
        torch.save(trained.model.state_dict(), weights)
    trained.model.load_state_dict(torch.load(weights))
    return answered(trained, features(rows, trained.fitted))
""",
    "serving.gradients": """
def predict(trained, rows):
    outputs = trained.model(torch.as_tensor(features(rows, trained.fitted)))
    return F.softmax(outputs, dim=-1).detach().numpy()
""",
    "serving.classes": """
def predict(trained, rows):
    both = answered(trained, features(rows, trained.fitted)).numpy()
    return np.where(both[:, 0] > 0.5, "yes", "no")
""",
}


@pytest.mark.parametrize("finding", COSTLY)
def test_what_the_answers_do_not_tell_is_red(project: Project, finding: str) -> None:
    """A call for each row, a model that is loaded for each request, a graph that is recorded and thrown away; and a mix-up."""
    verdict = judged(served(project, COSTLY[finding]))

    assert verdict.status is Status.FAILED
    assert finding in verdict.findings
    assert "serving.whole" not in verdict.findings


@pytest.mark.parametrize("without", ["calls", "reload"])
def test_what_a_service_has_to_do_may_be_declared(project: Project, without: str) -> None:
    """Rows that cannot be stacked, or memory for no model."""
    found = served(project, COSTLY[f"serving.{without}"])

    assert judged(found, without=(without,)).status is Status.PASSED


THRIFTY = {
    "small batches": """
def predict(trained, rows):
    inputs = features(rows, trained.fitted)
    return torch.cat([answered(trained, inputs[at : at + 4]) for at in range(0, len(inputs), 4)])
""",
    "several views of each request": """
def predict(trained, rows):
    inputs = features(rows, trained.fitted)
    return sum(answered(trained, inputs) for _ in range(8)) / 8
""",
    "a log of requests": """
def predict(trained, rows):
    with open(trained.folder / "requests.log", "a") as log:
        log.write(f"{len(rows)} rows\\n")
    return answered(trained, features(rows, trained.fitted))
""",
}


@pytest.mark.parametrize("code", THRIFTY.values(), ids=THRIFTY)
def test_what_a_service_may_do_is_no_alarm(project: Project, code: str) -> None:
    """Batches of its own size, several calls of all rows, files that it writes."""
    assert judged(served(project, code)).status is Status.PASSED


ESTIMATOR = {
    "looped": """
def predict(trained, rows):
    inputs = features(rows, trained.fitted)
    return np.concatenate([trained.model.predict_proba(row[None]) for row in inputs])
""",
    "at once": """
def predict(trained, rows):
    return trained.model.predict_proba(features(rows, trained.fitted))
""",
}


@pytest.mark.parametrize(("code", "status"), [("looped", Status.FAILED), ("at once", Status.PASSED)])
def test_calls_of_an_estimator_are_counted_too(project: Project, code: str, status: Status) -> None:
    """Its type is as before, afterwards."""
    from sklearn.linear_model import LogisticRegression

    team = TEAM.replace("def build_model", "def another_model")
    before = LogisticRegression.predict_proba
    spec = {**SPEC, "model": "LogisticRegression", "train": {"engine": "sklearn"}}
    project.write("team", team + ESTIMATOR[code])
    needed: dict[Job, Stored] = {}
    for each in (Prepare(), Train()):
        work = project.work(spec, needed)
        needed[each] = Kept(project.run(each, spec, needed, work=work), work.folder)
    evidence = project.run(Serve(requests=ACCURACY), spec, needed).evidence
    assert isinstance(evidence, Served)

    assert judged(evidence).status is status
    assert LogisticRegression.predict_proba is before
    assert evidence.calls == (((8, 8), (24, 24)) if code == "looped" else ((8, 1), (24, 1)))
