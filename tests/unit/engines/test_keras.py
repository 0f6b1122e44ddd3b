"""The engine keras: what a training gives, how outputs are read, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from projects import CANCER, DIABETES, DIGITS, Project

from pytest_mlspec.engines import ENGINES
from pytest_mlspec.engines.predictions import loss
from pytest_mlspec.errors import DataError, MissingExtraError, MlspecError, RecipeError, TrainingError, UserCodeError
from pytest_mlspec.evidence import Interruption
from pytest_mlspec.jobs import Interrupt, Resume, Train
from pytest_mlspec.recipe.preparation import prepare_all

TEAM = """
import keras
import torch
from keras import layers

def build(inputs=64, outputs=10, end=None, loss="", rate=1e-2, schedule=False, norm=False):
    model = keras.Sequential([layers.Dense(16, activation="relu")])
    if norm:
        model.add(layers.BatchNormalization())
    model.add(layers.Dropout(0.2))
    model.add(layers.Dense(outputs, activation=end))
    if schedule:
        rate = keras.optimizers.schedules.CosineDecay(1e-3, 100, warmup_target=rate, warmup_steps=5)
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, clipnorm=1.0),
        loss=loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model

def softmax():
    return build(end="softmax", loss="sparse_categorical_crossentropy")

def sigmoid(end=None):
    return build(inputs=30, outputs=1, end=end, loss=keras.losses.BinaryCrossentropy(from_logits=end is None))

def values():
    return build(inputs=10, outputs=1, loss="mse")

def own_loss(end=None):
    return build(end=end, loss=lambda y, p: keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, p)))

def margin(end="tanh", start="glorot_uniform"):
    model = keras.Sequential([layers.Dense(1, activation=end, kernel_initializer=start)])
    model.compile(optimizer=keras.optimizers.Adam(1e-1), loss="hinge")
    return model

def one_hot():
    return build(end="softmax", loss="categorical_crossentropy")

def logits_as_probabilities():
    return build(loss="sparse_categorical_crossentropy")

def not_compiled():
    return keras.Sequential([layers.Dense(10)])

def averaged():
    model = build()
    model.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9, use_ema=True), loss=model.loss)
    return model

class TorchNoise(layers.Layer):
    def call(self, x, training=False):
        return x + 0.1 * torch.randn_like(x) if training else x

