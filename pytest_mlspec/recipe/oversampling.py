"""`data.oversample`: training rows repeated at random until every class has as many as the largest.

Shape letters: N rows, C classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlspec.recipe.protocol import Examples, Prepared

if TYPE_CHECKING:
    from pytest_mlspec.language.spec import Spec


def training_examples(prepared: Prepared, spec: Spec) -> Examples:
    """The examples that a model is fitted on; those of `prepared`, on which it is measured, stay as they are."""
    examples = prepared.splits["train"]
    if spec.data is None or not spec.data.oversample:
        return examples
    return oversampled(examples, seed=spec.data.split.seed)


def oversampled(examples: Examples, *, seed: int) -> Examples:
    """`examples`, behind them repeats drawn with replacement; each class has as many rows as the largest had."""
    import numpy as np

    counts_C = np.bincount(examples.targets)
    generator = np.random.default_rng(seed)
    drawn = [
        generator.choice(np.flatnonzero(examples.targets == number), counts_C.max() - count)
        for number, count in enumerate(counts_C)
        if count
    ]
    return examples.take(np.concatenate([np.arange(len(examples)), *drawn]))
