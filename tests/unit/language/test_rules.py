"""What types cannot say: unknown names, impossible combinations, claims that cannot fail. Each with its place and remedy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from churn_spec import spec, told

from pytest_mlspec import quantities
from pytest_mlspec.errors import MlspecError
from pytest_mlspec.language import names
from pytest_mlspec.language.rules import arguments, bound_values
from pytest_mlspec.language.rules.training import LOSSES_OF, splits_of
from pytest_mlspec.language.spec import Bound, Spec
from pytest_mlspec.language.task import task_of

SOURCE = "source: data/churn.csv"
MODEL = "{use: mlp, hidden: [8]}"
OPTIMIZER = "{use: adamw, lr: 3e-3}"
EPOCHS = "epochs: 10"
CHECKS = "[standard]"
GATE = "test.accuracy: {at_least: 0.9}"
BOUND = "at_least: 0.9"

DATA = [
    ("  target: churned\n", "", "the key 'target' is required for a table", "write the column to predict"),
    (
        "target: churned",
        "drop: [churned]\n  target: churned",
        "the target 'churned' is dropped",
        "remove it from the list",
    ),
    ("val: 0.1", "val: 0.8", "test 0.2 and val 0.8 leave no row for training", "make one smaller"),
    ("val: 0.1", "group: id, time: day", "group and time exclude each other", "keep one of them"),
    ("val: 0.1", "group: id, stratify: true", "stratify and group exclude each other", "keep one of them"),
    ("val: 0.1", "group: churned", "'churned' is the target", "split by another column, or use stratify: true"),
    ("target: churned", "target: churned\n  prepare: standart", "unknown step of prepare 'standart'", "'standard'?"),
    ("target: churned", "target: churned\n  prepare: [impute, none]", "`none` among other steps", "`prepare: none`"),
    (
        "target: churned",
        "target: churned\n  prepare: {use: impute, by: mean}",
        "impute has no argument 'by'",
        "known: add_indicator, columns, fill_value, strategy",
    ),
]

TRAINING = [
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
    ("task: binary", "task: binary\nrecipe: team recipe", "'team recipe' is no import path", "or package.module"),
    (
        "task: binary",
        "task: binary\nrecipe: {use: team.recipe, with: {depth: 3}}",
        "'team.recipe' is a module, and takes no arguments",
        "name a class or a function: team.recipe:NAME",
    ),
    (
        "task: binary",
        "task: binary\nrecipe: {use: 'team.recipe:R', with: {trust_remote_code: true}}",
        "a spec cannot allow code from elsewhere",
        "remove this key",
    ),
]

CLAIMS = [
    (CHECKS, "standrd", "12:1  checks: unknown check 'standrd'", "did you mean 'standard'?"),
    (CHECKS, "[data, overfitt]", "12:16  checks[1]: unknown check 'overfitt'", "did you mean 'overfit'?"),
    (CHECKS, "[data, data]", "12:16  checks[1]: 'data' is listed twice", "keep one of them"),
    (CHECKS, "{standard: {steps: 1}}", "12:1  checks: standard takes no parameters", "it stands for: data, gradients,"),
    (CHECKS, "{overfit: {stepz: 1}}", "12:20  checks.overfit.stepz: overfit has no parameter 'stepz'", "'steps'?"),
    (CHECKS, "[overfit: {steps: 0}]", "12:20  checks[0].overfit.steps: at least 1 is needed, not 0", ""),
    (CHECKS, "[overfit: {steps: ten}]", "checks[0].overfit.steps: a whole number is needed, not 'ten'", ""),
    (
        GATE,
        "test.acuracy: {at_least: 1}",
        "14:3  gates.test.acuracy: unknown metric 'acuracy'",
        "did you mean 'accuracy'?",
    ),
    (GATE, "tset.accuracy: {at_least: 1}", "unknown quantity 'tset.accuracy'", "did you mean 'test.accuracy'?"),
    (
        GATE,
        "accuracy: {at_least: 1}",
        "'accuracy' is no name of a quantity",
        "write SPLIT.METRIC, such as test.accuracy",
    ),
    (GATE, "' test.accuracy': {at_least: 1}", "' test.accuracy' is no name of a quantity", "write SPLIT.METRIC"),
    (GATE, "test.r2: {at_least: 0}", "r2 is not defined for the task binary", "known: accuracy, average_precision"),
    (GATE, "cv.accuracy: {at_least: 0.9}", "there are no folds", "write how many under data.split.folds, such as 5"),
    ("split: {", "split: {folds: 5, ", "no gate looks at the folds", "write one such as cv.accuracy: {at_least: 0.9}"),
    (GATE, "gap.loss: {at_most: 1}", "gap.loss is not defined", "gap goes with metrics, such as gap.accuracy"),
    (GATE, "'test.accuracy[class=a]': {at_least: 1}", "accuracy is not defined for one class", "[class=…] goes with: "),
    (GATE, "'test.recall[class=a, class=b]': {at_least: 1}", "selects by 'class' twice", "keep one of them"),
    (
        GATE,
        "'test.recall[yes]': {at_least: 1}",
        "cannot read the selector 'yes'",
        "write [column=value] or [class=label]",
    ),
    (GATE, "'train.seconds[class=a]': {at_most: 1s}", "train.seconds takes no selector in brackets", ""),
    (BOUND, "at_least: 0.9, at_most: 1", "a gate has one bound, not at_least and at_most", "write within: [LOW, HIGH]"),
    (
        BOUND,
        "at_least: 0.9, better_than: dummy",
        "one bound, not at_least and better_than",
        "write one of: at_least, at_most,",
    ),
    (BOUND, "", "a gate has one bound, not none", "write one of: at_least, at_most, within, better_than"),
    (BOUND, "at_least: null", "a gate has one bound, not none", "write one of: at_least, at_most, within, better_than"),
    (BOUND, "at_least: 0.9, by: 0.1", "`by` goes with better_than alone", "remove it, or write better_than: dummy"),
    (BOUND, "within: [0.9, 0.1]", "the lower end 0.9 is above the upper one 0.1", "write within: [LOW, HIGH]"),
    (
        BOUND,
        "at_least: 90%",
        "14:19  gates.test.accuracy.at_least: a number is needed, not '90%'",
        "test.accuracy has no unit",
    ),
    (BOUND, "at_least: 95", "no training can reach this: test.accuracy lies between 0 and 1", "percentages: 0.95"),
    (BOUND, "at_most: 95", "this cannot fail: test.accuracy lies between 0 and 1", "not percentages: 0.95"),
    (BOUND, "at_least: -1", "this cannot fail: test.accuracy lies between 0 and 1", ""),
    (BOUND, "at_most: -0.1", "no training can reach this: test.accuracy lies between 0 and 1", ""),
    (BOUND, "within: [-1, 2]", "this cannot fail: test.accuracy lies between 0 and 1", ""),
    (
        BOUND,
        "better_than: dummy, by: 10",
        "no model can be better by 10: test.accuracy lies between 0 and 1",
        "percentages: 0.1",
    ),
    (GATE, "gap.accuracy: {at_most: 5}", "this cannot fail: gap.accuracy lies between -1 and 1", "percentages: 0.05"),
    (GATE, "test.log_loss: {at_least: -1}", "this cannot fail: test.log_loss is never below 0", ""),
    (GATE, "test.loss: {better_than: dummy}", "test.loss has no value for a constant baseline", "such as test.r2"),
    (
        GATE,
        "gap.accuracy: {better_than: dummy}",
        "gap.accuracy has no value for a constant baseline",
        "such as test.r2",
    ),
    (
        GATE,
        "train.seconds: {better_than: dummy}",
        "train.seconds has no value for a constant baseline",
        "such as test.r2",
    ),
    (GATE, "train.seconds: {at_most: 30 parsecs}", "'30 parsecs' is not a duration", "(ms, s, min, h), such as 90s"),
    (GATE, "train.seconds: {at_most: 1e400s}", "'1e400s' is too large", "such as 90s"),
    (GATE, "model.parameters: {at_most: 50k}", "a number is needed, not '50k'", "model.parameters has no unit"),
]

TASK = "task: binary"
AROUND = [
    (
        TASK,
        f"{TASK}\ntags: [pr, a-b]",
        "4:12  tags[1]: 'a-b' cannot be a mark",
        "write letters, digits and underscores",
    ),
    (TASK, f"{TASK}\ntags: [and]", "'and' cannot be a mark", "write letters, digits and underscores"),
    (TASK, f"{TASK}\ntags: [été]", "'été' cannot be a mark", "write letters, digits and underscores"),
    (TASK, f"{TASK}\ntags: [xfail]", "the mark 'xfail' has a meaning of its own", "take another word"),
    (TASK, f"{TASK}\ntags: [skip]", "the mark 'skip' has a meaning of its own", "take another word"),
    (TASK, f"{TASK}\ntags: [mlspec]", "the mark 'mlspec' has a meaning of its own", "take another word"),
    (
        TASK,
        f"{TASK}\nrequires: {{packages: ['torch>=2']}}",
        "4:23  requires.packages[0]: 'torch>=2' is no name of a package",
        "write the name alone: versions are not compared here",
    ),
    (
        TASK,
        f"{TASK}\nrequires: {{environment: [KEY=1]}}",
        "4:26  requires.environment[0]: 'KEY=1' is no name of an environment variable",
        "write the name alone: values are not compared here",
    ),
]


@pytest.mark.parametrize(("old", "new", "message", "advice"), [*DATA, *TRAINING, *CLAIMS, *AROUND])
def test_a_mistake_is_told_with_its_remedy(tmp_path: Path, old: str, new: str, message: str, advice: str) -> None:
    """One mistake gives one message, and the advice below it."""
    first, _, second = told(tmp_path, (old, new)).partition("\n    ")

    assert message in first
    assert advice in second
    assert "\n" not in second


def test_a_spec_has_what_it_needs(tmp_path: Path) -> None:
    """Without a recipe the data, the model and the task; and at least one claim."""
    message = told(tmp_path, text="mlspec: 1\nname: bare\n")

    assert message == (
        "1:1  the key 'data' is required\n    write it, or a `recipe` that supplies it\n"
        "1:1  the key 'model' is required\n    write it, or a `recipe` that supplies it\n"
        "1:1  the key 'task' is required here\n    write one of: binary, multiclass, regression, reconstruction, clustering,"
        " language_model\n"
        "1:1  the spec claims nothing\n    write `checks: standard`, or bounds under `gates`"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (GATE, "test.accuracy: {within: [0, 1]}"),
        (GATE, "test.accuracy: {at_most: 1}"),
        (GATE, "gap.accuracy: {at_most: 1}"),
        (GATE, "test.log_loss: {at_most: 100}"),
        (GATE, "test.loss: {at_least: -5}"),
        (GATE, "'test.recall[plan=basic, class=yes]': {at_least: 0.5}"),
        (GATE, "train.seconds: {at_most: 30}"),
        (GATE, "train.seconds: {within: [1s, 2min]}"),
        (GATE, "test.roc_auc: {better_than: dummy}"),
        (GATE, "val.f1_macro: {better_than: dummy, by: 0.1}"),
        (SOURCE, "source: 'team.data:load'"),
        (MODEL, "{use: 'team.net:Net.small', width: 64}"),
        (MODEL, "{use: mlp, hidden: [], dropout: 0, activation: gelu}"),
        (OPTIMIZER, "{use: adafactor, eps: [1e-30, 1e-3]}"),
        (OPTIMIZER, "{use: sgd, lr: 0, nesterov: true, momentum: 0.9}"),
        (EPOCHS, "loss: {use: cross_entropy, weight: [1, 2], label_smoothing: 0.1}"),
        (EPOCHS, "schedule: {use: cosine, warmup: 5%}"),
        (EPOCHS, "schedule: {use: step, step_size: 3, warmup: 100, interval: step}"),
        (EPOCHS, "schedule: {use: reduce_on_plateau, monitor: val.accuracy, mode: max}"),
        (EPOCHS, "schedule: reduce_on_plateau"),
        (EPOCHS, "steps: 100"),
        (EPOCHS, "early_stop: {monitor: train.loss}"),
        (EPOCHS, "early_stop: {monitor: val.roc_auc}"),
        (EPOCHS, "device: cuda:1"),
        ("task: binary", "task: {use: binary, positive: yes}"),
        ("task: binary", "task: binary\nrecipe: {use: 'team.recipe:Recipe', with: {depth: 3}}"),
        ("task: binary", "task: binary\nrequires: {gpu: 1, packages: [scikit-learn], environment: [HOME]}"),
        ("task: binary", "task: binary\ntags: [pr, nightly_2]"),
        ("target: churned", "target: churned\n  prepare: [impute, {use: 'team.prepare:scaler', by: 2}]"),
    ],
)
def test_what_can_be_asked_is_accepted(tmp_path: Path, old: str, new: str) -> None:
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


def test_a_positive_class_goes_with_a_binary_task(tmp_path: Path) -> None:
    """Of several classes none is the positive one."""
    message = told(tmp_path, ("task: binary", "task: {use: multiclass, positive: 1}"))

    assert message == (
        "3:25  task.positive: the task multiclass has no positive class\n"
        "    remove this key; one class of several is named in a gate, such as test.recall[class=x]"
    )


def test_a_metric_of_one_class_needs_a_class_where_there_are_several(tmp_path: Path) -> None:
    """Its averages are named, and how to ask for one class."""
    message = told(tmp_path, ("task: binary", "task: multiclass"), (GATE, "test.f1: {at_least: 0.9}"))

    assert message == (
        "14:3  gates.test.f1: f1 is defined for one class, and the task is multiclass\n"
        "    name an average (f1_macro, f1_micro, f1_weighted) or one class (test.f1[class=…])"
    )


def test_a_validation_split_that_is_not_made_cannot_be_looked_at(tmp_path: Path) -> None:
    """Neither by a gate nor by what decides on the training."""
    message = told(
        tmp_path,
        (", val: 0.1", ""),
        (EPOCHS, "early_stop: {patience: 1}\n  schedule: reduce_on_plateau"),
        ("test.accuracy", "val.accuracy"),
    )

    assert message == (
        "11:3  train.early_stop.monitor: val.loss needs a validation split\n"
        "    give data.split.val a share, such as 0.1\n"
        "12:3  train.schedule: val.loss needs a validation split\n"
        "    give data.split.val a share, such as 0.1\n"
        "15:3  gates.val.accuracy: there is no split 'val'\n"
        "    give data.split.val a share, such as 0.1"
    )


def test_the_users_own_loader_may_bring_a_validation_split(tmp_path: Path) -> None:
    """Then a worker finds out."""
    declared = spec(
        tmp_path, (", val: 0.1", ""), (SOURCE, "source: 'team.data:load'"), ("test.accuracy", "val.accuracy")
    )

    assert splits_of(declared.spec) == ("train", "val", "test")


def test_a_regression_has_no_classes_to_keep(tmp_path: Path) -> None:
    """`stratify` goes with classes."""
    message = told(
        tmp_path,
        ("task: binary", "task: regression"),
        ("val: 0.1", "stratify: true"),
        (GATE, "test.r2: {at_least: 0.1}"),
    )

    assert message == (
        "7:22  data.split.stratify: a regression has no classes to keep the shares of\n    remove this key"
    )


@pytest.mark.parametrize(
    ("spec", "task"),
    [
        ({"task": "multiclass", "train": {"loss": "mse"}}, "multiclass"),
        ({"data": {"source": "sklearn.diabetes"}}, "regression"),
        ({"data": {"source": "sklearn.wine"}, "train": {"loss": "mse"}}, "multiclass"),
        ({"train": {"loss": "huber"}}, "regression"),
        ({"train": {"loss": "binary_cross_entropy"}}, "binary"),
        ({"train": {"loss": "cross_entropy"}}, None),
        ({"train": {"loss": "team.losses:focal"}}, None),
        ({}, None),
    ],
)
def test_the_task_is_declared_or_follows(spec: Mapping[str, object], task: str | None) -> None:
    """From the data set first, then from the loss; `cross_entropy` says nothing of how many classes there are."""
    assert task_of(Spec.model_validate({"mlspec": 1, "name": "a", **spec})) == task


def test_bounds_are_read_in_the_unit_of_their_quantity() -> None:
    """Seconds may be written with any unit of time, or none."""
    seconds, accuracy = quantities.parse("train.seconds"), quantities.parse("test.accuracy")

    assert bound_values(seconds, Bound(at_most="2min")) == (120.0,)
    assert bound_values(seconds, Bound(within=("500ms", 2))) == (0.5, 2.0)
    assert bound_values(accuracy, Bound(at_least=1)) == (1.0,)
    assert bound_values(accuracy, Bound(better_than="dummy")) == ()
    with pytest.raises(MlspecError, match="a number is needed, not '1s'"):
        bound_values(accuracy, Bound(at_least="1s"))


def test_the_tables_of_arguments_hold_names_that_exist() -> None:
    """Every switch and every word is an argument of something."""
    tables = (names.OPTIMIZERS, names.LOSSES, names.SCHEDULES)
    known = {argument for table in tables for entry in table.values() for argument in entry.arguments}

    assert known >= arguments.SWITCHES
    assert all(names.SCHEDULES[name].arguments >= words.keys() for name, words in arguments.WORDS.items())
    assert {loss for losses in LOSSES_OF.values() for loss in losses} <= names.LOSSES.keys()
    assert LOSSES_OF.keys() == quantities.TASKS
