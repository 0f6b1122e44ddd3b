"""From a declared spec to what must be done: its claims, and the jobs behind them. Spec -> Plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_mlspec import checks, gates, quantities
from pytest_mlspec.check import CHECKS, Verdict, errored, shown
from pytest_mlspec.engines import ENGINES, Engine
from pytest_mlspec.errors import MlspecError, Place
from pytest_mlspec.evidence import Evidence
from pytest_mlspec.formats import OWN
from pytest_mlspec.jobs import (
    ChanceScore,
    Describe,
    Job,
    LoadExport,
    MetricRequest,
    ReadBaseline,
    Scores,
    Serve,
    Train,
    TrainSeeds,
    needed_by,
    with_seed,
)
from pytest_mlspec.language.declared import Declared
from pytest_mlspec.language.rules.claims import KINDS, bound_values
from pytest_mlspec.language.spec import Bound, CheckUse, Spec
from pytest_mlspec.language.task import facts_of

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath

# Wider layers are no faster at once, nor are more seeds (`benchmarks/core/results.md`), and groups run side by side. The job
# finds by itself what else a stack of networks cannot have.
_WIDEST_AT_ONCE, _MOST_AT_ONCE = 128, 16

Judge = Callable[[Mapping[str, Evidence]], Verdict]


@dataclass(frozen=True)
class Claim:
    """One claim of a spec: a pytest item.

    `jobs` are what it needs, by the name under which `judge` takes their evidence. `skip` is the user's reason to leave it
    out, `not_applicable` the engine's. `sentence` is what holds when it passes.
    """

    name: str
    place: Place
    sentence: str
    jobs: Mapping[str, Job]
    judge: Judge
    skip: str = ""
    not_applicable: str = ""


@dataclass(frozen=True)
class Plan:
    """The claims of one spec in the order of its items, and every job, each after those it needs."""

    declared: Declared
    claims: tuple[Claim, ...]
    jobs: tuple[Job, ...] = field(default=())

    @property
    def spec(self) -> Spec:
        """The spec."""
        return self.declared.spec

    @property
    def id(self) -> str:
        """The plan's name among all plans of a run."""
        return f"{self.declared.document.path}::{self.spec.name}"

    @property
    def engine(self) -> Engine:
        """The engine that trains."""
        return ENGINES.find(self.spec.train.engine.use)


def make_plan(declared: Declared) -> Plan:
    """The plan of a spec: checks in the order of `checks: standard`, then gates in the order of the file."""
    claims = (*_checks(declared), *_gates(declared))
    wanted = [job for claim in claims if not (claim.skip or claim.not_applicable) for job in claim.jobs.values()]
    return Plan(declared, claims, tuple(in_order(wanted)))


def in_order(jobs: Iterable[Job]) -> Iterator[Job]:
    """`jobs` and everything they need, each once and after what it needs."""
    seen: set[Job] = set()

    def visit(job: Job) -> Iterator[Job]:
        if job in seen:
            return
        for needed in needed_by(job):
            yield from visit(needed)
        seen.add(job)
        yield job

    for job in jobs:
        yield from visit(job)


def training(spec: Spec) -> Train:
    """The training that the spec declares, as a job."""
    return Train(seed=spec.train.seed)


def trainings(spec: Spec, quantity: quantities.Quantity) -> list[Train]:
    """The trainings of whose values a gate on `quantity` judges the mean: of every fold, or of every seed."""
    if not quantity.of_folds:
        return _seeds(spec)
    folds = spec.data.split.folds or 0 if spec.data else 0
    return [replace(training(spec), fold=number) for number in range(folds)]


def _checks(declared: Declared) -> Iterator[Claim]:
    spec = declared.spec
    uses: dict[str, tuple[CheckUse, KeyPath]] = {}
    for number, use in enumerate(spec.checks):
        key: KeyPath = ("checks", number)
        for name in checks.STANDARD if use.check == "standard" else ():
            uses.setdefault(name, (CheckUse(check=name, params=checks.OF_STANDARD.get(name, {})), key))
    for number, use in enumerate(spec.checks):
        if use.check != "standard":
            uses[use.check] = (use, ("checks", number))
    order = [name for name in CHECKS if name in uses]
    engine = ENGINES.find(spec.train.engine.use)
    for name in order:
        use, key = uses[name]
        check = CHECKS.find(name)
        params = check.params.model_validate(dict(use.params))
        try:
            needed = check.needs(params)
        except MlspecError as error:  # of an extension: its claim is red, and the others go on
            yield Claim(name, declared.place(key), check.claim, {}, partial(_red, error.message), skip=use.skip or "")
            continue
        jobs = {role: with_seed(_of_spec(job, declared), spec.train.seed) for role, job in needed.items()}
        yield Claim(
            name,
            declared.place(key),
            check.claim,
            jobs,
            partial(_judge_check, check.judge, params),
            skip=use.skip or "",
            not_applicable=next((why for job in jobs.values() if (why := _cannot(spec, engine, job))), ""),
        )


def _cannot(spec: Spec, engine: Engine, job: Job) -> str:
    """Why `job` cannot be done, as far as the spec tells."""
    facts = facts_of(spec)
    if isinstance(job, ChanceScore) and facts is not None and not facts.supervised:
        return "its task learns from no target that could be shuffled"
    if isinstance(job, Serve) and job.export is None and spec.recipe is None:
        return "a serving path is the `predict(trained, rows)` of a recipe, and there is none"
    if isinstance(job, LoadExport) and job.export.to == OWN and spec.recipe is None:
        return "an export of the team's own is the `export(model, directory)` of a recipe, and there is none"
    export = job.export if isinstance(job, Serve) else None
    return engine.cannot(job) or ("" if export is None else engine.cannot(export))


