"""The specs of the run: a healthy one, and for each planted fault that one with the few values changed which plant it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

HEALTHY = """\
mlspec: 1
name: healthy
limits: {time: 120s}
task: {use: binary, positive: malignant}
recipe: {use: "team.pipeline:Pipeline"}
inputs: [data/*.csv]
data:
  source: {use: "team.data:load", path: data/cells.csv}
  target: diagnosis
  drop: [clinic]
  prepare: standardize
train:
  optimizer: {use: adamw, lr: 0.01}
  epochs: 12
  batch_size: 64
checks: [data, gradients, converges, overfit, independence, resumes]
gates:
  test.accuracy: {at_least: 0.85}
  test.loss: {at_most: 0.3}
"""

Changes = Mapping[str, Any]
"""Key path in the spec -> the value there."""

STANDARD: Changes = {"checks": "standard"}
"""With `reproducible`, which starts an interpreter: seconds that are spent where it may turn red."""

FAULTS: Mapping[str, Changes] = {
    "lr_zero": {"train.optimizer.lr": 0},
    "labels_shuffled": {"data.source.use": "team.data:load_with_shuffled_labels"},
    "softmax_before_loss": {"recipe.use": "team.faults:SoftmaxBeforeLoss"},
    "no_zero_grad": {"recipe.use": "team.faults:NoZeroGrad", **STANDARD},
    "unseeded_augmentation": {"recipe.use": "team.faults:UnseededAugmentation", **STANDARD},
    "seeded_from_a_hash": {"recipe.use": "team.faults:SeededFromAHash", **STANDARD},
    "counts_in_a_global": {"recipe.use": "team.faults:CountsInAGlobal", "checks": ["converges", "resumes"]},
    "detached_branch": {"recipe.use": "team.faults:DetachedBranch"},
    "batch_mean": {"recipe.use": "team.faults:BatchMean"},
    "test_rows_in_training": {"recipe.use": "team.faults:TestRowsInTraining"},
    "nan_in_data": {"data.source.path": "data/with_a_gap.csv"},
}

UNMEASURED: Mapping[str, Changes] = {
    "nan_loss": {"recipe.use": "team.unmeasured:NaNLoss"},
    "negated_loss": {"recipe.use": "team.unmeasured:NegatedLoss"},
    "infinity_in_data": {"data.source.path": "data/with_an_infinity.csv"},
    "no_validation_row": {"recipe.use": "team.unmeasured:NoValidationRow"},
    "one_class_in_test": {
        "recipe.use": "team.unmeasured:OneClassInTest",
        "checks": ["data"],
        "gates": {
            "test.roc_auc": {"at_least": 0.0},
            "test.roc_auc[class=malignant]": {"within": [0.0, 1.0]},
            "test.log_loss": {"at_most": 100.0},
        },
    },
    "selectors": {
        "checks": ["data"],
        "gates": {
            "test.recall[clinic=north]": {"at_least": 0.5},
            "test.recall[klinik=north]": {"at_least": 0.0},
            "test.recall[clinic=east]": {"at_least": 0.0},
            "test.recall[class=Malignant]": {"at_least": 0.0},
        },
    },
    "unknown_positive": {"task.positive": "yes", "checks": ["data"]},
    "leaves_at_once": {"recipe.use": "team.unmeasured:LeavesAtOnce", **STANDARD},
    "leaves_politely": {"recipe.use": "team.unmeasured:LeavesPolitely", "checks": ["data", "gradients", "converges"]},
    "crashes": {"recipe.use": "team.unmeasured:Crashes", "checks": ["data", "gradients", "converges"]},
    "never_ends": {"recipe.use": "team.unmeasured:NeverEnds", "checks": ["converges"], "limits.time": "4s"},
}


def write(folder: Path, specs: Mapping[str, Changes]) -> None:
    """One file for each spec: the healthy one with these changes, by the name that they have here."""
    folder.mkdir(exist_ok=True)
    for name, changes in specs.items():
        text = yaml.safe_dump(changed({"name": name, **changes}), sort_keys=False)
        (folder / f"{name}.mlspec.yaml").write_text(text, encoding="utf-8")


def changed(changes: Changes) -> dict[str, Any]:
    """The healthy spec with these changes."""
    spec: dict[str, Any] = yaml.safe_load(HEALTHY)
    for path, value in changes.items():
        *parents, key = path.split(".")
        inner = spec
        for parent in parents:
            inner = inner[parent]
        inner[key] = copy.deepcopy(value)
    return spec
