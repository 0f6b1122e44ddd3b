"""`baseline`, the model: its parameters, layers and answers before a training, where the spec says the same of it.

Names are not compared: a refactoring that renames parts, or writes `F.relu` for `nn.ReLU`, gives the same answers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from pytest_mlspec.check import Status, Verdict, at_most, failed, listed, passed
from pytest_mlspec.checks.baseline_columns import forms
from pytest_mlspec.checks.baseline_rows import same_training_rows
from pytest_mlspec.evidence import Description, Structure

# Answers in double precision, of parameters between −1 and 1; a file holds six digits of them.
_ROUNDING = 1e-4
# Of `float32 [8, 3]` and `Linear(in_features=3, …)`, but not of a type or of `Dropout(p=0.5)`.
_SIZES = re.compile(r"(?<=[\[=])\d+(?![.\d])|(?<=, )\d+(?=[,\]])")
_CODE = "did its code change, or the version of the library that builds it?"


def structure(before: Description, now: Description, *, same_model: bool = False) -> Iterator[Verdict]:
    """Red where the spec says the same of the model, the same enters it, and it is built of other parts.

    Other sizes, rates of dropout and activations are told, and red with `same_model`: a team changes them as it changes a
    rate, and what is wrong with them shows elsewhere.
    """
    old, new = before.model, now.model
    if old.declared != new.declared:
        yield passed("the structure of the model was not compared: the spec declares it otherwise")
    elif not (old.parts or old.layers) or not (new.parts or new.layers):
        yield passed(f"the structure of the model was not compared: {new.missing or old.missing or 'it has no parts'}")
    elif forms(before) != forms(now) or before.classes != now.classes:
        yield passed("the structure of the model was not compared: it takes other inputs or classes")
    elif "estimator" in old.layers or "estimator" in new.layers:
        yield from _of_estimator(old, new)
    else:
        same_rows = same_training_rows(before, now)
        yield from _of_module(old, new, same_rows=same_rows, fits=now.fits, held=same_model)


def _of_module(old: Structure, new: Structure, *, same_rows: bool, fits: bool, held: bool) -> Iterator[Verdict]:
    """Other training rows may make other sizes, of a vocabulary, and other answers, by a mean that the model holds."""
    resized = _otherwise(old.parts, new.parts, sizes=True)
    parts = resized if held and (same_rows or not fits) else _otherwise(old.parts, new.parts, sizes=False)
    layers = _otherwise(old.layers, new.layers, sizes=not resized)
    if parts:
        yield _red(
            f"the model has other parameters: {parts[0]}", parts, n=len(new.parts), finding="baseline.parameters"
        )
        return
    if resized:
        yield passed(f"the model has other sizes: {listed(resized, limit=3)}")
    elif old.parts != new.parts and not layers:
        named = [name for name in new.parts if name not in old.parts]
        if named:
            yield passed(f"parts of the model have other names: {listed(named)}")
    known = bool(old.answers) and len(old.answers) == len(new.answers) and same_rows and not resized
    apart = at_most(_apart(old.answers, new.answers) if known else 0.0, _ROUNDING, of="answers differ by")
    if apart.status is not Status.PASSED:
        lines = [f"{apart.summary}, of their size", *layers]
        summary = "the model answers otherwise with the same parameters"
        yield _otherwise_built(summary, lines, held=held, n=len(new.parts), finding="baseline.answers")
        return
    # What drops units shows in training alone; of others, equal answers say that they are written in another way.
    telling = [line for line in layers if "Dropout" in line or "dropout" in line]
    if telling:
        summary = f"the model has other layers: {telling[0]}"
        yield _otherwise_built(summary, layers, held=held, n=len(new.layers), finding="baseline.dropout")
    elif layers:
        how = "and answers as before" if known else "without parameters"
        yield passed(f"layers are others, {how}: {listed(layers, limit=3)}")


def _of_estimator(old: Structure, new: Structure) -> Iterator[Verdict]:
    """A setting that one of two versions of a library does not know is none that was changed."""
    changed = [
        *(
            f"{name}: {new.layers.get(name, 'none')}, recorded {old.layers.get(name, 'none')}"
            for name in _others(old, new)
        ),
        *(
            f"{name}: {value}, recorded {old.parts[name]}"
            for name, value in new.parts.items()
            if name in old.parts and old.parts[name] != value
        ),
    ]
    if changed:
        yield _red(f"the estimator is another: {changed[0]}", changed, n=len(new.parts), finding="baseline.estimator")


def _others(old: Structure, new: Structure) -> list[str]:
    return [name for name in {**old.layers, **new.layers} if old.layers.get(name) != new.layers.get(name)]


def _otherwise_built(summary: str, lines: list[str], *, held: bool, n: int, finding: str) -> Verdict:
    return _red(summary, lines, n=n, finding=finding) if held else passed(f"{summary} ({listed(lines, limit=3)})")


def _red(summary: str, lines: list[str], *, n: int, finding: str) -> Verdict:
    told = failed(summary).explained(*lines[:8], advice=_CODE, finding=finding)
    return told.explained(f"{len(lines)} differences in all" if len(lines) > 8 else "").on(n=n)


def _otherwise(old: Mapping[str, str], new: Mapping[str, str], *, sizes: bool) -> list[str]:
    """What parts are there more or less often than before, whatever their names; those with one come with it."""
    before, after = (
        {name: text if sizes else _SIZES.sub("…", text) for name, text in each.items()} for each in (old, new)
    )
    gone, added = Counter(before.values()), Counter(after.values())
    gone, added = gone - added, added - gone
    lines = []
    for name, text in before.items():
        if gone[text] and after.get(name) != text:
            gone[text] -= 1
            there = added[after[name]] if name in after else 0
            if there:
                added[after[name]] -= 1
                lines.append(f"{name} is {after[name]}, it was {text}")
            else:
                lines.append(f"{name} is gone, it was {text}")
    for name, text in after.items():
        if added[text] and before.get(name) != text:
            added[text] -= 1
            lines.append(f"{name} is new: {text}")
    return lines


def _apart(old: tuple[float, ...], new: tuple[float, ...]) -> float:
    """The largest difference of two answers, as a share of the largest answer."""
    scale = max(abs(value) for value in (*old, *new)) or 1.0
    return max(abs(one - other) for one, other in zip(old, new, strict=True)) / scale
