"""The engine torch: what a training gives, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from projects import CANCER, DIABETES, DIGITS, Project

from pytest_mlspec.engines.predictions import loss
from pytest_mlspec.engines.torch import restore, run
from pytest_mlspec.errors import RecipeError, TrainingError, UserCodeError
from pytest_mlspec.evidence import Interruption, TrainingRun
from pytest_mlspec.jobs import Interrupt, Resume, Train
from pytest_mlspec.recipe.preparation import prepare_all

KEEPING = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, kept):
        super().__init__()
        self.kept = kept
        self.cached = None
        self.register_buffer("mean", torch.zeros(64))
        self.layers = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.LazyLinear(10) if kept == "lazy" else nn.Linear(16, 10))

    def forward(self, x):
        if self.kept == "cache":
            if self.cached is None:
                self.cached = torch.linspace(0.5, 1.5, 10)
            return self.layers(x) * self.cached
        if self.kept == "buffer":
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
        return self.layers(x - self.mean)
"""


def test_a_training_reports_what_it_did(project: Project) -> None:
    """The history has a value for each step, and every split has a loss before and after."""
    run = project.train(DIGITS)

    assert (run.engine, run.seed, run.steps, run.epochs) == ("torch", 0, 18, 2)
    assert len(run.loss_S) == len(run.gradient_norm_S) == len(run.learning_rate_S) == run.planned_steps == 18
    assert set(run.losses) == set(run.losses_before) == {"train", "val", "test"}
    assert run.losses["train"] < run.losses_before["train"]
    assert all(set(epoch) == {"train.loss", "val.loss"} for epoch in run.epochs_log)
    assert run.parameters == 64 * 16 + 16 + 16 * 10 + 10
    assert run.seconds > 0
    assert len(run.weights_digest) == len(run.predictions_digest) == 64
    assert (run.stopped, run.predictions, run.loss_floor) == ("finished 2 epochs", "probabilities", 0.0)


def test_without_a_validation_split_the_test_loss_is_logged(project: Project) -> None:
    """Each epoch has the loss of a held-out split, whichever there is."""
    run = project.train(CANCER)

    assert all(set(epoch) == {"train.loss", "test.loss"} for epoch in run.epochs_log)


def test_predictions_are_stored_for_every_split(project: Project) -> None:
    """Rows of probabilities sum to 1, and their log loss is the cross-entropy of the run."""
    result = project.run(Train(), DIGITS)
    predicted = result.arrays["predictions/test"]
    targets = prepare_all(project.work(DIGITS).recipe).prepared.splits["test"].targets

    assert set(result.arrays) == {"predictions/train", "predictions/val", "predictions/test"}
    np.testing.assert_allclose(predicted.sum(axis=1), 1, rtol=1e-12)
    assert isinstance(result.evidence, TrainingRun)
    assert loss(predicted, targets, "probabilities") == pytest.approx(result.evidence.losses["test"], rel=1e-5)


def test_two_trainings_with_one_seed_are_equal(project: Project) -> None:
    """Also where the second begins with perturbed generators."""
    first, second = project.train(DIGITS), project.train(DIGITS, Train(fresh=True))

    assert first.weights_digest == second.weights_digest
    assert first.predictions_digest == second.predictions_digest
    assert first.loss_S.values.tolist() == second.loss_S.values.tolist()


def test_another_seed_gives_another_training(project: Project) -> None:
    """The seed of the job replaces that of the spec."""
    first, second = project.train(DIGITS), project.train(DIGITS, Train(seed=1))

    assert second.seed == 1
    assert first.weights_digest != second.weights_digest


@pytest.mark.parametrize("at", [0.01, 0.4, 0.5, 0.99])
def test_a_resumed_training_equals_one_that_was_not_interrupted(project: Project, at: float) -> None:
    """Whole history, weights and predictions, to the last bit, wherever it was interrupted."""
    model = {"use": "mlp", "hidden": [16], "dropout": 0.2}
    spec = {**DIGITS, "model": model, "train": {**DIGITS["train"], "schedule": "cosine", "clip_norm": 1.0}}
    whole, resumed = project.train(spec), project.train(spec, Resume(at=at))

    assert resumed.resumed_at == min(max(1, round(at * 18)), 17)
    assert resumed.loss_S.values.tolist() == whole.loss_S.values.tolist()
    assert resumed.epochs_log == whole.epochs_log
    assert resumed.losses_before == whole.losses_before
    assert (resumed.weights_digest, resumed.predictions_digest) == (whole.weights_digest, whole.predictions_digest)


def test_an_interruption_hands_over_its_checkpoint_alone(project: Project) -> None:
    """And says at which step it was made; the training that goes on from there needs nothing else."""
    work = project.work(DIGITS)

    result = run(Interrupt(at=0.25), work)

    assert isinstance(result.evidence, Interruption)
    assert result.evidence.step == 4
    assert set(result.evidence.losses_before) == {"train", "val", "test"}
    assert [path.name for path in work.folder.iterdir()] == ["checkpoint"]


def test_a_training_that_stops_early_is_interrupted_before_its_end(project: Project) -> None:
    """The share is taken of the steps that it takes, not of those that were planned."""
    stop = {"monitor": "val.loss", "patience": 1, "min_delta": 100.0}
    spec = {**DIGITS, "train": {"epochs": 50, "early_stop": stop}}
    whole, resumed = project.train(spec), project.train(spec, Resume(at=0.5))

    assert whole.steps == 18
    assert resumed.resumed_at == 9
    assert resumed.weights_digest == whole.weights_digest


