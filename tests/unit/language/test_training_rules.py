"""Names and arguments of models, optimisers, losses and schedules, and keys that an engine has no use for."""

from __future__ import annotations

from pathlib import Path

import pytest
from churn_spec import remedy, spec, told

from pytest_mlspec import quantities
from pytest_mlspec.language import names
from pytest_mlspec.language.rules import arguments
from pytest_mlspec.language.rules.training import LOSSES_OF

MODEL = "{use: mlp, hidden: [8]}"
OPTIMIZER = "{use: adamw, lr: 3e-3}"
EPOCHS = "epochs: 10"

MISTAKES = [
    (MODEL, "os.system", "unknown model 'os.system'", "known: autoencoder, causal_lm, cnn, mean_embedding, mlp"),
    (MODEL, "mpl", "unknown model 'mpl'", "did you mean 'mlp'?"),
    (MODEL, "{use: mlp, hiden: [8]}", "mlp has no argument 'hiden'", "did you mean 'hidden'?"),
    (MODEL, "{use: mlp, hidden: 8}", "a list of widths is needed, not 8", "write it as in [256, 256]"),
    (MODEL, "{use: mlp, hidden: [0]}", "a list of widths is needed, not [0]", "write it as in [256, 256]"),
    (MODEL, "{use: mlp, dropout: 1}", "a number from 0 to below 1 is needed, not 1", ""),
    (MODEL, "{use: mlp, activation: rleu}", "'rleu' is not known here", "did you mean 'relu'?"),
    (MODEL, "RandomForestClassifier", "RandomForestClassifier is an estimator of scikit-learn", "engine: sklearn"),
    (MODEL, "'team.net'", "unknown model 'team.net'", "your own is written package.module:name"),
    (MODEL, "'team.net:'", "'team.net:' is no import path", "write package.module:name"),
    (
        MODEL,
        "{use: 'team.net:Net', hub: {trust_remote_code: true}}",
        "a spec cannot allow code from elsewhere",
        "remove this key",
    ),
    (OPTIMIZER, "adamv", "unknown optimizer 'adamv'", "did you mean 'adam'?"),
    (
        OPTIMIZER,
        "{use: adamw, learning_rate: 1}",
        "adamw has no argument 'learning_rate'",
        "known: amsgrad, betas, eps, groups, lr",
    ),
    (OPTIMIZER, "{use: adamw, lr: true}", "a number is needed, not true", ""),
    (OPTIMIZER, "{use: adamw, lr: fast}", "a number is needed, not 'fast'", ""),
    (OPTIMIZER, "{use: adamw, betas: [0.9, x]}", "a number is needed, not a list", ""),
    (OPTIMIZER, "{use: sgd, nesterov: 1}", "true or false is needed, not 1", ""),
    (EPOCHS, "loss: cross_entrpy", "unknown loss 'cross_entrpy'", "did you mean 'cross_entropy'?"),
    (
        EPOCHS,
        "loss: {use: multi_margin, smoothing: 1}",
        "multi_margin has no argument 'smoothing'",
        "known: margin, p, weight",
    ),
    (
        EPOCHS,
        "loss: mse",
        "mse does not fit the task binary",
        "write one of: cross_entropy, focal, nll, multi_margin, binary_cross",
    ),
    (EPOCHS, "schedule: cosin", "unknown schedule 'cosin'", "did you mean 'cosine'?"),
    (EPOCHS, "schedule: step", "step needs the argument 'step_size'", "write {use: step, step_size: …}"),
    (EPOCHS, "schedule: {use: cosine, warm_up: 5%}", "cosine has no argument 'warm_up'", "did you mean 'warmup'?"),
    (
        EPOCHS,
        "schedule: {use: cosine, warmup: soon}",
        "a number of steps or a share of them is needed, not 'soon'",
        "or 5%",
    ),
    (
        EPOCHS,
        "schedule: {use: cosine, warmup: 100%}",
        "a number of steps or a share of them is needed, not 1.0",
        "or 5%",
    ),
    (EPOCHS, "schedule: {use: cosine, warmup: -1}", "a number of steps or a share of them is needed, not -1", "or 5%"),
    (EPOCHS, "schedule: {use: cosine, eta_min: low}", "a number is needed, not 'low'", ""),
    (EPOCHS, "schedule: {use: step, step_size: -5}", "a whole number above 0 is needed, not -5", ""),
    (EPOCHS, "schedule: {use: step, step_size: 2.5}", "a whole number above 0 is needed, not 2.5", ""),
    (EPOCHS, "schedule: {use: cosine, T_max: 0, interval: step}", "a whole number above 0 is needed, not 0", ""),
    (EPOCHS, "schedule: {use: multi_step, milestones: 5}", "whole numbers above 0 are needed, not 5", "[30, 60]"),
    (EPOCHS, "schedule: {use: multi_step, milestones: [3.5]}", "whole numbers above 0 are needed, not", "[30, 60]"),
    (EPOCHS, "schedule: {use: multi_step, milestones: []}", "whole numbers above 0 are needed, not", "[30, 60]"),
    (EPOCHS, "schedule: {use: cosine, T_max: 10}", "T_max may count steps or epochs", "write `interval: step` or"),
    (
        EPOCHS,
        "schedule: {use: linear, total_iters: 5}",
        "total_iters may count steps or epochs",
        "or leave total_iters",
    ),
    (
        EPOCHS,
        "schedule: {use: step, step_size: 10}\n  epochs: 10",
        "the rate would never change: the first time is after 10 epochs, and the training has 10",
        "write less",
    ),
    (
        EPOCHS,
        "schedule: {use: multi_step, milestones: [30, 60]}\n  epochs: 10",
        "the rate would never change: the first time is after 30 epochs, and the training has 10",
        "write less",
    ),
    (
        EPOCHS,
        "schedule: {use: step, step_size: 500, interval: step}\n  steps: 500",
        "the rate would never change: the first time is after 500 steps, and the training has 500",
        "write less",
    ),
    (EPOCHS, "schedule: {use: one_cycle, max_lr: 1, interval: epoch}", "'epoch' is not known here", "allowed: step"),
    (
        EPOCHS,
        "schedule: {use: one_cycle, max_lr: 1, anneal_strategy: cosine}",
        "'cosine' is not known here",
        "allowed: cos, linear",
    ),
    (
        EPOCHS,
        "schedule: {use: reduce_on_plateau, monitor: val.accuracy}",
        "val.accuracy is better when it is higher",
        "mode: max",
    ),
    (
        EPOCHS,
        "schedule: {use: reduce_on_plateau, mode: max, monitor: val.log_loss}",
        "is better when it is lower",
        "mode: min",
    ),
    (
        EPOCHS,
        "schedule: {use: reduce_on_plateau, monitor: test.loss}",
        "the test split must not decide",
        "monitor val.…",
    ),
    (
        EPOCHS,
        "schedule: {use: reduce_on_plateau, monitor: 5}",
        "5 is nothing that can be monitored",
        "write val.loss, or",
    ),
    (
        EPOCHS,
        "early_stop: {monitor: test.loss}",
        "the test split must not decide how the model is trained",
        "monitor val.…",
    ),
    (
        EPOCHS,
        "early_stop: {monitor: val.los}",
        "'val.los' is nothing that can be monitored",
        "did you mean 'val.loss'?",
    ),
    (EPOCHS, "early_stop: {monitor: val.r2}", "r2 is not defined for the task binary", "known: accuracy"),
    (EPOCHS, "engine: skelarn", "unknown engine 'skelarn'", "did you mean 'sklearn'?"),
    (EPOCHS, "device: gpu", "unknown device 'gpu'", "write auto, cpu, cuda, cuda:N or mps"),
    (EPOCHS, "epochs: 10\n  steps: 5", "steps and epochs both give the length", "keep one of them"),
    (
        EPOCHS,
        "checkpoint: {keep: 3}",
        "neither steps nor time say when a checkpoint is written",
        "{steps: 500}, or {time",
    ),
    (EPOCHS, "checkpoint: {steps: 5, time: 5min}", "steps and time both say when a checkpoint", "write one of them"),
    (EPOCHS, "steps: 50\n  checkpoint: {steps: 51}", "no checkpoint would be written: the training has 50", "fewer"),
    (EPOCHS, "channels_last: true", "it orders images, and the model takes none", "remove this key"),
]


