"""Where two trainings that should be equal part: at which step, and in what. Equal means to the last bit."""

from __future__ import annotations

from pytest_mlspec.check import Verdict, errored, failed
from pytest_mlspec.checks.losses import unsound
from pytest_mlspec.evidence import TrainingRun


def incomparable(run: TrainingRun, other: TrainingRun, *, reference: str, subject: str) -> Verdict | None:
    """The error of two trainings whose results cannot be compared; None where they can. `subject` names `other`."""
    if error := unsound(run, called=reference) or unsound(other, called=subject):
        return error
    for name in ("engine", "device", "threads", "seed"):
        first, second = getattr(run, name), getattr(other, name)
        if first != second:
            return errored(f"not comparable: {reference} has {name} {first}, {subject} has {name} {second}")
    measured = {
        "history of losses": (len(run.loss_S), len(other.loss_S)),
        "digest of the weights": (run.weights_digest, other.weights_digest),
        "digest of the predictions": (run.predictions_digest, other.predictions_digest),
    }
    for name, (first, second) in measured.items():
        if bool(first) != bool(second):
            return errored(f"not comparable: {subject if first else reference} has no {name}")
    if not (run.weights_digest or run.predictions_digest):
        return errored("nothing to compare: neither training has weights or predictions that could be read")
    return None


def parting(run: TrainingRun, other: TrainingRun, *, reference: str, subject: str, mark: str = "") -> Verdict | None:
    """Failed where the two differ, with the first difference as its summary; None where they are equal.

    `mark` follows the number of the step.
    """
    differences = []
    if run.examples_digest != other.examples_digest:
        differences.append("the prepared data differ before the first step")
    if step := first_difference(run, other):
        losses = apart(float(other.loss_S.values[step - 1]), float(run.loss_S.values[step - 1]))
        differences.append(f"{subject} differs from {reference} from step {step}{mark}: loss {losses}")
    lengths = (len(other.loss_S), len(run.loss_S)) if len(run.loss_S) else (other.steps, run.steps)
    if lengths[0] != lengths[1]:
        differences.append(f"{subject} takes {lengths[0]} steps, {reference} {lengths[1]}")
    if run.weights_digest != other.weights_digest:
        differences.append(f"the final weights of {subject} and {reference} differ")
    if run.predictions_digest != other.predictions_digest:
        differences.append(f"the predictions of {subject} and {reference} differ")
    if not differences:
        return None
    first, *others = differences
    return failed(first).explained(*others)


def first_difference(run: TrainingRun, other: TrainingRun) -> int | None:
    """The first step, counted from 1, whose losses differ; None where those of all common steps are equal."""
    import numpy as np

    common = min(len(run.loss_S), len(other.loss_S))
    differ_S = np.flatnonzero(run.loss_S.values[:common] != other.loss_S.values[:common])
    return int(differ_S[0]) + 1 if len(differ_S) else None


def compared(run: TrainingRun) -> str:
    """What the comparison of two equal trainings rests on.

    The end of a summary such as `losses of 90 steps, weights, predictions: equal to the last bit`.
    """
    parts = [
        f"losses of {len(run.loss_S)} steps" if len(run.loss_S) else "",
        "weights" if run.weights_digest else "",
        "predictions" if run.predictions_digest else "",
    ]
    return ", ".join(part for part in parts if part)


def apart(first: float, second: float) -> str:
    """Two different numbers with as many digits as it takes to tell them apart.

    >>> apart(0.43121, 0.42983), apart(0.1 + 0.2, 0.3)
    ('0.4312 against 0.4298', '0.30000000000000004 against 0.3')
    """
    digits = next((n for n in range(4, 17) if f"{first:.{n}g}" != f"{second:.{n}g}"), 17)
    return f"{first!r} against {second!r}" if digits > 12 else f"{first:.{digits}g} against {second:.{digits}g}"
