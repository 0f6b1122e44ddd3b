"""The rules of `model` for the engine sklearn: names at any depth, what they are made of, and what they can be asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pytest_mlspec import quantities
from pytest_mlspec.errors import MlspecError, did_you_mean
from pytest_mlspec.language.boosters import BOOSTERS, EARLY_STOPPING
from pytest_mlspec.language.complaints import described
from pytest_mlspec.language.estimators import (
    CLASSIFIERS,
    CLUSTERERS,
    CLUSTERERS_OF_SEEN_ROWS,
    COMPOSED,
    ESTIMATORS_OF_TASK,
    LISTS_OF_PARTS,
    NOT_IN_A_SPEC,
    PARTS,
    PARTS_BY_NAME,
    REFUSED,
    REGRESSORS,
    WITHOUT_PROBABILITIES,
    WITHOUT_SCORES,
    WORDS_FOR_PARTS,
    Kind,
)
from pytest_mlspec.language.rules.mistake import Mistake
from pytest_mlspec.language.rules.uses import import_path, unknown
from pytest_mlspec.language.spec import Use
from pytest_mlspec.language.task import task_of

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath
    from pytest_mlspec.language.spec import Spec

_MODEL: KeyPath = ("model",)
_VAL_SHARE: KeyPath = ("data", "split", "val")
_ENGINE_ARGUMENTS = ("sample_weight",)

KNOWN: Mapping[str, Kind | None] = {
    **dict.fromkeys(CLASSIFIERS, "classes"),
    **dict.fromkeys(REGRESSORS, "values"),
    **{name: entry.predicts for name, entry in COMPOSED.items()},
    **{name: entry.predicts for name, entry in BOOSTERS.items()},
}
"""Every estimator with a target by name, and what that is; None where another estimator inside decides."""


def is_estimator(name: str) -> bool:
    """True for what the engine sklearn knows by name, and no other engine does."""
    return name in KNOWN or any(name in table for table in ESTIMATORS_OF_TASK.values())


def mistakes(spec: Spec, model: Use, *, has_val: bool) -> Iterator[Mistake]:
    """The mistakes of a `model` for the engine sklearn; `has_val` is true where there will be validation rows."""
    task = task_of(spec)
    named = list(_name(model.use, task))
    yield from named
    if named:
        return
    yield from _arguments(_MODEL, model)
    entry = BOOSTERS.get(model.use)
    if EARLY_STOPPING in model.arguments and entry is not None and entry.stops_early:
        yield from _early_stopping(model, has_val=has_val)
    yield from _gates(spec, model)


def of_engine(spec: Spec) -> Iterator[Mistake]:
    """The mistakes of the arguments of the engine itself."""
    train = spec.train
    for name, value in train.engine.arguments.items():
        key = ("train", "engine", name)
        if name not in _ENGINE_ARGUMENTS:
            yield Mistake(
                key, f"the engine sklearn has no argument {described(name)}", did_you_mean(name, _ENGINE_ARGUMENTS)
            )
        elif not isinstance(value, str) or not value:
            yield Mistake(key, f"the name of a column is needed, not {described(value)}", "or write balanced")
        elif value == "balanced" and task_of(spec) == "regression":
            yield Mistake(key, "balanced weighs classes, and the targets are values", "name a column of weights")


def early_stop_advice(model: Use | None) -> str:
    """What to write in the place of `train.early_stop`."""
    if model is not None and model.use in BOOSTERS and BOOSTERS[model.use].stops_early:
        return f"write model: {{use: {model.use}, {EARLY_STOPPING}: 10}}"
    return "remove it"


def _name(name: str, task: str | None) -> Iterator[Mistake]:
    """The mistake of an estimator by name: unknown, or for another task."""
    if name in REFUSED:
        yield Mistake(_MODEL, f"{name} cannot be used: {REFUSED[name]}", "take another estimator")
        return
    own = ESTIMATORS_OF_TASK.get(task or "")
    if own is not None and (name in own or name == "Pipeline"):
        return
    wanted = {"binary": "classes", "multiclass": "classes", "regression": "values"}.get(task or "")
    if own is None and name in KNOWN:
        if wanted and KNOWN[name] not in (wanted, None):
            other = _twin(name, wanted)
            advice = f"did you mean {described(other)}?" if other else "take another estimator, or another task"
            found = f"{name} predicts {KNOWN[name]}, and the target of the task {task} holds {wanted}"
            yield Mistake(_MODEL, found, advice, lacks=(("task",),))
        return
    known = KNOWN if own is None else own
    homes = [other for other, table in ESTIMATORS_OF_TASK.items() if name in table]
    if task == "clustering" and name in CLUSTERERS_OF_SEEN_ROWS:
        yield Mistake(
            _MODEL,
            f"{name} cannot tell the cluster of a row that it was not fitted on",
            f"for held-out rows, take one of: {', '.join(CLUSTERERS)}",
        )
    elif homes or name in KNOWN:
        advice = f"write `task: {homes[0]}`, or another estimator" if homes else f"known: {', '.join(known)}"
        yield Mistake(_MODEL, f"{name} does not fit the task {task}", advice, lacks=(("task",),))
    else:
        yield _unknown(_MODEL, name, known)


def _unknown(key: KeyPath, name: str, known: Mapping[str, object]) -> Mistake:
    """A name that stands in no table; a booster goes by its package too."""
    full = next((full for full, entry in BOOSTERS.items() if entry.class_name == name), "")
    if full in known:
        return Mistake(key, f"unknown estimator {described(name)}", f"did you mean {full!r}?")
    return unknown(key, name, known, "estimator")


def _twin(name: str, wanted: str) -> str:
    """The estimator of the same family for the other kind of target, empty where there is none."""
    one, other = ("Regressor", "Classifier") if wanted == "classes" else ("Classifier", "Regressor")
    twin = name.replace(one, other)
    return twin if twin in KNOWN and twin != name else ""


def _arguments(key: KeyPath, use: Use) -> Iterator[Mistake]:
    """The mistakes of the arguments of an estimator, at any depth; scikit-learn's own names are checked in the worker."""
    if use.use in BOOSTERS:
        for name in use.arguments.keys() - BOOSTERS[use.use].arguments - NOT_IN_A_SPEC.keys():
            known = did_you_mean(name, BOOSTERS[use.use].arguments)
            yield Mistake((*key, name), f"{use.use} has no argument {described(name)}", known)
    if use.use in COMPOSED:
        for name in sorted(COMPOSED[use.use].needs - use.arguments.keys()):
            yield Mistake(
                key, f"{use.use} needs the argument {described(name)}", f"write {{use: {use.use}, {name}: …}}"
            )
    for name, value in use.arguments.items():
        if name in NOT_IN_A_SPEC:
            yield Mistake(
                (*key, name), f"the argument {name} cannot be given: {NOT_IN_A_SPEC[name]}", "remove this key"
            )
        elif name in LISTS_OF_PARTS:
            yield from _list_of_parts((*key, name), value)
        elif name in PARTS_BY_NAME and isinstance(value, str):
            yield from _part((*key, name), Use(use=value))
        else:
            yield from _value((*key, name), value)


