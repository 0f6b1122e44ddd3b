"""The probe of a team's own evaluation: sound ones in several forms, and planted faults as teams make them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from projects import CANCER, DIABETES, DIGITS, Project

from pytest_mlspec.check import Status, Verdict
from pytest_mlspec.checks.evaluation import EvaluationParams, evaluation
from pytest_mlspec.evidence import Evaluation
from pytest_mlspec.jobs import Evaluate

# 899 rows for the test and batches of 64: three rows are left for the last one.
DIGITS_OF_TEAM: Mapping[str, Any] = {
    **DIGITS,
    "data": {"source": "sklearn.digits", "split": {"test": 0.5, "val": 0.1}},
    "model": {"use": "mlp", "hidden": [16], "dropout": 0.2},
    "train": {**DIGITS["train"], "epochs": 1},
    "recipe": {"use": "team"},
}

TEAM = """
import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score, accuracy_score
from torch.utils.data import DataLoader, TensorDataset


def rows(examples):
    return torch.from_numpy(examples.inputs), torch.from_numpy(examples.targets)


def answers(state, inputs):
    state.evaluated.eval()
    with torch.no_grad():
        return state.evaluated(inputs)


def loader(examples, shuffle=False, drop_last=False, size=64):
    return DataLoader(TensorDataset(*rows(examples)), batch_size=size, shuffle=shuffle, drop_last=drop_last)
"""

SOUND = {
    "at once": """
def evaluate(state, examples):
    inputs, targets = rows(examples)
    outputs = answers(state, inputs)
    labels = outputs.argmax(dim=1).numpy()
    return {
        "accuracy": float((labels == examples.targets).mean()),
        "f1_macro": f1_score(examples.targets, labels, average="macro"),
        "loss": float(F.cross_entropy(outputs, targets)),
        "seconds": float(np.random.default_rng().random()),
    }
""",
    "in batches, weighed": """
def evaluate(state, examples):
    right, loss, seen = 0, 0.0, 0
    for inputs, targets in loader(examples):
        outputs = answers(state, inputs)
        right += int((outputs.argmax(dim=1) == targets).sum())
        loss += float(F.cross_entropy(outputs, targets, reduction="sum"))
        seen += len(targets)
    return {"val_acc": right / seen, "val_loss": loss / seen}
""",
    "in mixed order, leaving training mode as it was": """
def evaluate(state, examples):
    right = 0
    for inputs, targets in loader(examples, shuffle=True):
        right += int((answers(state, inputs).argmax(dim=1) == targets).sum())
    state.evaluated.train()
    return {"accuracy": right / len(examples)}
""",
    "in percent": """
def evaluate(state, examples):
    inputs, targets = rows(examples)
    return {"accuracy": round(100 * float((answers(state, inputs).argmax(dim=1) == targets).float().mean()), 2)}
""",
    "rounded": """
def evaluate(state, examples):
    inputs, targets = rows(examples)
    labels = answers(state, inputs).argmax(dim=1)
    return {"error_rate": round(float((labels != targets).float().mean()), 4), "f1": round(
        f1_score(targets, labels, average="weighted"), 3)}
""",
    "with gradients cleared": """
def evaluate(state, examples):
    state.optimizer.zero_grad()
    inputs, targets = rows(examples)
    return {"accuracy": float((answers(state, inputs).argmax(dim=1) == targets).double().mean())}
""",
    "a loss of its own": """
def evaluate(state, examples):
    inputs, targets = rows(examples)
    return {"loss": float(F.cross_entropy(answers(state, inputs), targets, label_smoothing=0.3))}
""",
}

FAULTS = {
    "evaluation.other_split": """
def evaluate(state, examples):
    data = load_digits()
    inputs = torch.from_numpy((data.data / 16).astype("float32"))
    labels = answers(state, (inputs - inputs.mean(0)) / (inputs.std(0) + 1e-9)).argmax(dim=1).numpy()
    return {"accuracy": float((labels == data.target).mean())}
""",
    "evaluation.rows": """
def evaluate(state, examples):
    inputs, targets = rows(examples)
    labels = answers(state, inputs).argmax(dim=1)
    kept = targets != 8
    return {"accuracy": float((labels[kept] == targets[kept]).double().mean())}
""",
    "evaluation.rows of the sure ones": """
def evaluate(state, examples):
    inputs, targets = rows(examples)
    sure, labels = answers(state, inputs).softmax(dim=1).max(dim=1)
    return {"accuracy": float((labels == targets)[sure > 0.5].double().mean())}
""",
    "evaluation.rows without the last": """
def evaluate(state, examples):
    right, seen = 0, 0
    for inputs, targets in loader(examples, drop_last=True):
        right += int((answers(state, inputs).argmax(dim=1) == targets).sum())
        seen += len(targets)
    return {"accuracy": right / seen}
