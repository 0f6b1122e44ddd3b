"""The engine lightning: what a training gives, what the module sees, and what is refused."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from projects import CANCER, DIABETES, DIGITS, Project

from pytest_mlspec.engines import ENGINES
from pytest_mlspec.errors import MlspecError, NotApplicableError, RecipeError, TrainingError, UserCodeError
from pytest_mlspec.evidence import Interruption, TrainingRun
from pytest_mlspec.jobs import Interrupt, Resume, Train

TEAM = """
import lightning as L
import torch
from torch import nn

SEEN = []

class Net(L.LightningModule):
    def __init__(self, inputs=64, outputs=10, schedule="", loss="cross_entropy"):
        super().__init__()
        self.save_hyperparameters()
        self.layers = nn.Sequential(nn.Linear(inputs, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, outputs))

    def forward(self, x):
        return self.layers(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        SEEN.append(("train", self.current_epoch, batch_idx, len(x)))
        outputs = self(x)
        loss = getattr(nn.functional, self.hparams.loss)(outputs if y.dtype == torch.int64 else outputs.squeeze(1), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        SEEN.append(("val", self.current_epoch, batch_idx, len(batch[0])))
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=1e-2)
        if not self.hparams.schedule:
            return optimizer
        steps = self.trainer.estimated_stepping_batches
        scheduler = {
            "step": {"scheduler": torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-2, steps), "interval": "step"},
            "epoch": {"scheduler": torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)},
            "plateau": {"scheduler": torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer), "monitor": "val_loss"},
        }[self.hparams.schedule]
        return {"optimizer": optimizer, "lr_scheduler": scheduler}

class Several(Net):
    def __init__(self):
        super().__init__()
        self.colours = nn.Embedding(4, 3)
        self.head = nn.Linear(4, 2)

    def forward(self, numbers, categories):
        return self.head(torch.cat([numbers, self.colours(categories).flatten(1)], dim=1))

    def training_step(self, batch, batch_idx):
        inputs, y = batch
        return nn.functional.cross_entropy(self(**inputs), y)

class Manual(Net):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

class Silent(Net):
    def training_step(self, batch, batch_idx):
        return None

class Unfinished(Net):
    def configure_optimizers(self):
        return None

class Ending(Net):
    def on_train_batch_start(self, batch, batch_idx):
        self.trainer.should_stop = batch_idx == 3

class Asking(Net):
    def training_step(self, batch, batch_idx):
        self.trainer.should_stop |= batch_idx == 3
        return super().training_step(batch, batch_idx)

class Undefined(Net):
    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * (float("nan") if self.global_step == 4 else 1.0)

class Raising(Net):
    def training_step(self, batch, batch_idx):
        raise LookupError("no such layer")

class Plain(nn.Linear):
    def __init__(self):
        super().__init__(64, 10)
"""


def spec(model: str | Mapping[str, Any] = "Net", data: Mapping[str, Any] = DIGITS, **train: Any) -> dict[str, Any]:
    use = {"use": model} if isinstance(model, str) else dict(model)
    declared = {"engine": "lightning", "epochs": 2, "batch_size": 64, **train}
    return {**data, "model": {**use, "use": f"team:{use.get('use', 'Net')}"}, "train": declared}


@pytest.fixture(autouse=True)
def _team(project: Project) -> None:
    project.write("team", TEAM)


def test_a_training_reports_what_it_did(project: Project) -> None:
    """The history has a value for each optimiser step, and every split has a loss before and after."""
    run = project.train(spec())

    assert (run.engine, run.seed, run.steps, run.epochs) == ("lightning", 0, 18, 2)
    assert len(run.loss_S) == len(run.gradient_norm_S) == len(run.learning_rate_S) == run.planned_steps == 18
    assert set(run.losses) == set(run.losses_before) == {"train", "val", "test"}
    assert run.losses["train"] < run.losses_before["train"]
    assert all(set(epoch) == {"train.loss", "val.loss"} for epoch in run.epochs_log)
    assert (run.gradient_norm_S.values > 0).all()
    assert run.parameters == 64 * 16 + 16 + 16 * 10 + 10
    assert (run.stopped, run.predictions) == ("finished 2 epochs", "probabilities")
    assert run.cost is not None
    assert run.cost.rows == 2 * 538


def test_the_module_sees_the_rows_of_each_epoch_and_validates_after_it(project: Project) -> None:
    """Batches of the declared size, and the validation split where the module has a validation_step."""
    project.train(spec())
    import team  # type: ignore[import-not-found]

    epochs = [[each for each in team.SEEN if each[:2] == ("train", epoch)] for epoch in (0, 1)]

    assert [[batch[2:] for batch in epoch] for epoch in epochs] == 2 * [[*((at, 64) for at in range(8)), (8, 26)]]
    assert [each for each in team.SEEN if each[0] == "val"] == [("val", 0, 0, 180), ("val", 1, 0, 180)]


def test_nothing_is_written_beside_the_weights(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """No lightning_logs, no checkpoint: neither in the project nor in the folder of the job."""
    monkeypatch.chdir(project.root)
    work = project.work(spec())
    ENGINES.find("lightning").run(Train(), work)

    assert sorted(path.name for path in project.root.iterdir() if path.name != "__pycache__") == ["job0", "team.py"]
    assert [path.name for path in work.folder.iterdir()] == ["weights.safetensors"]


def test_nothing_is_warned_of_or_said(project: Project, capfd: pytest.CaptureFixture[str]) -> None:
    """What Lightning says of the machine and of loaders is not the user's concern; warnings are errors here."""
    without_val = {**DIGITS, "data": {"source": "sklearn.digits"}}
    run = project.train(spec(data=without_val))

    assert "validation_step is not called: there is no validation split" in run.notes
    assert capfd.readouterr() == ("", "")


