"""What a `conftest.py` or an installed package imports to extend: the decorators check, quantity, probe, source, engine.

    from pytest_mlspec.extending import Measure, Measured, Params, Verdict, at_most, check, probe

A mistake in an extension is kept with its file and line (`extensions.MISTAKES`) and the run goes on: what the extension would
have been is there all the same, and a claim that needs it is red with that mistake. So is a claim whose check raises.
"""

from __future__ import annotations

import functools
import inspect
import numbers
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar, get_args

from pydantic import ConfigDict, ValidationError

from pytest_mlspec import check as checking
from pytest_mlspec import checks as _built_in_checks  # noqa: F401  (their names are taken first)
from pytest_mlspec.check import (
    CHECKS,
    Check,
    NoParams,
    Params,
    Verdict,
    at_least,
    at_most,
    errored,
    failed,
    first_red,
    not_applicable,
    passed,
    within,
)
from pytest_mlspec.engines import ENGINES
from pytest_mlspec.errors import DataError, MeasurementError, MlspecError
from pytest_mlspec.evidence import Evidence, Measured, TrainingRun
from pytest_mlspec.extensions import FITS, MISTAKES, PROBES, SOURCES, Extension, Origin
from pytest_mlspec.jobs import Job, Measure, Train
from pytest_mlspec.quantities import known_names, measures
from pytest_mlspec.quantities.measures import MEASURES, NoSelectors, Reading, Selectors
from pytest_mlspec.registry import Registry

__all__ = [
    "DataError",
    "Evidence",
    "Job",
    "Measure",
    "Measured",
    "MeasurementError",
    "MlspecError",
    "NoParams",
    "NoSelectors",
    "Params",
    "Reading",
    "Selectors",
    "Train",
    "TrainingRun",
    "Verdict",
    "at_least",
    "at_most",
    "check",
    "engine",
    "errored",
    "failed",
    "first_red",
    "not_applicable",
    "passed",
    "probe",
    "quantity",
    "source",
    "within",
]

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

# Where each name of each registry was registered by an extension.
_ORIGINS: dict[tuple[str, str], tuple[str, int]] = {}


class _Anything(Params):
    """The parameters of a check that could not be registered."""

    model_config = ConfigDict(extra="allow")


class _AnySelectors(Selectors):
    """The selectors of a quantity that could not be registered."""

    model_config = ConfigDict(extra="allow")


def check(name: str, *, needs: Callable[[Any], Mapping[str, Job]]) -> Callable[[FunctionT], FunctionT]:
    """Registers a check: `(params, evidence, …) -> Verdict`.

    `needs` maps its parameters to the jobs behind its evidence, by argument name; the first line of the docstring is the
    claim. See `pytest_mlspec.check`.
    """

    def register(function: FunctionT) -> FunctionT:
        origin = Origin.of(function)

        @functools.wraps(function)
        def judge(*arguments: Any, **evidence: Any) -> Verdict:
            try:
                verdict = function(*arguments, **evidence)
            except MlspecError:
                raise
            except Exception as error:  # whatever the extension does: its claim is red, and the others go on
                return errored(f"{_place(error, origin)}: the check {name!r} raised {type(error).__name__}: {error}")
            if not isinstance(verdict, Verdict):
                return errored(f"{origin}: the check {name!r} returned a {type(verdict).__name__}, not a Verdict")
            return verdict

        def stand_in(mistake: str) -> None:
            broken = functools.partial(_red, mistake)
            CHECKS.add(name, Check(name, "The check is registered.", _Anything, lambda params: {}, broken))

        def needed(params: Any) -> Mapping[str, Job]:
            try:
                jobs = dict(needs(params))
            except Exception as error:
                raise MlspecError(
                    f"{_place(error, origin)}: `needs` of the check {name!r} raised {type(error).__name__}: {error}"
                ) from error
            for role, job in jobs.items():
                _demand_a_job(job, f"{origin}: `needs` of the check {name!r} gives for {role!r}")
            return jobs

        _registered(CHECKS, name, origin, lambda: checking.check(name, needs=needed)(judge), stand_in)
        return function

    return register


def quantity(
    name: str,
    *,
    unit: str = "",
    higher_is_better: bool | None,
    needs: Callable[[Any], Job] = lambda of: Train(),
    lowest: float = 0.0,
    highest: float = float("inf"),
) -> Callable[[FunctionT], FunctionT]:
    """Registers a quantity that gates can bound: `(selectors, evidence) -> number`; see `pytest_mlspec.quantities.measures`."""
    facts: dict[str, Any] = {"unit": unit, "higher_is_better": higher_is_better, "lowest": lowest, "highest": highest}

    def register(function: FunctionT) -> FunctionT:
        origin = Origin.of(function)

        @functools.wraps(function)
        def read(*arguments: Any) -> Any:
            try:
                found = function(*arguments)
            except MlspecError:
                raise
            except Exception as error:
                told = f"{_place(error, origin)}: the quantity {name!r} raised {type(error).__name__}: {error}"
                raise MeasurementError(told) from error
            value = found.value if isinstance(found, Reading) else found
            if not (value is None or isinstance(value, numbers.Real)):
                raise MeasurementError(f"{origin}: the quantity {name!r} returned {value!r:.60}, not a number")
            return found

        def stand_in(mistake: str) -> None:
            if name in known_names():
                return  # the metric that has the name stays
            broken = functools.partial(_unmeasured, mistake)
            MEASURES.add(name, measures.Measure(name, mistake, unit, None, _AnySelectors, lambda of: Train(), broken))

        def needed(of: Any) -> Job:
            job = needs(of)
            _demand_a_job(job, f"{origin}: `needs` of the quantity {name!r} gives")
            return job

        def add() -> None:
            if name in known_names():
                raise MlspecError(f"quantity {name!r} is registered twice")
            measures.quantity(name, needs=needed, **facts)(read)

        _registered(MEASURES, name, origin, add, stand_in)
        return function

    return register


