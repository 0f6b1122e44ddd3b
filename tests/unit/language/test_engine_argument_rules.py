"""What stands beside `engine: {use: lightning}` or `{use: keras}`: arguments of its trainer that no key of the spec gives."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from churn_spec import spec, told

from pytest_mlspec.engines import ENGINES
from pytest_mlspec.language.engine_arguments import TRAINERS
from pytest_mlspec.language.spec import Training

HEAD = (
    "mlspec: 1\nname: a\ntask: binary\ndata: {source: sklearn.breast_cancer}\nmodel: 'team.net:Net'\nchecks: standard\n"
)

MISTAKES = [
    (
        "{use: lightning, gradient_clip: 1.0}",
        "",
        "lightning.Trainer takes no 'gradient_clip'",
        "did you mean 'gradient_clip_val'?",
    ),
    ("{use: lightning, max_epochs: 5}", "", "this stands for a key of the spec, train.epochs", "write train.epochs"),
    (
        "{use: lightning, precision: 16}",
        "",
        "this stands for a key of the spec, train.precision",
        "write train.precision",
    ),
    ("{use: lightning, logger: true}", "", "logger of lightning.Trainer is set by the engine", "remove it"),
    (
        "{use: lightning, gradient_clip_val: 1.0}",
        ", clip_norm: 1",
        "and train.clip_norm both say the same",
        "keep one of them",
    ),
    ("{use: lightning, gradient_clip_val: 0}", "", "a number above 0 is needed, not 0", ""),
    ("{use: lightning, gradient_clip_algorithm: norms}", "", "'norms' is not known here", "did you mean 'norm'?"),
    ("{use: lightning, benchmark: 1}", "", "true or false is needed, not 1", ""),
    ("{use: lightning, val_check_interval: often}", "", "a number is needed, not 'often'", ""),
    (
        "{use: keras, batch_size: 5}",
        "",
        "this stands for a key of the spec, train.batch_size",
        "write train.batch_size",
    ),
    ("{use: keras, class_weigth: {a: 1}}", "", "Model.fit takes no 'class_weigth'", "did you mean 'class_weight'?"),
    ("{use: keras, class_weight: balanced}", "", "a number of at least 0 for each class is needed", "write it as in"),
    ("{use: keras, class_weight: {benign: -1}}", "", "a number of at least 0 for each class is needed", "write it as"),
    (
        "{use: lightning, gradient_clip_algorithm: value}",
        "",
        "gradient_clip_algorithm means nothing without gradient_clip_val",
        "write gradient_clip_val too, or remove this key",
    ),
    (
        "{use: lightning, limit_val_batches: 3}",
        "",
        "limit_val_batches needs a validation split",
        "give data.split.val a share, such as 0.1, or remove this key",
    ),
    ("{use: lightning, check_val_every_n_epoch: -1}", "", "a whole number above 0 is needed, not -1", ""),
    ("{use: keras, verbose: 1}", "", "verbose of Model.fit is set by the engine", "remove it"),
]


@pytest.mark.parametrize(("engine", "beside", "message", "advice"), MISTAKES)
def test_a_mistake_is_told_with_its_remedy(tmp_path: Path, engine: str, beside: str, message: str, advice: str) -> None:
    """At the argument, before anything is trained."""
    found = told(tmp_path, text=f"{HEAD}train: {{engine: {engine}{beside}}}\n")

    assert found.startswith("7:")
    assert message in found
    assert advice in found


@pytest.mark.parametrize(
    "train",
    [
        "{engine: {use: lightning, gradient_clip_val: 1.0, gradient_clip_algorithm: value, detect_anomaly: true}}",
        "{engine: lightning, loss: cross_entropy, clip_norm: 1.0, precision: bf16, early_stop: {monitor: train.loss}}",
        "{engine: {use: keras, class_weight: {malignant: 2, benign: 1}}}",
        "{engine: keras, epochs: 5, early_stop: {monitor: train.loss}}",
    ],
)
def test_what_can_be_trained_is_accepted(tmp_path: Path, train: str) -> None:
    """A rule refuses what is impossible, and nothing else."""
    assert spec(tmp_path, text=f"{HEAD}train: {train}\n").spec.name == "a"


@pytest.mark.parametrize("engine", ["lightning", "keras"])
@pytest.mark.parametrize(
    "key", ["optimizer: adam", "schedule: cosine", "freeze: [head]", "workers: 2", "compile: true"]
)
def test_a_key_that_the_model_owns_is_refused(tmp_path: Path, engine: str, key: str) -> None:
    """It would be ignored."""
    found = told(tmp_path, text=f"{HEAD}train: {{engine: {engine}, {key}}}\n")

    assert f"train.{key.partition(':')[0]}: the engine {engine} has no use for this key" in found


@pytest.mark.parametrize(("engine", "what"), [("lightning", "a LightningModule"), ("keras", "a model of Keras")])
def test_a_model_by_name_is_refused(tmp_path: Path, engine: str, what: str) -> None:
    """The team writes it."""
    found = told(tmp_path, text=f"{HEAD}train: {{engine: {engine}}}\n".replace("'team.net:Net'", "mlp"))

    assert f"model: the engine {engine} takes {what} of your own" in found
    assert "write package.module:name" in found


def test_other_keys_of_a_training_are_still_looked_at(tmp_path: Path) -> None:
    """Such as what an early stop monitors."""
    found = told(tmp_path, text=f"{HEAD}train: {{engine: lightning, early_stop: {{monitor: val.loss}}, device: gpu}}\n")

    assert "val.loss needs a validation split" in found
    assert "unknown device 'gpu'" in found


def _trainer_of_lightning() -> Callable[..., Any]:
    from lightning.pytorch import Trainer

    return Trainer


@pytest.mark.parametrize("load", [_trainer_of_lightning], ids=["lightning"])
def test_the_table_holds_every_argument_of_the_trainer_once(
    load: Callable[[], Callable[..., Any]], request: pytest.FixtureRequest
) -> None:
    """A version with a new one is noticed here."""
    trainer = TRAINERS[request.node.callspec.id]
    listed = [*trainer.given, *trainer.keys, *trainer.own]

    assert sorted(listed) == sorted(inspect.signature(load()).parameters)


def test_arguments_stand_for_keys_that_there_are() -> None:
    """And the trainers belong to engines that say so."""
    keys = {key for trainer in TRAINERS.values() for key in trainer.keys.values()}
    beside = {key for trainer in TRAINERS.values() for key in trainer.twice.values()}

    assert {key.split(".")[1] for key in keys if key.startswith("train.")} | beside <= set(Training.model_fields)
    assert all(ENGINES.find(name).trainer.endswith(trainer.name) for name, trainer in TRAINERS.items())