def test_two_trainings_with_one_seed_are_equal(project: Project) -> None:
    """Also where the second begins with perturbed generators; another seed gives another training."""
    first, second, other = (project.train(spec(), job) for job in (Train(), Train(fresh=True), Train(seed=1)))

    assert first.weights_digest == second.weights_digest != other.weights_digest
    assert first.loss_S.values.tolist() == second.loss_S.values.tolist()


@pytest.mark.parametrize("schedule", ["", "step", "epoch", "plateau"])
@pytest.mark.parametrize("train", [{}, {"steps": 14}, {"accumulate": 2, "epochs": 3}, {"precision": "bf16"}])
def test_a_resumed_training_equals_one_that_was_not_interrupted(
    project: Project, schedule: str, train: Mapping[str, Any]
) -> None:
    """Whole history, weights and predictions, to the last bit, dropout and schedule included."""
    declared = spec({"schedule": schedule}, **{"clip_norm": 1.0, **train})
    whole, resumed = project.train(declared), project.train(declared, Resume(at=0.5))

    assert resumed.resumed_at is not None
    assert 0 < resumed.resumed_at < whole.steps
    assert resumed.loss_S.values.tolist() == whole.loss_S.values.tolist()
    assert resumed.learning_rate_S.values.tolist() == whole.learning_rate_S.values.tolist()
    assert resumed.epochs_log == whole.epochs_log
    assert (resumed.weights_digest, resumed.predictions_digest) == (whole.weights_digest, whole.predictions_digest)


@pytest.mark.parametrize("at", [0.01, 0.4, 0.99])
def test_it_can_be_interrupted_anywhere_within_an_epoch(project: Project, at: float) -> None:
    """Near the beginning and near the end too."""
    whole, resumed = project.train(spec()), project.train(spec(), Resume(at=at))

    assert resumed.weights_digest == whole.weights_digest


def test_an_interruption_lies_within_an_epoch(project: Project) -> None:
    """Half of two epochs is the end of the first, where Lightning leaves out what an epoch ends with: one step later."""
    work = project.work(spec())
    result = ENGINES.find("lightning").run(Interrupt(at=0.5), work)

    assert isinstance(result.evidence, Interruption)
    assert result.evidence.step == 10
    assert [path.name for path in work.folder.iterdir()] == ["interrupted.ckpt"]


def test_epochs_of_one_step_cannot_be_interrupted(project: Project) -> None:
    """The claim does not apply, and says why."""
    with pytest.raises(NotApplicableError, match="each epoch has one step"):
        project.train(spec(batch_size=1000), Resume())


def test_early_stopping_keeps_the_best_weights(project: Project) -> None:
    """By the rule of the spec: the loss of the declared name on the validation split."""
    stop = {"monitor": "val.loss", "patience": 1, "min_delta": 100.0}
    whole = project.train(spec(epochs=50, early_stop=stop))
    resumed = project.train(spec(epochs=50, early_stop=stop), Resume(at=0.4))

    assert (whole.steps, whole.best_epoch) == (18, 0)
    assert whole.stopped.startswith("stopped early at epoch 2: val.loss ")
    assert whole.losses["val"] == pytest.approx(whole.epochs_log[0]["val.loss"], rel=1e-6)
    assert (resumed.resumed_at, resumed.weights_digest) == (7, whole.weights_digest)


def test_a_training_on_one_batch_sees_that_batch_alone_at_a_constant_rate(project: Project) -> None:
    """One epoch of as many steps as asked for; a warm-up does not leave the rate low."""
    run = project.train(spec({"schedule": "step"}), Train(batches=1, steps=100))

    assert (run.rows, run.steps, run.planned_steps, len(run.loss_S)) == (64, 100, 100, 100)
    assert set(run.learning_rate_S.values.tolist()) == {2e-2}
    assert run.losses["train"] < 0.1 * run.losses_before["train"]


def test_accumulated_batches_are_one_step(project: Project) -> None:
    """Its loss is the mean over the rows of its batches."""
    run = project.train(spec(accumulate=2, batch_size=32))

    assert (run.steps, run.planned_steps) == (18, 18)
    assert run.loss_S.values[0] == pytest.approx(np.log(10), rel=0.2)