def probe(name: str) -> Callable[[FunctionT], FunctionT]:
    """Registers a probe, what a job `Measure(probe=name)` measures: `(model, examples, **arguments) -> {name: number}`.

    `model` is the trained `Predictor`: called with prepared inputs it gives probabilities [N, C] or values [N], and its
    `model` is what was trained. `examples` are the prepared rows by split.
    """
    return _function(PROBES, name, takes=2)


def source(name: str) -> Callable[[FunctionT], FunctionT]:
    """Registers a source of data: `(**arguments) -> DataFrame`, for `data: {source: {use: NAME, …}}`."""
    return _function(SOURCES, name, takes=0)


def engine(name: str) -> Callable[[FunctionT], FunctionT]:
    """Registers an engine: `(examples, *, seed, **arguments) -> predict`, for `train: {engine: {use: NAME, …}}`.

    `examples` are the prepared training and validation rows by split; `predict(inputs)` gives probabilities [N, C] of the
    classes, or values [N].
    """

    def register(function: FunctionT) -> FunctionT:
        _function(FITS, name, takes=1)(function)
        as_callable = replace(ENGINES.find("callable"), name=name, trainer=f"the extension {name}")
        _registered(ENGINES, name, Origin.of(function), lambda: ENGINES.add(name, as_callable))
        return function

    return register


def _function(registry: Registry[Extension], name: str, *, takes: int) -> Callable[[FunctionT], FunctionT]:
    """Registers a function whose first `takes` arguments are ours, and whose others a spec gives."""

    def register(function: FunctionT) -> FunctionT:
        origin = Origin.of(function)
        arguments = inspect.signature(function).parameters.values()
        ours = [each for each in arguments if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]

        def add() -> None:
            if len(ours) < takes:
                raise MlspecError(f"{registry.kind} {name!r}: it takes {takes} arguments by position, not {len(ours)}")
            registry.add(name, Extension(function, origin))

        def stand_in(mistake: str) -> None:
            registry.add(name, Extension(functools.partial(_raise, mistake), origin))

        _registered(registry, name, origin, add, stand_in)
        return function

    return register


def _registered(
    registry: Registry[Any],
    name: str,
    origin: Origin,
    add: Callable[[], object],
    stand_in: Callable[[str], None] | None = None,
) -> None:
    """Adds an entry; a mistake is kept, and the stand-in added where the name is free.

    A file that is imported again, or a cell that is run again, replaces what it registered before.
    """
    if _ORIGINS.get((registry.kind, name)) == (origin.file, origin.line):
        registry.remove(name)
    try:
        add()
    except Exception as error:  # ours, and whatever its own params, needs and annotations raise
        told = _told(error, registry.kind, name)
        mistake = told if told.startswith(f"{str(origin).rpartition(':')[0]}:") else f"{origin}: {told}"
        MISTAKES.append(mistake)
        if stand_in is not None and name not in registry:
            stand_in(mistake)
    _ORIGINS.setdefault((registry.kind, name), (origin.file, origin.line))


def _demand_a_job(given: object, told: str) -> None:
    """Raises MlspecError for what cannot be asked of a worker."""
    if not isinstance(given, get_args(Job)):
        raise MlspecError(
            f"{told} {given!r:.60}, which is no job", advice='a job is such as Measure("PROBE") or Train()'
        )
    try:
        hash(given)
    except TypeError as error:
        raise MlspecError(f"{told} a job that cannot be compared: {error}", advice="give it text and numbers") from None


def _told(error: Exception, kind: str, name: str) -> str:
    if isinstance(error, MlspecError):
        return error.message
    if isinstance(error, ValidationError):
        lacking = ", ".join(str(part["loc"][0]) for part in error.errors(include_url=False) if part["loc"])
        return f"{kind} {name!r}: give each of its params a default ({lacking} has none)"
    return f"{kind} {name!r}: {type(error).__name__}: {error}"


def _place(error: Exception, origin: Origin) -> str:
    """The line of the extension's file at which `error` passed, else that of its definition."""
    trace, line = error.__traceback__, origin.line
    while trace is not None:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == origin.file else line
        trace = trace.tb_next
    return str(Origin(origin.module, origin.file, line))


def _red(mistake: str, *arguments: Any, **evidence: Any) -> Verdict:
    return errored(mistake)


def _unmeasured(mistake: str, *arguments: Any) -> float:
    raise MeasurementError(mistake)


def _raise(mistake: str, *arguments: Any, **more: Any) -> Any:
    raise MeasurementError(mistake)
