"""Quantities that a job measures: the registry, and the decorator that adds to it.

A measure is a pure function from its selectors and the evidence of its job to a number:

    class OfACall(Selectors):
        batch: int = Field(1, ge=1)

    @quantity("latency.p50", unit="ms", higher_is_better=False, needs=lambda of: Latency(batch=of.batch))
    def p50(of: OfACall, timing: Timing) -> float:
        \"\"\"The median time of a call.\"\"\"

A part of the name in braces (`mteb.{task}`) stands for any text, and is a selector of that name.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError

from pytest_mlspec.errors import MlspecError, did_you_mean
from pytest_mlspec.evidence import Evidence
from pytest_mlspec.jobs import Job, Train
from pytest_mlspec.registry import Registry


class Selectors(BaseModel):
    """What stands in the brackets of a gate, read from text; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class NoSelectors(Selectors):
    """The selectors of a measure that has none."""


@dataclass(frozen=True)
class Reading:
    """What a measure found: `value` in its unit, over `n` rows or calls, and `facts` that explain it.

    `advice` is the next step where the gate is red. `missing` says why this machine or this model cannot give it: the claim is
    then skipped with that reason, never passed.
    """

    value: float | None
    n: int | None = None
    facts: tuple[str, ...] = ()
    device: str = ""
    missing: str = ""
    advice: str = ""


ReadT = TypeVar("ReadT", bound=Callable[..., Any])


@dataclass(frozen=True)
class Measure:
    """A registered measure.

    `needs` maps its selectors to the job whose evidence `read` is given. `references` are what a gate may compare with by
    name (`no_worse_than: base`), as the job that gives the other value, from the selectors and the arguments of that name.
    """

    name: str
    definition: str
    unit: str
    higher_is_better: bool | None
    selectors: type[Selectors]
    needs: Callable[[Any], Job]
    read: Callable[[Any, Any], float | Reading | None]
    references: Mapping[str, Callable[..., Job]] = field(default_factory=dict)
    lowest: float = 0.0
    highest: float = math.inf

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What matches its name; the parts in braces are groups."""
        parts = re.split(r"\{(\w+)\}", self.name)
        texts = [f"(?P<{part}>[^.]+)" if number % 2 else re.escape(part) for number, part in enumerate(parts)]
        if not parts[-1] and len(parts) > 1:
            texts[-2] = f"(?P<{parts[-2]}>.+)"  # the last part may hold dots, as the name of a task does
        return re.compile("".join(texts))

    def select(self, given: Mapping[str, str]) -> Selectors:
        """The selectors as values; raises MlspecError for an unknown one, or one of another type."""
        unknown = [name for name in given if name not in self.selectors.model_fields]
        if unknown:
            known = did_you_mean(unknown[0], self.selectors.model_fields) if self.selectors.model_fields else ""
            takes = "takes no selector in brackets" if not known else f"has no selector {unknown[0]!r}"
            raise MlspecError(f"{self.name} {takes}", advice=known)
        try:
            return self.selectors.model_validate(dict(given))
        except ValidationError as error:
            (first, *_) = error.errors(include_url=False)
            name = ".".join(str(part) for part in first["loc"])
            raise MlspecError(f"{self.name}[{name}={given.get(name, '')}]: {first['msg']}") from None

    def reading(self, selectors: Selectors, evidence: Evidence) -> Reading:
        """What it reads from the evidence of its job."""
        found = self.read(selectors, evidence)
        return found if isinstance(found, Reading) else Reading(found)


MEASURES: Registry[Measure] = Registry("quantity")
"""Every measure by name, in the order of the reference."""


def quantity(
    name: str,
    *,
    unit: str = "",
    higher_is_better: bool | None,
    needs: Callable[[Any], Job] = lambda of: Train(),
    references: Mapping[str, Callable[..., Job]] | None = None,
    lowest: float = 0.0,
    highest: float = math.inf,
) -> Callable[[ReadT], ReadT]:
    """Registers the decorated function as the measure `name`.

    Its first argument is its selectors (a subclass of `Selectors`), its second the evidence of the job of `needs`; the first
    line of its docstring is its definition. Raises MlspecError where one of these is missing.
    """

    def register(read: ReadT) -> ReadT:
        arguments = list(inspect.signature(read).parameters)
        if len(arguments) != 2:
            raise MlspecError(f"quantity {name!r}: it takes its selectors and the evidence, not {arguments}")
        selectors = get_type_hints(read).get(arguments[0])
        if not (isinstance(selectors, type) and issubclass(selectors, Selectors)):
            raise MlspecError(f"quantity {name!r}: its first argument must be annotated with a subclass of Selectors")
        definition = (inspect.getdoc(read) or "").partition("\n")[0]
        if not definition:
            raise MlspecError(f"quantity {name!r}: the first line of its docstring is its definition; it has none")
        found = Measure(
            name, definition, unit, higher_is_better, selectors, needs, read, references or {}, lowest, highest
        )
        MEASURES.add(name, found)
        return read

    return register