@pytest.mark.parametrize("kept", ["lazy", "cache", "buffer"])
def test_what_the_first_forward_makes_is_fit_for_training(project: Project, kept: str) -> None:
    """Layers that take their size from the first input, and tensors that a model keeps: the first forward is a measurement."""
    project.write("keeping", KEEPING)
    spec = {**DIGITS, "model": {"use": "keeping:Net", "kept": kept}}
    whole, resumed = project.train(spec), project.train(spec, Resume())

    assert whole.losses["train"] < whole.losses_before["train"]
    assert resumed.weights_digest == whole.weights_digest


def test_a_training_of_one_step_cannot_be_interrupted(project: Project) -> None:
    """There is no step with one before and one after it."""
    with pytest.raises(TrainingError, match="a training of 1 step cannot be interrupted"):
        project.train(DIGITS, Resume(steps=1))


def test_a_training_on_one_batch_sees_that_batch_alone(project: Project) -> None:
    """As many steps as asked for, at a constant rate, and the loss falls towards zero."""
    spec = {**DIGITS, "train": {**DIGITS["train"], "schedule": "cosine", "early_stop": {"patience": 1}}}
    run = project.train(spec, Train(batches=1, steps=100))

    assert (run.rows, run.steps, run.planned_steps, len(run.loss_S)) == (64, 100, 100, 100)
    assert set(run.learning_rate_S.values.tolist()) == {1e-2}
    assert run.losses["train"] < 0.05 * run.losses_before["train"]
    assert set(run.losses) == {"train"}
    assert "trained on 1 of its batches, at a constant rate, without early stop" in run.notes


def test_a_metric_that_decides_is_measured_after_each_epoch(project: Project) -> None:
    """An early stop that monitors accuracy takes more to be better, and keeps the best epoch."""
    stop = {"monitor": "val.accuracy", "patience": 2}
    run = project.train({**DIGITS, "train": {**DIGITS["train"], "epochs": 4, "early_stop": stop}})
    accuracies = [epoch["val.accuracy"] for epoch in run.epochs_log]

    assert run.best_epoch == accuracies.index(max(accuracies))


def test_the_test_split_cannot_be_monitored(project: Project) -> None:
    """It is not among the names that an early stop may look at."""
    stop = {"monitor": "test.loss"}
    with pytest.raises(RecipeError, match=r"'test\.loss' cannot be monitored"):
        project.train({**DIGITS, "train": {**DIGITS["train"], "early_stop": stop}})


def test_binary_outputs_of_one_column_become_two(project: Project) -> None:
    """The second column is the sigmoid, the probability of the second class."""
    train = {**DIGITS["train"], "loss": "binary_cross_entropy_with_logits"}
    result = project.run(Train(), {**CANCER, "train": train})

    assert result.arrays["predictions/test"].shape == (114, 2)


def test_a_regression_predicts_values(project: Project) -> None:
    """One value a row."""
    result = project.run(Train(), DIABETES)

    assert result.arrays["predictions/test"].shape == (89,)
    assert isinstance(result.evidence, TrainingRun)
    assert result.evidence.predictions == "values"


def test_the_restored_model_predicts_the_same(project: Project) -> None:
    """The weights come from the file, not from a new training."""
    needed = project.trained(DIGITS)
    work = project.work(DIGITS, needed)
    inputs = work.prepared.splits["test"].inputs

    np.testing.assert_allclose(restore(Train(), work)(inputs), needed[Train()].array("predictions/test"), rtol=1e-6)


def test_news_are_told_while_it_runs(project: Project) -> None:
    """The first batch is told of, with the lengths."""
    project.train(DIGITS)

    assert project.news[0] == {"epoch": 1, "epochs": 2, "step": 0, "steps": 18}


def test_a_model_with_too_few_outputs_is_refused_before_training(project: Project) -> None:
    """The message names both shapes."""
    project.write(
        "narrow", "from torch import nn\n\nclass Net(nn.Linear):\n    def __init__(self): super().__init__(64, 5)\n"
    )
    with pytest.raises(RecipeError, match=r"shape \[N, 5\]; 10 classes with cross_entropy need \[N, 10\]") as raised:
        project.train({**DIGITS, "model": "narrow:Net"})

    assert raised.value.key == "model"


RAISES = """
from torch import nn

class Net(nn.Linear):
    def __init__(self, **_):
        super().__init__(64, 10)

    def forward(self, inputs):
        if self.training:
            raise KeyError("features")
        return super().forward(inputs)
"""


def test_an_exception_of_the_model_is_the_users(project: Project) -> None:
    """It carries the user's traceback, without frames of ours."""
    project.write("raising", RAISES)
    with pytest.raises(UserCodeError, match="KeyError: 'features'") as raised:
        project.train({**DIGITS, "model": "raising:Net"})

    assert "raising.py" in raised.value.details
    assert "training/loop.py" not in raised.value.details


OWN_STEP = """
import torch
import torch.nn.functional as F

def training_step(state, batch):
    state.optimizer.zero_grad()
    loss = F.cross_entropy(state.model(batch.inputs), batch.targets)
    loss.backward()
    state.optimizer.step()
    return loss

def loss(outputs, batch):
    return F.cross_entropy(outputs, batch.targets)

def collate(examples):
    return torch.from_numpy(examples.inputs), torch.from_numpy(examples.targets)
"""


def test_the_teams_own_step_loss_and_collate_train_the_same_model(project: Project) -> None:
    """A step that does what the loop does gives the same weights, and what outputs are taken for is noted."""
    project.write("own", OWN_STEP)
    run = project.train({**DIGITS, "recipe": {"use": "own"}})

    assert run.weights_digest == project.train(DIGITS).weights_digest
    assert run.notes == ("the loss is the team's own: outputs are taken as logits, predictions are their softmax",)
