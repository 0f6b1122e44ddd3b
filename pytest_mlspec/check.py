"""Checks, their parameters and their verdicts, and the only place that compares a measurement with a bound.

A check is a pure function `(params, evidence) -> Verdict`, registered with the jobs that it needs:

    @check("overfit", needs=lambda p: {"run": Train(batches=1, steps=p.steps)})
    def overfit(params: OverfitParams, run: TrainingRun) -> Verdict:
        \"\"\"The model can drive the loss on one batch close to zero.\"\"\"

It never trains, opens no file and compares only through `at_least`, `at_most` and `within`, which first demand a finite
number: what was not measured is an error, never a pass.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field

from pytest_mlspec.errors import MlspecError
from pytest_mlspec.evidence import Evidence
from pytest_mlspec.jobs import Job
from pytest_mlspec.registry import Registry


class Status(StrEnum):
    """How a claim ended. Failed, error and inconclusive are red; not applicable and skipped are skips with a reason."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    NOT_APPLICABLE = "not applicable"
    SKIPPED = "skipped"
    ERROR = "error"

    @property
    def red(self) -> bool:
        """True where the item of the claim fails."""
        return self in (Status.FAILED, Status.ERROR, Status.INCONCLUSIVE)


@dataclass(frozen=True)
class Verdict:
    """The answer to one claim, as facts; `report/` puts them into words.

    `summary` is one short sentence part: the measured value, then what is allowed. `measured`, `allowed`, `unit` are the
    same as data. `n` is the number of rows, steps or parameters that the measurement rests on. `facts` are further lines,
    most telling first; `advice` is the next step. `findings` name what a red one has found, for the diagnosis.
    """

    status: Status
    summary: str
    measured: float | None = None
    allowed: str = ""
    unit: str = ""
    n: int | None = None
    seed: int | None = None
    device: str = ""
    facts: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()

    def on(self, *, n: int | None = None, seed: int | None = None, device: str = "") -> Verdict:
        """This verdict with what its measurement rests on."""
        return replace(
            self,
            n=self.n if n is None else n,
            seed=self.seed if seed is None else seed,
            device=device or self.device,
        )

    def explained(self, *facts: str, advice: str = "", finding: str = "") -> Verdict:
        """This verdict with further facts and, where it is red, advice and the name of what was found."""
        red = self.status.red
        return replace(
            self,
            facts=(*self.facts, *(fact for fact in facts if fact)),
            advice=(*self.advice, advice) if advice and red else self.advice,
            findings=(*self.findings, finding) if finding and red else self.findings,
        )


def passed(summary: str) -> Verdict:
    """A claim that holds and has no single measured value."""
    return Verdict(Status.PASSED, summary)


def failed(summary: str) -> Verdict:
    """A claim that does not hold and has no single measured value."""
    return Verdict(Status.FAILED, summary)


def errored(summary: str) -> Verdict:
    """A claim that could not be judged."""
    return Verdict(Status.ERROR, summary)


def not_applicable(reason: str) -> Verdict:
    """A claim that cannot be asked here."""
    return Verdict(Status.NOT_APPLICABLE, reason)


def at_least(value: float | None, low: float, *, of: str = "", unit: str = "") -> Verdict:
    """Passed where `value` >= `low`; an error where it is missing or not finite. `of` names it where the claim does not."""
    return _judged(value, low, None, of, unit)


def at_most(value: float | None, high: float, *, of: str = "", unit: str = "") -> Verdict:
    """Passed where `value` <= `high`; an error where it is missing or not finite."""
    return _judged(value, None, high, of, unit)


def within(value: float | None, low: float, high: float, *, of: str = "", unit: str = "") -> Verdict:
    """Passed where `low` <= `value` <= `high`; an error where it is missing or not finite."""
    return _judged(value, low, high, of, unit)


def first_red(*verdicts: Verdict) -> Verdict:
    """The first verdict that is red, or the first of all.

    Every other red one follows among its facts, with its own facts, advice and findings; where none is red, every other
    summary does.
    """
    red = [verdict for verdict in verdicts if verdict.status.red]
    first, *others = red or verdicts
    facts = [line for other in others for line in (other.summary, *(other.facts if red else ()))]
    advice = dict.fromkeys([*first.advice, *(line for other in others for line in other.advice)])
    findings = dict.fromkeys([*first.findings, *(name for other in others for name in other.findings)])
    return replace(first, facts=(*first.facts, *facts), advice=tuple(advice), findings=tuple(findings))


def listed(names: Iterable[str], *, limit: int = 5) -> str:
    """The first `limit` names, and how many there are where some are left out.

    >>> listed(["a", "b"]), listed(["a", "b", "c"], limit=2)
    ('a, b', 'a, b, … (3 in all)')
    """
    every = list(names)
    more = f", … ({len(every)} in all)" if len(every) > limit else ""
    return ", ".join(every[:limit]) + more


