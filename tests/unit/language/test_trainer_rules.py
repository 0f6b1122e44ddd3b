"""The engine transformers: what its Trainer makes by name, and what stands beside `engine: {use: transformers}`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from churn_spec import spec, told

from pytest_mlspec.language import trainer

HEAD = """\
mlspec: 1
name: a
task: binary
data:
  source: data/churn.csv
  target: churned
  split: {test: 0.2, val: 0.1}
  prepare: {use: tokenizer, path: data, length: 8}
model: {use: pretrained, path: data}
checks: standard
"""

MISTAKES = [
    ("engine: {use: transformers, warmup_ration: 0.1}", "takes no 'warmup_ration'", "did you mean 'warmup_ratio'?"),
    (
        "engine: {use: transformers, learning_rate: 1e-3}",
        "stands for a key of the spec, train.optimizer.lr",
        "write train.",
    ),
    ("engine: {use: transformers, seed: 1}", "stands for a key of the spec, train.seed", "write train.seed"),
    (
        "engine: {use: transformers, output_dir: here}",
        "output_dir of transformers.TrainingArguments is set",
        "remove it",
    ),
    ("engine: {use: transformers, warmup_ratio: 10}", "a share from 0 to below 1 is needed, not 10", ""),
    ("engine: {use: transformers, tf32: 1}", "true or false is needed, not 1", ""),
    ("engine: {use: transformers, neftune_noise_alpha: -1}", "a number of at least 0 is needed, not -1", ""),
    ("engine: {use: transformers, liger_kernel_config: fast}", "names with values are needed, not 'fast'", ""),
    (
        "engine: {use: transformers, activation_checkpointing_kwargs: {use_reentrant: false}}",
        "activation_checkpointing_kwargs means nothing without activation_checkpointing",
        "write activation_checkpointing too, or remove this key",
    ),
    (
        "engine: {use: transformers, label_smoothing_factor: 0.1}\n  loss: cross_entropy",
        "label_smoothing_factor and train.loss both say the same",
        "keep one of them",
    ),
    (
        "engine: {use: transformers, warmup_ratio: 0.1}\n  schedule: {use: linear, warmup: 5}",
        "the warm-up is given twice",
        "write {use: linear, warmup: 10%}",
    ),
    (
        "engine: {use: transformers, warmup_steps: 5}\n  schedule: 'team.rates:falling'",
        "the schedule is your own, and has its warm-up itself",
        "remove it",
    ),
    (
        "engine: transformers\n  optimizer: {use: rmsprop, lr: 1e-3}",
        "the Trainer makes no rmsprop",
        "adamw, sgd, adafactor",
    ),
    (
        "engine: transformers\n  optimizer: {use: adamw, amsgrad: true}",
        "the Trainer gives adamw no 'amsgrad'",
        "betas, eps",
    ),
    ("engine: transformers\n  schedule: {use: step, step_size: 2}", "the Trainer makes no step", "linear, cosine"),
    ("engine: transformers\n  schedule: {use: linear, end_factor: 0.1}", "gives linear no 'end_factor'", "warmup"),
    (
        "engine: transformers\n  device: 'cuda:1'",
        "the Trainer takes the first GPU that it sees",
        "CUDA_VISIBLE_DEVICES",
    ),
    *(
        (f"engine: transformers\n  {key}", "the engine transformers has no use for this key", "remove it")
        for key in ("ema: 0.99", "sampler: balanced", "compile: true", "workers: 2", "checkpoint: {steps: 5}")
    ),
]


@pytest.mark.parametrize(("train", "message", "advice"), MISTAKES)
def test_a_mistake_is_told_with_its_remedy(tmp_path: Path, train: str, message: str, advice: str) -> None:
    """At its place, before anything is trained."""
    found = told(tmp_path, text=f"{HEAD}train:\n  {train}\n")

    assert message in found
    assert advice in found


@pytest.mark.parametrize(
    ("old", "new", "message", "advice"),
    [
        (
            "model: {use: pretrained, path: data}",
            "model: {use: mlp}",
            "unknown model of the engine transformers 'mlp'",
            "pretrained",
        ),
        ("path: data}", "path: date}", "there is no folder 'date' below the root directory", ""),
        (
            "path: data}",
            "name: org/model}",
            "'org/model' on the hub may be another model tomorrow",
            "pin it: revision: SHA",
        ),
        (
            "tokenizer, path: data,",
            "tokenizer,",
            "neither path nor name says where the tokenizer lies",
            "write path: FOLDER",
        ),
        (
            "tokenizer, path: data,",
            "tokenizer, path: ../x,",
            "'../x' lies outside the root directory",
            "name a folder below",
        ),
        (
            "tokenizer, path: data,",
            "tokenizer, path: data, lenght: 2,",
            "tokenizer has no argument 'lenght'",
            "'length'",
        ),
        ("path: data, length: 8}", "path: data, length: 0}", "a whole number of at least 1 is needed, not 0", ""),
        (
            "task: binary",
            "task: reconstruction",
            "the engine transformers cannot train the task reconstruction",
            "torch",
        ),
    ],
)
def test_a_mistake_of_model_data_or_task_is_told(tmp_path: Path, old: str, new: str, message: str, advice: str) -> None:
    """Folders are looked for, not read."""
    text = HEAD.replace(old, new, 1) + "train: {engine: transformers}\n"
    found = told(tmp_path, text=text)

    assert message in found
    assert advice in found


def test_values_are_not_smoothed(tmp_path: Path) -> None:
    """A smoothed target is a share of each class."""
    text = HEAD.replace("task: binary", "task: regression", 1)
    found = told(tmp_path, text=f"{text}train: {{engine: {{use: transformers, label_smoothing_factor: 0.1}}}}\n")

    assert "train.engine.label_smoothing_factor: a regression has no classes" in found


@pytest.mark.parametrize(
    "train",
    [
        "engine: {use: transformers, warmup_ratio: 0.1, label_smoothing_factor: 0.1, gradient_checkpointing: true}",
        "engine: transformers\n  optimizer: {use: adamw, lr: 5e-4, betas: [0.9, 0.98], weight_decay: 0.01}\n  schedule: linear",
        "engine: transformers\n  optimizer: {use: sgd, lr: 0.1, momentum: 0.9}\n  schedule: {use: cosine, warmup: 5%}",
        "engine: transformers\n  optimizer: 'team.rates:adam'\n  schedule: 'team.rates:falling'\n  precision: bf16",
        "engine: transformers\n  early_stop: {monitor: val.f1, patience: 2}\n  accumulate: 2\n  clip_norm: 1\n  freeze: [bert]",
        "engine: transformers\n  loss: {use: focal, gamma: 1.0}\n  deterministic: true\n  drop_last: true\n  device: cuda",
    ],
)
def test_what_can_be_trained_is_accepted(tmp_path: Path, train: str) -> None:
    """A rule refuses what is impossible, and nothing else."""
    assert spec(tmp_path, text=f"{HEAD}train:\n  {train}\n").spec.name == "a"


def test_the_table_holds_every_argument_of_the_trainer_once() -> None:
    """A version with a new one is noticed here; the share of a warm-up has its older name."""
    from transformers import TrainingArguments

    listed = [*trainer.ARGUMENTS - {trainer.WARMUP_RATIO}, *trainer.KEYS, *trainer.OWN]

    assert sorted(listed) == sorted(each.name for each in dataclasses.fields(TrainingArguments) if each.init)