def _of_spec(job: Job, declared: Declared) -> Job:
    """`job` with what only the spec knows: the metrics that its gates ask for, the file that it stands in."""
    match job:
        case Serve():
            return _with_gates(job, declared.spec)
        case Describe(against=ReadBaseline() as read):
            return replace(job, against=_read_beside(read, declared))
        case ReadBaseline():
            return _read_beside(job, declared)
    return job


def _read_beside(job: ReadBaseline, declared: Declared) -> ReadBaseline:
    """`job` for the file beside that of the spec."""
    return replace(job, spec_file=declared.document.path, name=declared.spec.name)


def _with_gates(job: Serve, spec: Spec) -> Serve:
    """`job` with the metrics of the test split that the gates ask for."""
    parsed = (quantities.parse(name) for name in spec.gates)
    requests = (request for quantity in parsed if quantity.kind == "metric" for request in quantity.requests())
    return replace(job, requests=tuple(request for request in requests if request.split == "test"))


def _judge_check(judge: Callable[..., Verdict], params: Any, evidence: Mapping[str, Evidence]) -> Verdict:
    return judge(params, **evidence)


def _red(mistake: str, evidence: Mapping[str, Evidence]) -> Verdict:
    return errored(mistake)


def _gates(declared: Declared) -> Iterator[Claim]:
    spec = declared.spec
    engine = ENGINES.find(spec.train.engine.use)
    parsed = {name: quantities.parse(name) for name in spec.gates}
    requests = {
        of_folds: tuple(dict.fromkeys(_requests(spec, parsed, of_folds=of_folds))) for of_folds in (False, True)
    }
    for name, bound in spec.gates.items():
        quantity = parsed[name]
        kind = next(kind for kind in KINDS if getattr(bound, kind) is not None)
        gate = gates.Gate(quantity, kind, bound_values(quantity, bound), bound.by or 0.0)
        if quantity.measure is not None and quantity.job != Train():
            jobs = _of_measure(spec, quantity, bound)
        else:
            jobs = {}
            for number, run in enumerate(trainings(spec, quantity), 1):
                jobs[f"run {number}"] = run
                if quantity.metric is not None:
                    jobs[f"scores {number}"] = Scores(requests[quantity.of_folds], of=run)
        why = next((why for job in jobs.values() if (why := engine.cannot(job))), "")
        place = declared.place(("gates", name))
        yield Claim(name, place, _sentence(gate, bound), jobs, partial(gates.judge, gate), not_applicable=why)


def _of_measure(spec: Spec, quantity: quantities.Quantity, bound: Bound) -> dict[str, Job]:
    """The job of a measure, of the declared seed, and the one that gives what it is compared with."""
    assert quantity.measure is not None
    jobs = {"measured": quantity.job}
    if bound.no_worse_than is not None:
        reference = quantity.measure.references[bound.no_worse_than.use]
        jobs[gates.REFERENCE] = reference(quantity.selectors, **bound.no_worse_than.arguments)
    return {role: with_seed(job, spec.train.seed) for role, job in jobs.items()}


def _seeds(spec: Spec) -> list[Train]:
    """The training of each seed; those of a small network, which are faster at once, are asked for in groups."""
    train, model = spec.train, spec.model
    at_once = False
    if (
        train.seeds > 1
        and train.engine.use == "torch"
        and model is not None
        and model.use == "mlp"
        and spec.recipe is None
    ):
        widths = model.arguments.get("hidden", [128])
        at_once = all(width <= _WIDEST_AT_ONCE for width in widths) and not model.arguments.get("dropout")
    trainings = []
    for number in range(train.seeds):
        first = number - number % _MOST_AT_ONCE
        group = TrainSeeds(train.seed + first, min(_MOST_AT_ONCE, train.seeds - first))
        among = group if at_once and group.count > 1 else None
        trainings.append(replace(training(spec), seed=train.seed + number, among=among))
    return trainings


def _requests(spec: Spec, parsed: Mapping[str, quantities.Quantity], *, of_folds: bool) -> Iterator[MetricRequest]:
    for name, quantity in parsed.items():
        if quantity.of_folds is not of_folds:
            continue
        yield from quantity.requests()
        if spec.gates[name].better_than:
            yield from quantity.requests(of="dummy")


def _sentence(gate: gates.Gate, bound: Bound) -> str:
    bounds = [shown(value, gate.quantity.unit, digits=15) for value in gate.values]
    match gate.kind:
        case "within":
            return f"{gate.quantity.name} is between {bounds[0]} and {bounds[1]}."
        case "better_than":
            return f"{gate.quantity.name} is better than the constant baseline{f' by {gate.by:g}' if gate.by else ''}."
        case "no_worse_than":
            assert bound.no_worse_than is not None
            slack = f" by more than {gate.by:g}" if gate.by else ""
            return f"{gate.quantity.name} is no worse than {bound.no_worse_than.use}{slack}."
        case _:
            return f"{gate.quantity.name} is {gate.kind.replace('_', ' ')} {bounds[0]}."