def shown(value: float, unit: str = "", *, digits: int = 4) -> str:
    """A number with about `digits` significant digits and its unit; whole numbers in full.

    >>> shown(0.93123), shown(1234567), shown(1e-09, "s"), shown(12, "rows")
    ('0.9312', '1234567', '1e-09 s', '12 rows')
    """
    text = str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:.{digits}g}"
    return f"{text} {unit}".rstrip()


def _judged(value: float | None, low: float | None, high: float | None, of: str, unit: str) -> Verdict:
    bounds = [float(bound) for bound in (low, high) if bound is not None]
    if not all(math.isfinite(bound) for bound in bounds):
        raise MlspecError(f"a bound must be a finite number, not {bounds}")
    name = f"{of} " if of else ""
    if value is None or not math.isfinite(value):
        found = "was not measured" if value is None else f"{float(value)} is not a finite number"
        allowed = _allowed(low, high, unit, digits=4)
        return Verdict(Status.ERROR, f"{name}{found}, {allowed}", allowed=allowed, unit=unit)
    measured = float(value)
    holds = (low is None or measured >= low) and (high is None or measured <= high)
    digits = 4 if holds else _digits_to_tell(measured, bounds)
    allowed = _allowed(low, high, unit, digits=digits)
    status = Status.PASSED if holds else Status.FAILED
    summary = f"{name}{shown(measured, unit, digits=digits)}, {allowed}"
    return Verdict(status, summary, measured=measured, allowed=allowed, unit=unit)


def _allowed(low: float | None, high: float | None, unit: str, *, digits: int) -> str:
    texts = [shown(bound, unit, digits=digits) for bound in (low, high) if bound is not None]
    if len(texts) == 2:
        return f"between {texts[0]} and {texts[1]}"
    return f"at most {texts[0]}" if low is None else f"at least {texts[0]}"


def _digits_to_tell(value: float, bounds: Iterable[float]) -> int:
    """As many digits as it takes to show on which side of every bound the value lies; 17 tell any two numbers apart."""
    return next(
        digits
        for digits in range(4, 18)
        if all(shown(value, digits=digits) != shown(bound, digits=digits) or value == bound for bound in bounds)
    )


class Params(BaseModel):
    """What a spec may say to a check: strict and frozen; unknown keys and non-finite numbers are refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


Names = Annotated[tuple[str, ...], Field(strict=False)]
"""The type of a parameter that is a list of names: a YAML list is read as a tuple, so that the params stay hashable."""


class NoParams(Params):
    """The parameters of a check that has none."""


Judge = Callable[..., Verdict]
JudgeT = TypeVar("JudgeT", bound=Judge)


@dataclass(frozen=True)
class Check:
    """A registered check. `needs` maps its parameters to the jobs behind its evidence arguments, by argument name."""

    name: str
    claim: str
    params: type[Params]
    needs: Callable[[Any], Mapping[str, Job]]
    judge: Judge

    def __call__(self, params: Params, **evidence: Evidence) -> Verdict:
        """The verdict on `evidence`, one argument for each job of `needs`."""
        return self.judge(params, **evidence)


CHECKS: Registry[Check] = Registry("check")
"""Every check by name, in the order in which `checks: standard` runs them: cheap ones first."""


def check(name: str, *, needs: Callable[[Any], Mapping[str, Job]]) -> Callable[[JudgeT], JudgeT]:
    """Registers the decorated function as the check `name`.

    Its first argument is its params model, the others are the evidence of `needs`; the first line of its docstring is the
    claim that users read. A check whose parameters decide how many jobs it needs takes `**evidence`. Raises MlspecError where
    one of these is missing or the arguments and the jobs do not agree.
    """

    def register(judge: JudgeT) -> JudgeT:
        arguments = list(inspect.signature(judge).parameters)
        params = get_type_hints(judge).get(arguments[0]) if arguments else None
        if not (isinstance(params, type) and issubclass(params, Params)):
            raise MlspecError(f"check {name!r}: its first argument must be annotated with a subclass of Params")
        claim = (inspect.getdoc(judge) or "").partition("\n")[0]
        if not claim:
            raise MlspecError(
                f"check {name!r}: the first line of its docstring is the claim that users read; it has none"
            )
        roles = set(needs(params()))
        takes_any = any(each.kind is each.VAR_KEYWORD for each in inspect.signature(judge).parameters.values())
        if roles != set(arguments[1:]) and not takes_any:
            raise MlspecError(
                f"check {name!r}: it takes {arguments[1:]} and needs {sorted(roles)}; these must be the same"
            )
        CHECKS.add(name, Check(name, claim, params, needs, judge))
        return judge

    return register
