"""Every key of `train` that an engine with a trainer of its own accepts acts on the training, and so does every argument."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from encoders import PAIRS, write_encoder, write_pairs
from projects import DIGITS, Project

from pytest_mlspec.engines import ENGINES
from pytest_mlspec.evidence import TrainingRun
from pytest_mlspec.language.spec import Training
from pytest_mlspec.language.trainer import OPTIMIZERS, SCHEDULES

from .small_texts import spec as spec_of_texts
from .small_texts import write_team

TEAM_OF_LIGHTNING = """
import lightning as L
import torch
from torch import nn

class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 10))

    def forward(self, x):
        return self.layers(x)

    def training_step(self, batch, batch_idx):
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-2)
"""

TEAM_OF_KERAS = """
import keras
from keras import layers

def build():
    model = keras.Sequential([layers.Dense(16, activation="relu"), layers.Dropout(0.2), layers.Dense(10)])
    model.compile(
        optimizer=keras.optimizers.AdamW(1e-2), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model
"""

STOP = {"monitor": "val.loss", "patience": 1, "min_delta": 100.0}
OF_ROWS: Mapping[str, Any] = {
    "epochs": 3,
    "steps": 7,
    "batch_size": 16,
    "shuffle": False,
    "sampler": "balanced",
    "drop_last": True,
    "early_stop": STOP,
    "seed": 1,
}
CHANGES_WEIGHTS: Mapping[str, Mapping[str, Any]] = {
    "lightning": {**OF_ROWS, "accumulate": 2, "clip_norm": 0.1, "precision": "bf16"},
    "keras": OF_ROWS,
    "transformers": {
        **{name: value for name, value in OF_ROWS.items() if name != "sampler"},
        "batch_size": 32,
        "accumulate": 2,
        "clip_norm": 0.1,
        "precision": "bf16",
        "loss": {"use": "focal", "gamma": 2},
        "optimizer": {"use": "adamw", "lr": 1e-2},
        "schedule": "linear",
        "freeze": ["classifier"],
    },
    "sentence_transformers": {
        **{name: value for name, value in OF_ROWS.items() if name not in ("sampler", "shuffle")},
        "batch_size": 8,
        "accumulate": 2,
        "clip_norm": 0.1,
        "precision": "bf16",
        "loss": {"use": "multiple_negatives_ranking", "scale": 5.0},
        "optimizer": {"use": "adamw", "lr": 1e-2},
        "schedule": "linear",
        "freeze": ["0.model.encoder.layer.0"],
    },
}
# What these do is tested where they work. The loss of an engine whose model owns its own is that of splits.
LEAVES_WEIGHTS: Mapping[str, set[str]] = {
    "lightning": {"engine", "loss", "deterministic", "device", "seeds"},
    "keras": {"engine", "deterministic", "device", "seeds"},
    "transformers": {"engine", "deterministic", "device", "seeds"},
    "sentence_transformers": {"engine", "deterministic", "device", "seeds"},
}
CASES = [(engine, key) for engine, table in CHANGES_WEIGHTS.items() for key in table]


def of_digits(project: Project, engine: str, text: str, model: str) -> Callable[..., TrainingRun]:
    project.write("team", text)
    plain = {"engine": engine, "epochs": 2, "batch_size": 64}
    return lambda **train: project.train({**DIGITS, "model": model, "train": settled(plain, train)})


def of_lightning(project: Project) -> Callable[..., TrainingRun]:
    return of_digits(project, "lightning", TEAM_OF_LIGHTNING, "team:Net")


def of_keras(project: Project) -> Callable[..., TrainingRun]:
    return of_digits(project, "keras", TEAM_OF_KERAS, "team:build")


def of_transformers(project: Project) -> Callable[..., TrainingRun]:
    write_team(project)
    plain = spec_of_texts(batch_size=20)
    return lambda **train: project.train({**plain, "train": settled(plain["train"], train)})


def of_encoders(project: Project) -> Callable[..., TrainingRun]:
    write_encoder(project.root / "tiny")
    write_pairs(project.root)
    data = {**PAIRS["data"], "split": {"test": 0.25, "val": 0.125}}
    return lambda **train: project.train({**PAIRS, "data": data, "train": settled(PAIRS["train"], train)})


def settled(plain: Mapping[str, Any], train: Mapping[str, Any]) -> dict[str, Any]:
    """`plain` with other keys; with `steps` it has no epochs."""
    return {name: value for name, value in {**plain, **train}.items() if not (name == "epochs" and "steps" in train)}


ENGINE: Mapping[str, Callable[[Project], Callable[..., TrainingRun]]] = {
    "lightning": of_lightning,
    "keras": of_keras,
    "transformers": of_transformers,
    "sentence_transformers": of_encoders,
}


@pytest.fixture(autouse=True)
def _keras_on_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")


@pytest.mark.parametrize("engine", CHANGES_WEIGHTS)
def test_every_key_that_an_engine_accepts_stands_in_a_table(engine: str) -> None:
    """A new key of `train` is refused by the engine, or put into a table with what shows that it is not ignored."""
    accepted = set(Training.model_fields) - ENGINES.find(engine).refuses

    assert accepted == set(CHANGES_WEIGHTS[engine]) | LEAVES_WEIGHTS[engine]


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "key"), CASES)
def test_a_key_that_changes_a_training_changes_its_weights(project: Project, engine: str, key: str) -> None:
    """Against the same training without it."""
    trained = ENGINE[engine](project)
    longer = {"epochs": 4} if key == "early_stop" else {}
    changed, plain = trained(**longer, **{key: CHANGES_WEIGHTS[engine][key]}), trained(**longer)

    assert changed.weights_digest != plain.weights_digest


OF_OPTIMIZER: Mapping[str, Mapping[str, Any]] = {
    "adamw": {"lr": 1e-2, "betas": [0.5, 0.9], "eps": 1e-2, "weight_decay": 0.5},
    "sgd": {"lr": 1e-1, "momentum": 0.9, "dampening": 0.5, "nesterov": True, "weight_decay": 0.5},
    "adafactor": {"lr": 1e-1, "weight_decay": 0.5},
}
BESIDE = {"dampening": {"momentum": 0.9}, "nesterov": {"momentum": 0.9}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "argument"), [(name, each) for name in OPTIMIZERS for each in sorted(OPTIMIZERS[name])]
)
def test_every_argument_of_an_optimizer_reaches_the_trainer(project: Project, name: str, argument: str) -> None:
    """Those that the Trainer of Hugging Face makes by name."""
    trained, beside = of_transformers(project), {"use": name, **BESIDE.get(argument, {})}
    changed = trained(optimizer={**beside, argument: OF_OPTIMIZER[name][argument]})

    assert changed.weights_digest != trained(optimizer=beside).weights_digest


OF_SCHEDULE: Mapping[str, Any] = {"warmup": 2, "eta_min": 1e-3, "power": 2.0}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "argument"), [(name, each) for name in SCHEDULES for each in sorted(SCHEDULES[name])])
def test_every_argument_of_a_schedule_reaches_the_trainer(project: Project, name: str, argument: str) -> None:
    """Each changes the rates of the steps."""
    trained = of_transformers(project)
    changed = trained(schedule={"use": name, argument: OF_SCHEDULE[argument]}).learning_rate_S.values.tolist()

    assert changed != trained(schedule=name).learning_rate_S.values.tolist()