def _list_of_parts(key: KeyPath, value: Any) -> Iterator[Mistake]:
    parts: list[tuple[Any, Any]]
    match value:
        case Mapping() if "use" not in value:
            parts = list(value.items())
        case list():
            parts = list(enumerate(value))
        case _:
            parts = []
    if not parts:
        yield Mistake(key, f"a list of estimators is needed, not {described(value)}", "write [{use: …}, {use: …}]")
    for at, part in parts:
        match part:
            case str():
                yield from _part((*key, at), Use(use=part))
            case {"use": str()}:
                taken = {name: given for name, given in part.items() if name != "columns"}
                if key[-1] == "transformers" and "columns" not in part:
                    yield Mistake((*key, at), "it is not said which columns it transforms", "write columns: [NAME, …]")
                yield from _value((*key, at), taken if key[-1] == "transformers" else part)
            case _:
                yield Mistake((*key, at), f"an estimator is needed, not {described(part)}", "write {use: …}")


def _value(key: KeyPath, value: Any) -> Iterator[Mistake]:
    """The mistakes of what stands in an argument: a part, or a list or mapping that may hold some."""
    match value:
        case {"use": str()}:
            yield from _part(key, _as_use(value))
        case {"use": other}:
            yield Mistake((*key, "use"), f"a name is needed, not {described(other)}")
        case Mapping():
            for name, inner in value.items():
                yield from _value((*key, name), inner)
        case list():
            for number, inner in enumerate(value):
                yield from _value((*key, number), inner)