""",
    "evaluation.batches": """
def evaluate(state, examples):
    found = [
        float((answers(state, inputs).argmax(dim=1) == targets).float().mean()) for inputs, targets in loader(examples)
    ]
    return {"accuracy": float(np.mean(found))}
""",
    "evaluation.averaging": """
def evaluate(state, examples):
    inputs, targets = rows(examples)
    labels = answers(state, inputs).argmax(dim=1)
    return {"f1_macro": f1_score(targets, labels, average="micro")}
""",
    "evaluation.averaging of an open name": """
def evaluate(state, examples):
    inputs, targets = rows(examples)
    labels = answers(state, inputs).argmax(dim=1)
    return {"f1": f1_score(targets, labels, average="micro")}
""",
    "evaluation.changes by backward": """
def evaluate(state, examples):
    inputs, targets = rows(examples)
    state.evaluated.eval()
    outputs = state.evaluated(inputs)
    loss = F.cross_entropy(outputs, targets)
    loss.backward()
    return {"loss": float(loss), "accuracy": float((outputs.argmax(dim=1) == targets).double().mean())}
""",
    "evaluation.changes by a step": """
def evaluate(state, examples):
    state.evaluated.eval()
    inputs, targets = rows(examples)
    accuracy = float((state.evaluated(inputs).argmax(dim=1) == targets).double().mean())
    F.cross_entropy(state.evaluated(inputs), targets).backward()
    state.optimizer.step()
    state.optimizer.zero_grad()
    return {"accuracy": accuracy}
""",
    "evaluation.changes of what learns": """
def evaluate(state, examples):
    for parameter in state.model.parameters():
        parameter.requires_grad_(False)
    inputs, targets = rows(examples)
    return {"accuracy": float((answers(state, inputs).argmax(dim=1) == targets).double().mean())}
""",
    "evaluation.repeat in training mode": """
def evaluate(state, examples):
    inputs, targets = rows(examples)
    with torch.no_grad():
        return {"accuracy": float((state.evaluated.train()(inputs).argmax(dim=1) == targets).double().mean())}
""",
    "evaluation.repeat with augmented rows": """
def evaluate(state, examples):
    inputs, targets = rows(examples)
    inputs = inputs + 0.05 * torch.randn_like(inputs)
    return {"accuracy": float((answers(state, inputs).argmax(dim=1) == targets).double().mean())}
""",
    "evaluation.fails": """
def evaluate(state, examples):
    raise KeyError("accuracy")
""",
}


def measured(project: Project, spec: Mapping[str, Any]) -> Evaluation:
    found = project.run(Evaluate(), spec, project.trained(spec)).evidence
    assert isinstance(found, Evaluation)
    return found


def judged(project: Project, spec: Mapping[str, Any]) -> Verdict:
    return evaluation(EvaluationParams(), measured(project, spec))


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_evaluation_is_no_alarm(project: Project, name: str) -> None:
    """However it goes over its rows, and in whatever form it writes its numbers."""
    project.write("team", TEAM + SOUND[name])
    verdict = judged(project, DIGITS_OF_TEAM)

    assert (verdict.status, verdict.summary) == (Status.PASSED, verdict.summary)


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(project: Project, name: str) -> None:
    """Each by its own name."""
    project.write("team", TEAM + FAULTS[name])
    spec = {**DIGITS_OF_TEAM, "train": {**DIGITS_OF_TEAM["train"], "checkpoint": None}}
    if name == "evaluation.fails" or "changes" in name:
        spec = {**spec, "data": {"source": "sklearn.digits", "split": {"test": 0.5}}}  # the loop would meet it first
    verdict = judged(project, spec)

    assert verdict.status is Status.FAILED
    assert name.partition(" ")[0] in verdict.findings


OF_VALUES = """
import numpy as np
import torch
from sklearn.metrics import r2_score

def evaluate(state, examples):
    state.evaluated.eval()
    with torch.no_grad():
        values = state.evaluated(torch.from_numpy(examples.inputs)).squeeze(1).numpy()
    errors = values - examples.targets
    return {"rmse": float(np.sqrt((errors**2).mean())), "MAE": float(np.abs(errors).mean()),
        "r2": r2_score(examples.targets, values), "test/loss": float((errors**2).mean())}
"""
OF_ERRORS_OF_BATCHES = """
import numpy as np
import torch

def evaluate(state, examples):
    state.evaluated.eval()
    inputs, targets = torch.from_numpy(examples.inputs), torch.from_numpy(examples.targets)
    with torch.no_grad():
        found = [((state.evaluated(x).squeeze(1) - y) ** 2).mean() for x, y in zip(inputs.split(32), targets.split(32))]
    return {"mse": float(np.mean(found))}