def noisy():
    model = keras.Sequential([TorchNoise(), layers.Dense(10)])
    model.compile(optimizer="sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model

class Subclass(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(16, activation="relu")
        self.head = layers.Dense(10)

    def call(self, inputs):
        return self.head(self.hidden(inputs))

def subclass():
    model = Subclass()
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model

class Ending(Subclass):
    def train_step(self, data):
        self.stop_training = int(self.optimizer.iterations) == 3
        return super().train_step(data)

class OwnStep(Subclass):
    def train_step(self, data):
        x, y = data
        loss = torch.nn.functional.cross_entropy(self(x, training=True), y.long())
        self.zero_grad()
        loss.backward()
        variables = self.trainable_variables
        with torch.no_grad():
            self.optimizer.apply([v.value.grad for v in variables], variables)
        return {"loss": loss}

class Undefined(Subclass):
    def compute_loss(self, *arguments, **named):
        loss = super().compute_loss(*arguments, **named)
        return loss * float("nan") if int(self.optimizer.iterations) == 4 else loss

class Raising(Subclass):
    def call(self, inputs):
        raise LookupError("no such layer")

def of(kind):
    model = {"ending": Ending, "own_step": OwnStep, "undefined": Undefined, "raising": Raising}[kind]()
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model

def several():
    numbers, ids = keras.Input((1,), name="numbers"), keras.Input((1,), dtype="int64", name="categories")
    colours = layers.Flatten()(layers.Embedding(4, 3)(ids))
    model = keras.Model({"numbers": numbers, "categories": ids}, layers.Dense(2)(layers.Concatenate()([numbers, colours])))
    model.compile(
        optimizer=keras.optimizers.AdamW(1e-1), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model

def two_outputs():
    inputs = keras.Input((64,))
    model = keras.Model(inputs, [layers.Dense(10)(inputs), layers.Dense(10)(inputs)])
    model.compile(optimizer="adam", loss=["mse", "mse"])
    return model
"""


def spec(model: str | Mapping[str, Any] = "build", data: Mapping[str, Any] = DIGITS, **train: Any) -> dict[str, Any]:
    use = {"use": model} if isinstance(model, str) else dict(model)
    declared = {"engine": "keras", "epochs": 2, "batch_size": 64, **train}
    return {**data, "model": {**use, "use": f"team:{use['use']}"}, "train": declared}


@pytest.fixture(autouse=True)
def _team(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    project.write("team", TEAM)


def test_a_training_reports_what_it_did(project: Project) -> None:
    """The history has a value for each step, and every split has a loss before and after."""
    run = project.train(spec())

    assert (run.engine, run.seed, run.steps, run.epochs) == ("keras", 0, 18, 2)
    assert len(run.loss_S) == len(run.gradient_norm_S) == len(run.learning_rate_S) == run.planned_steps == 18
    assert set(run.losses) == set(run.losses_before) == {"train", "val", "test"}
    assert run.losses["train"] < run.losses_before["train"]
    assert all(set(epoch) == {"train.loss", "val.loss"} for epoch in run.epochs_log)
    assert run.parameters == 64 * 16 + 16 + 16 * 10 + 10
    assert (run.stopped, run.predictions) == ("finished 2 epochs", "probabilities")
    assert run.cost is not None
    assert run.cost.rows == 2 * 538


@pytest.mark.parametrize(
    ("model", "data", "rows"),
    [
        ("build", DIGITS, 10),
        ("softmax", DIGITS, 10),
        ({"use": "own_loss", "end": "softmax"}, DIGITS, 10),
        ("sigmoid", CANCER, 2),
        ({"use": "sigmoid", "end": "sigmoid"}, CANCER, 2),
    ],
)
def test_outputs_are_read_as_the_compiled_loss_takes_them(
    project: Project, model: str | Mapping[str, Any], data: Mapping[str, Any], rows: int
) -> None:
    """Logits or probabilities, of each class or of the second: the loss of a split is the log loss of what is stored."""
    declared = spec(model, data)
    result = project.run(Train(), declared)
    predicted = result.arrays["predictions/test"]
    targets = prepare_all(project.work(declared).recipe).prepared.splits["test"].targets
    [found] = [value for name, value in vars(result.evidence).items() if name == "losses"]

    assert predicted.shape == (len(targets), rows)
    assert loss(predicted, targets, "probabilities") == pytest.approx(found["test"], rel=1e-4)


def test_values_are_in_the_unit_of_the_source(project: Project) -> None:
    """Also where the targets that the model sees are scaled."""
    scaled = {**DIABETES, "data": {**DIABETES["data"], "prepare_target": "standardize"}}
    run = project.run(Train(), spec("values", scaled, epochs=20))

    assert run.arrays["predictions/test"].mean() == pytest.approx(152, rel=0.2)


def test_two_trainings_with_one_seed_are_equal(project: Project) -> None:
    """Also where the second begins with perturbed generators; another seed gives another training."""
    first, second, other = (project.train(spec(), job) for job in (Train(), Train(fresh=True), Train(seed=1)))

    assert first.weights_digest == second.weights_digest != other.weights_digest
    assert first.loss_S.values.tolist() == second.loss_S.values.tolist()


@pytest.mark.parametrize(
    ("model", "train", "at"),
    [
        ({"use": "build", "schedule": True, "norm": True}, {}, 0.5),
        ({"use": "build", "schedule": True, "norm": True}, {"steps": 14}, 0.5),
        ({"use": "averaged"}, {}, 0.5),
        ({"use": "averaged"}, {"steps": 14}, 0.3),
        ({"use": "noisy"}, {}, 0.5),
        ({"use": "noisy"}, {}, 0.3),
        ({"use": "subclass"}, {"steps": 14}, 0.5),
    ],
)
def test_a_resumed_training_equals_one_that_was_not_interrupted(
    project: Project, model: Mapping[str, Any], train: Mapping[str, Any], at: float
) -> None:
    """Whole history, weights and predictions, to the last bit, within an epoch and at its end (half of two epochs)."""
    declared = spec(model, **train)
    whole, resumed = project.train(declared), project.train(declared, Resume(at=at))

    assert resumed.resumed_at == round(at * whole.planned_steps)
    assert resumed.loss_S.values.tolist() == whole.loss_S.values.tolist()
    assert resumed.epochs_log == whole.epochs_log
    assert (resumed.weights_digest, resumed.predictions_digest) == (whole.weights_digest, whole.predictions_digest)


def test_an_interruption_hands_over_one_file(project: Project) -> None:
    """With all that the training needs to go on."""
    work = project.work(spec())
    result = ENGINES.find("keras").run(Interrupt(at=0.25), work)

    assert isinstance(result.evidence, Interruption)
    assert result.evidence.step == 4
    assert [path.name for path in work.folder.iterdir()] == ["interrupted.pt"]


def test_early_stopping_keeps_the_best_weights(project: Project) -> None:
    """By the rule of the spec, on the loss or a metric of the validation split."""
    stop = {"monitor": "val.accuracy", "patience": 1, "min_delta": 1.0}
    whole = project.train(spec(epochs=50, early_stop=stop))
    resumed = project.train(spec(epochs=50, early_stop=stop), Resume(at=0.4))

    assert (whole.steps, whole.best_epoch) == (18, 0)
    assert whole.stopped.startswith("stopped early at epoch 2: val.accuracy ")
    assert whole.losses["val"] == pytest.approx(whole.epochs_log[0]["val.loss"], rel=1e-6)
    assert (resumed.resumed_at, resumed.weights_digest) == (7, whole.weights_digest)


def test_a_training_on_one_batch_sees_that_batch_alone_at_a_constant_rate(project: Project) -> None:
    """The highest of the declared schedule."""
    run = project.train(spec({"use": "build", "schedule": True}, epochs=3), Train(batches=1, steps=100))

    assert (run.rows, run.steps, run.planned_steps, len(run.loss_S)) == (64, 100, 100, 100)
    assert run.learning_rate_S.values == pytest.approx([1e-2] * 100, rel=1e-5)
    assert run.losses["train"] < 0.2 * run.losses_before["train"]


def test_the_restored_model_predicts_the_same(project: Project) -> None:
    """Read from its weights."""
    needed = project.trained(spec({"use": "build", "norm": True}))
    work = project.work(spec({"use": "build", "norm": True}), needed)
    predictor = ENGINES.find("keras").restore(Train(), work)

    predicted = predictor(work.prepared.splits["test"].inputs)

    np.testing.assert_array_equal(predicted, needed[Train()].array("predictions/test"))


def test_several_inputs_reach_the_model_by_name(project: Project) -> None:
    """As a mapping."""
    rows = [f"{number % 7}.5,{('red', 'blue')[number % 2]},{('a', 'b')[number % 2]}" for number in range(120)]
    (project.root / "things.csv").write_text("\n".join(["size,colour,kind", *rows, ""]), "utf-8")
    data = {"source": "things.csv", "target": "kind", "prepare": ["impute", "standardize", "ids"]}
    run = project.train(spec("several", {"task": "binary", "data": data}, epochs=10))

    assert run.losses["test"] < 0.5 * run.losses_before["test"]


def test_classes_are_weighted_by_their_labels(project: Project) -> None:
    """What stands beside the engine goes to fit."""
    weighted = {"use": "keras", "class_weight": {"0": 5, "1": 1}}
    runs = [project.train(spec("sigmoid", CANCER, engine=engine)) for engine in ("keras", weighted)]

    assert runs[0].weights_digest != runs[1].weights_digest
    with pytest.raises(DataError, match="there is no class 'benign'") as caught:
        project.train(spec("sigmoid", CANCER, engine={"use": "keras", "class_weight": {"benign": 1}}))
    assert caught.value.advice == "known: 0, 1"


def test_a_model_may_end_its_training(project: Project) -> None:
    """And the run says that it did."""
    run = project.train(spec({"use": "of", "kind": "ending"}))

    assert (run.steps, run.stopped) == (4, "ended by the model after 4 of 18 steps")


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        ({"use": "not_compiled"}, RecipeError, "the model is not compiled"),
        (
            {"use": "logits_as_probabilities"},
            RecipeError,
            "no probabilities, and the compiled loss takes probabilities",
        ),
        ({"use": "own_loss"}, RecipeError, "the compiled loss does not tell what they are"),
        ({"use": "build", "outputs": 7}, RecipeError, r"outputs have the shape \[N, 7\]; 10 classes"),
        ({"use": "two_outputs"}, RecipeError, "the model gives a list, and not one tensor"),
        ({"use": "of", "kind": "own_step"}, RecipeError, "train_step of OwnStep does not call compute_loss"),
        ({"use": "of", "kind": "undefined"}, TrainingError, r"loss is nan at step 5 \(epoch 1\)"),
        ({"use": "of", "kind": "raising"}, UserCodeError, "LookupError: no such layer"),
    ],
)
def test_a_model_that_cannot_be_trained_is_refused(
    project: Project, model: Mapping[str, Any], error: type[MlspecError], message: str
) -> None:
    """With what it lacks."""
    with pytest.raises(error, match=message):
        project.train(spec(model))


@pytest.mark.parametrize("seed", [0, 2])
@pytest.mark.parametrize("end", [{"end": "tanh"}, {"end": None, "start": "zeros"}])
def test_what_is_no_probability_is_not_read_as_one(project: Project, end: Mapping[str, Any], seed: int) -> None:
    """Not where the first rows of a new model happen to lie between 0 and 1, nor where all of them do before the training."""
    with pytest.raises(RecipeError, match="which are no probabilities"):
        project.train(spec({"use": "margin", **end}, CANCER, seed=seed))


def test_a_loss_that_does_not_fit_is_a_mistake_of_the_model(project: Project) -> None:
    """Keras leaves its own frames out of an exception; this one is none of ours."""
    with pytest.raises(UserCodeError, match="the training raised ValueError: Arguments `target` and `output`"):
        project.train(spec("one_hot"))


def test_another_backend_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it was chosen for a Keras that is still to be imported, or one has been imported with it."""
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(config=SimpleNamespace(backend=lambda: "jax")))
    with pytest.raises(
        MlspecError, match="Keras was imported with the backend 'jax', and the engine keras trains on torch"
    ):
        project.train(spec())
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    with pytest.raises(MlspecError, match="KERAS_BACKEND is 'tensorflow'") as caught:
        project.train(spec())
    assert caught.value.advice == "set KERAS_BACKEND=torch, or unset it"


def test_a_missing_package_and_an_old_one_are_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the team's module fails to import it, with the command that installs it."""
    from importlib.metadata import PackageNotFoundError

    def missing(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr("pytest_mlspec.recipe.installed.version", lambda package: "2.15.0")
    with pytest.raises(MlspecError, match=r"keras 2\.15\.0 is installed, and this engine needs 3\.10 or later"):
        project.train(spec())
    monkeypatch.setattr("pytest_mlspec.recipe.installed.version", missing)
    with pytest.raises(MissingExtraError) as caught:
        project.train(spec())
    assert caught.value.advice == "python -m pip install 'pytest-mlspec[keras]'"