def _part(key: KeyPath, use: Use) -> Iterator[Mistake]:
    if use.use in WORDS_FOR_PARTS and not use.arguments:
        return
    if use.is_path:
        yield from import_path(key, use)
    elif use.use in REFUSED:
        yield Mistake(key, f"{use.use} cannot be used: {REFUSED[use.use]}", "take another estimator")
    elif use.use not in PARTS:
        yield _unknown(key, use.use, PARTS)
    else:
        yield from _arguments(key, use)
        if use.use in BOOSTERS and EARLY_STOPPING in use.arguments:
            yield Mistake(
                (*key, EARLY_STOPPING),
                "inside another estimator there are no validation rows to stop on",
                "name the booster as the model itself, and prepare its inputs under data.prepare",
            )


def _early_stopping(model: Use, *, has_val: bool) -> Iterator[Mistake]:
    key: KeyPath = (*_MODEL, EARLY_STOPPING)
    rounds = model.arguments[EARLY_STOPPING]
    if type(rounds) is not int or rounds < 1:
        yield Mistake(key, f"a number of rounds is needed, not {described(rounds)}", "write 10")
    elif not has_val:
        advice = "give data.split.val a share, such as 0.1"
        yield Mistake(key, "an early stop needs a validation split", advice, lacks=(_VAL_SHARE,))


def _gates(spec: Spec, model: Use) -> Iterator[Mistake]:
    """The mistakes of gates on metrics of probabilities, where the estimator by its name gives none."""
    decides = _deciding(model)
    if decides is None or decides.use not in WITHOUT_PROBABILITIES:
        return
    turned_on = WITHOUT_PROBABILITIES[decides.use]
    if any(decides.arguments.get(name) in values for name, values in turned_on.items()):
        return
    can_rank = decides.use not in WITHOUT_SCORES
    for name in spec.gates:
        try:
            metric = quantities.parse(name).metric
        except MlspecError:
            continue
        if metric is None or metric.reads != "probabilities" or (can_rank and metric.ranks):
            continue
        what = "probabilities or scores" if metric.ranks else "probabilities"
        yield Mistake(
            ("gates", name), f"{metric.name} needs {what}, and {decides.use} gives none", _remedy(decides, metric.ranks)
        )


def _remedy(use: Use, ranks: bool) -> str:
    if use.use == "SGDClassifier":
        return "write model: {use: SGDClassifier, loss: log_loss}, or gate a metric of labels"
    if use.use == "VotingClassifier":
        return "write model: {use: VotingClassifier, voting: soft, …}, or gate a metric of labels"
    wrapped = f"model: {{use: CalibratedClassifierCV, estimator: {{use: {use.use}}}}}"
    ranking = "" if ranks or use.use in WITHOUT_SCORES else "; roc_auc and average_precision need scores alone"
    return f"write {wrapped}{ranking}"


def _as_use(part: Mapping[Any, Any]) -> Use:
    return Use(use=part["use"], arguments={name: value for name, value in part.items() if name != "use"})


def _deciding(use: Use) -> Use | None:
    """The estimator that gives the predictions: the last step, the one that is searched over; None for one of the team's own."""
    match use.arguments:
        case {"steps": [*_, str(last)]} if use.use == "Pipeline":
            return Use(use=last)
        case {"steps": [*_, {"use": str()} as last]} if use.use == "Pipeline":
            return _deciding(_as_use(last))
        case {"steps": Mapping() as steps} if use.use == "Pipeline" and steps:
            return _deciding(Use(use="Pipeline", arguments={"steps": list(steps.values())}))
        case {"estimator": {"use": str()} as inner} if use.use in COMPOSED and COMPOSED[use.use].predicts is None:
            return _deciding(_as_use(inner))
        case {"estimator": str(inner)} if use.use in COMPOSED and COMPOSED[use.use].predicts is None:
            return Use(use=inner)
    return None if use.is_path else use
