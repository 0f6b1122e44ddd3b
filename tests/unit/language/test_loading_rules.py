"""What can be said of augmentation, balance and workers, and what cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from churn_spec import spec, told

DROP = "target: churned"
EPOCHS = "epochs: 10"
OPTIMIZER = "optimizer: {use: adamw, lr: 3e-3}"

AUGMENT = [
    ("random_flip", "unknown change of an image 'random_flip'", "random_"),
    ("random_crop", "random_crop needs the argument 'padding'", "{use: random_crop, padding: …}"),
    ("{use: random_crop, padding: 0}", "a number of pixels is needed, not 0", "write 2"),
    ("{use: random_crop, padding: 2, padding_mode: wrap}", "'wrap' is not known here", "constant"),
    ("{use: random_crop, padding: 2, size: 28}", "random_crop has no argument 'size'", "fill"),
    ("{use: random_rotation, degrees: -5}", "an angle above 0 or two are needed", "[-15, 15]"),
    ("{use: random_rotation, degrees: [9, 3]}", "an angle above 0 or two are needed", "[-15, 15]"),
    ("{use: random_rotation, degrees: 5, fill: white}", "a number is needed, not 'white'", ""),
    ("{use: random_erasing, scale: [0.3, 0.1]}", "two numbers above 0 are needed", "write scale: [LOW, HIGH]"),
    ("{use: random_erasing, ratio: [0, 1]}", "two numbers above 0 are needed", "write ratio: [LOW, HIGH]"),
    ("{use: random_horizontal_flip, p: 1.5}", "a probability from 0 to 1 is needed, not 1.5", ""),
    ("{use: random_horizontal_flip, p: true}", "a probability from 0 to 1 is needed, not true", ""),
    ("{use: 'my.aug:jitter()'}", "'my.aug:jitter()' is no import path", "write package.module:name"),
]

TOGETHER = [
    ("target: churned\n  oversample: true", "epochs: 10\n  sampler: balanced", "together they would do it twice"),
    (DROP, "sampler: balanced\n  loss: {use: cross_entropy, weight: balanced}", "together they would do it twice"),
    (DROP, "sampler: balanced\n  shuffle: false", "rows that are drawn have no order to keep"),
    (DROP, "timeout: 5s", "there are no workers to wait for"),
]


@pytest.mark.parametrize(("change", "message", "advice"), AUGMENT)
def test_a_wrong_change_is_told_with_its_remedy(tmp_path: Path, change: str, message: str, advice: str) -> None:
    """Before anything runs."""
    text = told(tmp_path, (DROP, f"target: churned\n  augment: [{change}]"))

    assert message in text
    assert advice in text


@pytest.mark.parametrize(("data", "train", "message"), TOGETHER)
def test_what_does_not_go_together_is_refused(tmp_path: Path, data: str, train: str, message: str) -> None:
    """Nothing is ignored in silence."""
    changes = [(EPOCHS, train)] if data == DROP else [(DROP, data), (EPOCHS, train)]

    assert message in told(tmp_path, *changes)


@pytest.mark.parametrize(
    "balance", [("epochs: 10", "sampler: balanced"), (DROP, "target: churned\n  oversample: true")]
)
def test_a_regression_has_no_classes_to_balance(tmp_path: Path, balance: tuple[str, str]) -> None:
    """Neither by draws nor by repeats."""
    regression = (("task: binary", "task: regression"), ("test.accuracy: {at_least: 0.9}", "test.r2: {at_least: 0.5}"))

    assert "there are no classes to balance" in told(tmp_path, *regression, balance)


def test_an_engine_without_batches_augments_nothing(tmp_path: Path) -> None:
    """scikit-learn's."""
    sklearn = ((OPTIMIZER, "engine: sklearn"), (EPOCHS, "seed: 0"), ("{use: mlp, hidden: [8]}", "GaussianNB"))
    text = told(tmp_path, *sklearn, (DROP, "target: churned\n  augment: [random_vertical_flip]"))

    assert "the engine sklearn has no batches to change" in text


def test_workers_have_nothing_to_load_from_memory(tmp_path: Path) -> None:
    """A data set of scikit-learn is a few arrays."""
    digits = (("source: data/churn.csv", "source: sklearn.breast_cancer"), (f"  {DROP}\n", ""))

    assert "the rows of sklearn.breast_cancer lie in memory" in told(tmp_path, *digits, (EPOCHS, "workers: 2"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            DROP,
            "target: churned\n  augment: [random_horizontal_flip, {use: random_crop, padding: 2, padding_mode: edge}]",
        ),
        (DROP, "target: churned\n  augment: {use: random_rotation, degrees: [-10, 20], interpolation: bilinear}"),
        (
            DROP,
            "target: churned\n  augment: [{use: random_erasing, p: 0.1, scale: [0.02, 0.1], value: 1}, my.aug:jitter]",
        ),
        (DROP, "target: churned\n  oversample: true"),
        (EPOCHS, "sampler: balanced"),
        (EPOCHS, "workers: 2\n  timeout: 30s"),
        (EPOCHS, "workers: 4"),
    ],
)
def test_what_can_be_said_is_accepted(tmp_path: Path, old: str, new: str) -> None:
    """With torchvision's names."""
    assert spec(tmp_path, (old, new)).spec.train.timeout > 0
