"""`ChanceScore`: how far predictions of the test split agree with targets that were shuffled before the split.

Nothing can know them: given the predictions, and how often each target occurs, every order of the held-out targets is as likely
as any other. So the check can tell exactly how likely an agreement is, whatever the model.

Shape letters: N rows, C classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_mlspec.errors import MeasurementError, NotApplicableError
from pytest_mlspec.evidence import Agreement, TrainingRun
from pytest_mlspec.jobs import ChanceScore
from pytest_mlspec.recipe.work import Result, Work

if TYPE_CHECKING:
    from pytest_mlspec.recipe.protocol import NumpyArray

# Where one value is that of so many rows, ranks say little: values are then counted by their side of the median.
_OFTEN = 0.05


def score_shuffled(job: ChanceScore, work: Work) -> Result:
    """The agreement on the test split, else on validation rows. Raises NotApplicableError where nothing is held out."""
    run = work.needed[job.of].evidence
    assert isinstance(run, TrainingRun), "what was trained on shuffled targets is a training"
    prepared = work.prepared
    split = next((name for name in ("test", "val") if len(prepared.splits.get(name, ()))), None)
    if split is None:
        raise NotApplicableError("there are no held-out rows to score")
    predicted = work.needed[job.of].array(f"predictions/{split}")
    targets_N = prepared.splits[split].targets
    counted = len(targets_N), len(prepared.splits["train"])
    if len(predicted) != len(targets_N):
        raise MeasurementError(f"{len(predicted)} predictions for {len(targets_N)} rows of {split}")
    if not np.isfinite(predicted).all():
        raise MeasurementError(f"predictions of {split} are not finite after a training on shuffled targets")
    if prepared.classes:
        found = _of_classes(split, counted, run.steps, predicted.argmax(axis=1), targets_N)
        found = replace(found, correlations=tuple(_of_probabilities(predicted, targets_N)))
    elif max(_most_common(predicted), _most_common(targets_N)) > _OFTEN:
        upper = predicted > np.median(predicted), targets_N > np.median(targets_N)
        found = _of_classes(split, counted, run.steps, *(side.astype(np.int64) for side in upper), cut=True)
    else:
        ranks = (_ranks(predicted), _ranks(targets_N))
        found = Agreement(split, *counted, run.steps, correlations=(float(np.corrcoef(*ranks)[0, 1]),))
    return Result(found)


def _of_probabilities(probabilities_NC: NumpyArray, true_N: NumpyArray) -> Iterator[float]:
    """The correlation of the ranks of each class's probability with the rows of that class; of two classes, that of one."""
    classes = probabilities_NC.shape[1]
    for number in range(1 if classes == 2 else 0, classes):
        is_class_N = true_N == number
        if _most_common(probabilities_NC[:, number]) <= _OFTEN and 0 < is_class_N.sum() < len(is_class_N):
            yield float(np.corrcoef(_ranks(probabilities_NC[:, number]), is_class_N)[0, 1])


def _of_classes(
    split: str, counted: tuple[int, int], steps: int, predicted_N: NumpyArray, true_N: NumpyArray, *, cut: bool = False
) -> Agreement:
    predicted, true = Counter(predicted_N.tolist()), Counter(true_N.tolist())
    classes = sorted({*predicted, *true})
    return Agreement(
        split,
        *counted,
        steps,
        hits=int((predicted_N == true_N).sum()),
        predicted=tuple(predicted[label] for label in classes),
        true=tuple(true[label] for label in classes),
        cut=cut,
    )


def _most_common(values_N: NumpyArray) -> float:
    """The share of the rows that have the most common value."""
    return float(np.unique(values_N, return_counts=True)[1].max() / len(values_N))


def _ranks(values_N: NumpyArray) -> NumpyArray:
    """The rank of each value, equal ones by the mean of theirs."""
    _, number_N, counts_U = np.unique(values_N, return_inverse=True, return_counts=True)
    ends_U = np.cumsum(counts_U)
    ranks_N: NumpyArray = (ends_U - (counts_U - 1) / 2)[number_N]
    return ranks_N