"""


def test_metrics_of_values_are_compared(project: Project) -> None:
    """The loss too, where it is one of them."""
    project.write("team", OF_VALUES)
    spec = {**DIABETES, "recipe": {"use": "team"}}
    found = measured(project, spec)

    assert evaluation(EvaluationParams(), found).status is Status.PASSED
    assert {each.name for each in found.metrics if not each.unscored} == {"rmse", "MAE", "r2", "test/loss"}
    assert found.slices is None


def test_a_mean_of_the_errors_of_batches_is_seen(project: Project) -> None:
    """89 rows in batches of 32: the last one has 25."""
    project.write("team", OF_ERRORS_OF_BATCHES)
    verdict = judged(project, {**DIABETES, "recipe": {"use": "team"}})

    assert "evaluation.batches" in verdict.findings
    assert any("the mean over batches of 32 rows" in fact for fact in verdict.facts)


def test_scaled_targets_are_not_held_against_stored_predictions(project: Project) -> None:
    """The loop gives evaluate what the loss sees."""
    project.write("team", OF_VALUES)
    data = {"source": "sklearn.diabetes", "prepare_target": ["standardize"]}
    found = measured(project, {**DIABETES, "data": data, "recipe": {"use": "team"}})

    assert evaluation(EvaluationParams(), found).status is Status.PASSED
    assert all("scaled" in each.unscored for each in found.metrics if each.case in ("whole", "fewer"))


OF_TWO = """
import torch
from sklearn.metrics import f1_score, roc_auc_score

class Team:
    def __init__(self, positive=1, other=False):
        self.positive, self.other = positive, other

    def evaluate(self, state, examples):
        state.evaluated.eval()
        with torch.no_grad():
            share = state.evaluated(torch.from_numpy(examples.inputs)).softmax(dim=1)[:, self.positive].numpy()
        truth = examples.targets == self.positive
        labels = share > 0.5
        return {"f1": f1_score(truth, ~labels if self.other else labels), "auc": roc_auc_score(truth, share)}
"""


@pytest.mark.parametrize(
    ("arguments", "task", "status"),
    [
        ({}, "binary", Status.PASSED),
        ({"positive": 0}, "binary", Status.PASSED),
        ({"positive": 0}, {"use": "binary", "positive": 0}, Status.PASSED),
        ({"positive": 0}, {"use": "binary", "positive": 1}, Status.FAILED),
        ({"other": True}, "binary", Status.FAILED),
    ],
)
def test_the_positive_class_is_the_declared_one_or_open(
    project: Project, arguments: dict[str, Any], task: Any, status: Status
) -> None:
    """The last one counts as positive for scikit-learn; a team may mean the other."""
    project.write("team", OF_TWO)
    spec = {**CANCER, "task": task, "recipe": {"use": "team:Team", "with": arguments}}

    assert judged(project, spec).status is status


FITS = """
import numpy as np
from sklearn.linear_model import LogisticRegression

def fit(examples, *, seed):
    model = LogisticRegression(max_iter=50).fit(examples["train"].inputs, examples["train"].targets)
    model.seen = np.zeros(1)
    model.kept = examples["train"]
    return model

def predict(fitted, inputs):
    return fitted.predict_proba(inputs)
"""
EVALUATIONS_OF_FITS = {
    "": """
def evaluate(fitted, examples):
    return {"accuracy": fitted.score(examples.inputs, examples.targets)}
""",
    "evaluation.other_split": """
def evaluate(fitted, examples):
    return {"accuracy": fitted.score(fitted.kept.inputs, fitted.kept.targets)}
""",
    "evaluation.rows": """
def evaluate(fitted, examples):
    easy = examples.targets != 8
    return {"accuracy": fitted.score(examples.inputs[easy], examples.targets[easy])}
""",
    "evaluation.changes": """
def evaluate(fitted, examples):
    fitted.coef_ *= 0.9
    return {"accuracy": fitted.score(examples.inputs, examples.targets)}
""",
}


@pytest.mark.parametrize("finding", EVALUATIONS_OF_FITS)
def test_what_a_fit_of_the_team_returned_is_evaluated_too(project: Project, finding: str) -> None:
    """By its arrays and its predictions."""
    project.write("team", FITS + EVALUATIONS_OF_FITS[finding])
    train = {"engine": "callable"}
    verdict = judged(project, {"data": DIGITS["data"], "recipe": {"use": "team"}, "train": train})

    assert verdict.status is (Status.FAILED if finding else Status.PASSED)
    assert not finding or finding in verdict.findings


MODELS = """
import torch
from torch import nn
from torch.nn import functional as F

class Sound(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.head = nn.Linear(64, 16), nn.BatchNorm1d(16), nn.Linear(16, 10)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        self.calls += 1
        return self.head(F.dropout(self.norm(self.first(x)).relu(), 0.3, self.training))

class MeanOfInputs(Sound):
    '''Its running mean moves in evaluation too.'''

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(64))

    def forward(self, x):
        self.mean = self.mean.mul_(0.9).add_(0.1 * x.detach().mean(dim=0))
        return super().forward(x - 0.01 * self.mean)