@pytest.mark.parametrize(("old", "new", "message", "advice"), MISTAKES)
def test_a_mistake_is_told_with_its_remedy(tmp_path: Path, old: str, new: str, message: str, advice: str) -> None:
    """One mistake gives one message, and the advice below it."""
    found, remedied = remedy(tmp_path, (old, new))

    assert message in found
    assert advice in remedied


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (MODEL, "{use: 'team.net:Net.small', width: 64}"),
        (MODEL, "{use: mlp, hidden: [], dropout: 0, activation: gelu}"),
        (OPTIMIZER, "{use: adafactor, eps: [1e-30, 1e-3]}"),
        (OPTIMIZER, "{use: sgd, lr: 0, nesterov: true, momentum: 0.9}"),
        (EPOCHS, "loss: {use: cross_entropy, weight: [1, 2], label_smoothing: 0.1}"),
        (EPOCHS, "schedule: {use: cosine, warmup: 5%}"),
        (EPOCHS, "schedule: {use: step, step_size: 3, warmup: 100, interval: step}"),
        (EPOCHS, "schedule: {use: step, step_size: 9}\n  epochs: 10"),
        (EPOCHS, "schedule: {use: step, step_size: 100}\n  steps: 5000"),
        (EPOCHS, "schedule: {use: multi_step, milestones: [5, 60]}\n  epochs: 10"),
        (EPOCHS, "schedule: {use: cosine, T_max: 10, interval: epoch}"),
        (EPOCHS, "schedule: {use: reduce_on_plateau, monitor: val.accuracy, mode: max}"),
        (EPOCHS, "schedule: reduce_on_plateau"),
        (EPOCHS, "steps: 100"),
        (EPOCHS, "early_stop: {monitor: train.loss}"),
        (EPOCHS, "early_stop: {monitor: val.roc_auc}"),
        (EPOCHS, "device: cuda:1"),
    ],
)
def test_what_can_be_trained_is_accepted(tmp_path: Path, old: str, new: str) -> None:
    """A rule refuses what is impossible, and nothing else."""
    assert spec(tmp_path, (old, new)).spec.name == "churn"