@pytest.mark.parametrize(("data", "task"), [(CANCER, "binary"), (DIABETES, "regression")])
def test_other_tasks(project: Project, data: Mapping[str, Any], task: str) -> None:
    """Two classes have two logits; a regression one output, whose targets may be scaled."""
    inputs, outputs, loss = (30, 2, "cross_entropy") if task == "binary" else (10, 1, "mse_loss")
    scaled = {"data": {**data["data"], "prepare_target": "standardize"}} if task == "regression" else {}
    model = {"inputs": inputs, "outputs": outputs, "loss": loss}
    run = project.train(spec(model, {**data, **scaled}, epochs=5))

    assert run.losses["train"] < run.losses_before["train"]
    assert run.predictions == ("probabilities" if task == "binary" else "values")


def test_several_inputs_reach_the_module_by_name(project: Project) -> None:
    """As a mapping in `training_step`, as arguments of `forward`."""
    rows = [f"{number % 7}.5,{('red', 'blue')[number % 2]},{('a', 'b')[number % 2]}" for number in range(120)]
    (project.root / "things.csv").write_text("\n".join(["size,colour,kind", *rows, ""]), "utf-8")
    data = {"source": "things.csv", "target": "kind", "prepare": ["impute", "standardize", "ids"]}
    run = project.train(spec("Several", {"task": "binary", "data": data}, epochs=40))

    assert run.losses["test"] < 0.5 * run.losses_before["test"]


def test_the_restored_module_predicts_the_same(project: Project) -> None:
    """Read from its weights, in evaluation mode."""
    needed = project.trained(spec())
    work = project.work(spec(), needed)
    predictor = ENGINES.find("lightning").restore(Train(), work)
    predicted = predictor(work.prepared.splits["test"].inputs)

    np.testing.assert_array_equal(predicted, needed[Train()].array("predictions/test"))
    assert type(predictor.model).__name__ == "Net"
    assert not predictor.model.training


def test_arguments_of_the_engine_go_to_the_trainer(project: Project) -> None:
    """Such as clipping by value; and what the Trainer refuses is told as the mistake that it is."""
    clipped = project.train(
        spec(engine={"use": "lightning", "gradient_clip_val": 1e-4, "gradient_clip_algorithm": "value"})
    )

    assert clipped.weights_digest != project.train(spec()).weights_digest
    with pytest.raises(UserCodeError, match=r"lightning.Trainer raised MisconfigurationException") as caught:
        project.train(spec(engine={"use": "lightning", "limit_val_batches": 1.5}))
    assert caught.value.key == "train.engine"


def test_a_module_may_end_its_training(project: Project) -> None:
    """And the run says that it did."""
    run = project.train(spec("Ending"))

    assert (run.steps, run.stopped) == (4, "ended by the module after 4 of 18 steps")


def test_an_early_stop_that_goes_on_does_not_overrule_the_module(project: Project) -> None:
    """What the module asked for within an epoch still holds at its end."""
    run = project.train(spec("Asking", epochs=4, early_stop={"monitor": "val.loss", "patience": 9}))

    assert run.stopped == f"ended by the module after {run.steps} of 36 steps"
    assert run.steps <= 9


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        ("Plain", RecipeError, "Plain is no LightningModule of the package lightning"),
        ("Manual", RecipeError, "Manual steps its optimiser itself"),
        ("Silent", RecipeError, "training_step of Silent gave no loss for a batch"),
        ("Unfinished", RecipeError, "configure_optimizers gives no optimizer"),
        ("Raising", UserCodeError, "the training raised LookupError: no such layer"),
        ("Undefined", TrainingError, r"loss is nan at step 5 \(epoch 1\)"),
    ],
)
def test_a_module_that_cannot_be_trained_is_refused(
    project: Project, model: str, error: type[MlspecError], message: str
) -> None:
    """With what it lacks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`LightningModule.configure_optimizers` returned `None`")
        warnings.filterwarnings("ignore", "`training_step` returned `None`")
        with pytest.raises(error, match=message):
            project.train(spec(model))


def test_a_missing_package_and_an_old_one_are_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setattr("pytest_mlspec.recipe.installed.version", lambda package: "2.1.4")

    with pytest.raises(
        MlspecError, match=r"lightning 2\.1\.4 is installed, and this engine needs 2\.6 or later"
    ) as caught:
        project.train(spec())
    assert "pytest-mlspec[lightning]" in caught.value.advice


def test_the_checkpoint_of_a_broken_disk_is_no_training(project: Project, tmp_path: Path) -> None:
    """What cannot be read ends the resumed training."""
    needed = project.done(spec(), Interrupt())
    [stored] = needed.values()
    stored.file("interrupted.ckpt").write_bytes(b"broken")

    with pytest.raises(MlspecError):
        project.run(Resume(), spec(), needed)


def test_evidence_is_that_of_a_training(project: Project) -> None:
    """Its notes say what the losses are."""
    run = project.run(Train(), spec()).evidence

    assert isinstance(run, TrainingRun)
    assert any("those of splits cross_entropy of what forward returns" in note for note in run.notes)