class DropsAlways(Sound):
    def forward(self, x):
        return super().forward(F.dropout(x, 0.1))
"""


@pytest.mark.parametrize(
    ("name", "findings"),
    [("Sound", set()), ("MeanOfInputs", {"evaluation.changes"}), ("DropsAlways", {"evaluation.repeat"})],
)
def test_a_forward_in_evaluation_mode_changes_nothing(project: Project, name: str, findings: set[str]) -> None:
    """A count of calls is nothing that an answer is computed from."""
    project.write("models", MODELS)

    assert findings <= set(judged(project, {**DIGITS, "model": f"models:{name}"}).findings)


AUGMENTED = """
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.utils.data import Dataset

class Digits(Dataset):
    def __init__(self, rows, augment):
        data = load_digits()
        self.inputs = torch.from_numpy((data.data[rows] / 16).astype("float32"))
        self.targets, self.augment = data.target[rows], augment

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, row):
        inputs = self.inputs[row]
        return (inputs + 0.05 * torch.randn(64) if self.augment else inputs), int(self.targets[row])

class Team:
    def __init__(self, also_in_test=False):
        self.also_in_test = also_in_test

    def load(self):
        return {"train": Digits(slice(0, 500), True), "test": Digits(slice(500, 700), self.also_in_test)}

    def build_model(self):
        return torch.nn.Sequential(torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10))
"""


@pytest.mark.parametrize(("also_in_test", "findings"), [(False, ()), (True, ("evaluation.repeat",))])
def test_augmentation_left_on_at_evaluation_is_seen(
    project: Project, also_in_test: bool, findings: tuple[str, ...]
) -> None:
    """Other random numbers make other rows."""
    project.write("team", AUGMENTED)
    recipe = {"use": "team:Team", "with": {"also_in_test": also_in_test}}
    spec = {"task": "multiclass", "recipe": recipe, "train": DIGITS["train"]}

    assert judged(project, spec).findings == findings


BROKEN = """
import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer

class Team:
    '''Rows of two plans; `breaks` says what goes wrong with one of them.'''

    def __init__(self, breaks=""):
        self.breaks = breaks

    def load(self):
        data = load_breast_cancer()
        table = pd.DataFrame(data.data, columns=[f"x{number}" for number in range(30)])
        table["plan"] = np.where(np.arange(len(table)) % 4 == 0, "basic", "full")
        return table, data.target

    def fit_prepare(self, rows):
        numbers = rows.features.drop(columns="plan")
        return numbers.mean(), numbers.std(), len(rows)

    def prepare(self, rows, fitted):
        mean, std, train = fitted
        inputs = ((rows.features.drop(columns="plan") - mean) / std).to_numpy("float32", copy=True)
        basic = (rows.features["plan"] == "basic").to_numpy()
        if self.breaks == "zeros":
            inputs[basic] = 0
        if self.breaks == "zeros in the test" and len(rows) != train:
            inputs[basic] = 0
        if self.breaks == "sign in the test" and len(rows) != train:
            inputs[basic] *= -1
        return inputs, rows.targets
"""


@pytest.mark.parametrize("breaks", ["", "zeros", "zeros in the test", "sign in the test"])
def test_a_part_of_the_rows_that_broke_is_seen(project: Project, breaks: str) -> None:
    """By a column that does not enter the model."""
    project.write("team", BROKEN)
    split = {"test": 0.5, "stratify": True}
    spec = {
        "task": "binary",
        "data": {"split": split},
        "recipe": {"use": "team:Team", "with": {"breaks": breaks}},
        "model": {"use": "mlp", "hidden": [16]},
        "train": {"epochs": 10, "optimizer": {"use": "adamw", "lr": 1e-2}},
    }
    verdict = judged(project, spec)

    assert verdict.findings == (("evaluation.slice",) if breaks else ())
    assert not breaks or "plan=basic" in verdict.summary or "one input" in verdict.summary


ZEROED = """
class Team:
    '''The rows of one digit lose their pixels; there is no column that tells them.'''

    def __init__(self, digit=3):
        self.digit = digit

    def fit_prepare(self, rows):
        return None

    def prepare(self, rows, fitted):
        inputs = rows.features.astype("float32") / 16
        inputs[rows.targets == self.digit] = 0
        return inputs, rows.targets
"""


def test_a_class_whose_rows_lost_their_content_is_seen(project: Project) -> None:
    """Though every answer may be right."""
    project.write("team", ZEROED)

    assert judged(project, {**DIGITS, "recipe": {"use": "team:Team"}}).findings == ("evaluation.slice",)