@pytest.mark.parametrize("key", ["optimizer", "loss", "batch_size", "early_stop", "device", "precision"])
def test_an_engine_refuses_keys_that_mean_nothing_to_it(tmp_path: Path, key: str) -> None:
    """A key that is ignored would be a promise that is not kept."""
    value = {"batch_size": "8", "early_stop": "{}", "precision": "bf16", "device": "cpu"}.get(key, "mse")
    train = f"train: {{engine: sklearn, {key}: {value}}}\nchecks"
    head = "mlspec: 1\nname: a\ntask: binary\ndata: {source: sklearn.breast_cancer}\nmodel: GaussianNB\n"

    message = told(tmp_path, text=f"{head}{train}: standard\n")

    assert message == f"6:26  train.{key}: the engine sklearn has no use for this key\n    remove it"


def test_the_engine_callable_takes_a_recipe_and_no_model(tmp_path: Path) -> None:
    """The recipe's fit makes the model."""
    train = "train:\n  optimizer: {use: adamw, lr: 3e-3}\n  epochs: 10\n"

    message = told(tmp_path, (train, "train: {engine: callable}\n"))

    assert message == (
        "8:1  model: the engine callable has no use for this key\n    the recipe's fit makes the model: remove it\n"
        "9:9  train.engine: the engine callable needs a `recipe`\n    name one that gives fit and predict"
    )


def test_an_unknown_estimator_is_told_with_the_nearest(tmp_path: Path) -> None:
    """Estimators go by their class names."""
    head = "mlspec: 1\nname: a\ntask: binary\ndata: {source: sklearn.breast_cancer}\ntrain: {engine: sklearn}\n"

    message = told(tmp_path, text=f"{head}model: LogisticRegresion\nchecks: standard\n")

    assert message == "6:1  model: unknown estimator 'LogisticRegresion'\n    did you mean 'LogisticRegression'?"


def test_the_tables_of_arguments_hold_names_that_exist() -> None:
    """Every switch and every word is an argument of something."""
    tables = (names.OPTIMIZERS, names.LOSSES, names.SCHEDULES)
    known = {argument for table in tables for entry in table.values() for argument in entry.arguments}

    assert known >= arguments.SWITCHES
    assert all(names.SCHEDULES[name].arguments >= words.keys() for name, words in arguments.WORDS.items())
    assert {loss for losses in LOSSES_OF.values() for loss in losses} <= names.LOSSES.keys()
    assert LOSSES_OF.keys() == quantities.TASKS
