"""The tables of a run, as Markdown: what was caught and missed, what it cost, what the peers see of the same instances."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from benchmarks.faults import benign, catalogue, scoring
from benchmarks.faults.catalogue import PIPELINES
from benchmarks.faults.scoring import Scored, share
from benchmarks.faults.seeds import SEEDS, Thresholds, thresholds

Record = Mapping[str, Any]
Records = Mapping[str, Record]

_PEERS = {
    "pytest-torch": "pytest-torch's checks, as its guide recommends them",
    "torch-audit": "torch-audit's autopatch, level ERROR",
    "torchtest": "torchtest's checks",
}


def bounds_of(records: Records) -> dict[str, Thresholds]:
    """The thresholds of the pipelines whose seeds are all there."""
    metrics: dict[str, list[float]] = {}
    for record in records.values():
        if record["kind"] == "seed" and record["metric"] is not None:
            metrics.setdefault(record["pipeline"], []).append(record["metric"])
    return thresholds({pipeline: values for pipeline, values in metrics.items() if len(values) == SEEDS})


def scored(records: Records, *, held_back: bool = False) -> list[Scored]:
    """The pairs that may be looked at; with `held_back` the others."""
    bounds = {pipeline: found.calibrated for pipeline, found in bounds_of(records).items()}
    kept = catalogue.held_back()
    return [scoring.score(pair, records, bounds) for pair in catalogue.pairs() if (pair in kept) == held_back]


def report(records: Records, *, held_back: bool = False) -> str:
    """All tables; with `held_back` a line for the pairs that were held back."""
    pairs = scored(records)
    parts = [
        *_machine(records),
        *_healthy(records),
        *_summary(pairs, records),
        *(_held_back(records) if held_back else ()),
        *_families(pairs),
        *_checks(pairs),
        *_alarms(records),
        *_peers(pairs, records),
        *_cost(records),
        *_missed(pairs),
    ]
    return "\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    yield from (f"| {' | '.join(map(str, row))} |" for row in rows)
    yield ""


def _machine(records: Records) -> Iterator[str]:
    names = ("pytest-mlspec", "torch", "numpy", "scikit-learn", "pytest")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    yield "# The fault catalogue"
    yield ""
    yield f"Python {platform.python_version()}, {versions}; {platform.system()} {platform.machine()}, CPU, one thread a job."
    total = sum(record["seconds"] for record in records.values())
    sources = sorted({record["product"] for record in records.values()})
    yield f"{len(records)} runs, {total / 60:.0f} minutes on the wall in all. Source of the product: {', '.join(sources)}."
    run = sum(pair.name in records for pair in catalogue.pairs())
    yield f"{run} of {len(list(catalogue.pairs()))} pairs were run, in an order drawn at random; one that was not is missed."
    yield ""


def _healthy(records: Records) -> Iterator[str]:
    rows = []
    thresholds_of = bounds_of(records)
    for pipeline in PIPELINES:
        record = records.get(f"healthy.{pipeline}")
        found = thresholds_of.get(pipeline)
        rows.append(
            (
                pipeline,
                "not run" if not record else "passes" if record["status"] and not record["red"] else _red(record),
                "" if not record or record["metric"] is None else f"{record['metric']:.3f}",
                "" if not found else f"{found.mean:.3f} ± {found.deviation:.3f}",
                "" if not found else f"{found.calibrated:.3f}",
            )
        )
    yield "## The healthy projects"
    yield ""
    yield from _table(("pipeline", "checks", "metric, seed 0", f"over {SEEDS} seeds", "calibrated bound"), rows)


def _red(record: Record) -> str:
    return "; ".join(f"{claim}: {told[:80]}" for claim, told in record["red"].items()) or "no report"


def _summary(pairs: Sequence[Scored], records: Records) -> Iterator[str]:
    silent = [pair for pair in pairs if pair.silent]
    ran = [pair for pair in pairs if pair.pair.name in records]
    caught = [pair for pair in pairs if pair.caught]
    alarms = _benign(records)
    low, high = share([bool(record["red"]) for record in alarms]).interval if alarms else (0.0, 1.0)
    yield "## In short"
    yield ""
    rows = [
        ("caught by a right check", share([pair.caught for pair in pairs])),
        *([("of the pairs that were run", _with_interval([p.caught for p in ran]))] if len(ran) < len(pairs) else []),
        (
            "of those that leave the metric inside its calibrated bound (silent)",
            share([pair.caught for pair in silent]),
        ),
        ("any check red", share([pair.any_red for pair in pairs])),
        ("true cause among the first three, of those caught", share([pair.causes for pair in caught])),
        (
            "alarms on benign changes",
            f"{share([bool(r['red']) for r in alarms])}, 95 % interval {low:.1%} .. {high:.1%}",
        ),
    ]
    yield from _table(("", "share"), rows)


def _with_interval(found: Sequence[bool]) -> str:
    counted = share(found)
    low, high = counted.interval if counted.of else (0.0, 1.0)
    return f"{counted}, 95 % interval {low:.0%} .. {high:.0%}"


def _held_back(records: Records) -> Iterator[str]:
    pairs = scored(records, held_back=True)
    silent = [pair for pair in pairs if pair.silent]
    yield (
        f"Held back while the rules were tuned: caught {share([p.caught for p in pairs])}, of the silent ones"
        f" {share([p.caught for p in silent])}, true cause among the first three of those caught"
        f" {share([p.causes for p in pairs if p.caught])}."
    )
    yield ""


def _families(pairs: Sequence[Scored]) -> Iterator[str]:
    yield "## By family"
    yield ""
    rows = []
    for family in dict.fromkeys(pair.fault.family for pair in pairs):
        of = [pair for pair in pairs if pair.fault.family == family]
        rows.append(
            (
                family,
                share([p.caught for p in of]),
                share([p.caught for p in of if p.silent]),
                share([p.any_red for p in of]),
            )
        )
    yield from _table(("family", "caught", "of the silent", "any check red"), rows)


def _checks(pairs: Sequence[Scored]) -> Iterator[str]:
    yield "## By check"
    yield ""
    right = Counter(claim for pair in pairs for claim in pair.right)
    alone = Counter(pair.right[0] for pair in pairs if len(pair.right) == 1 and pair.caught)
    named = Counter(claim for pair in pairs for claim in pair.fault.right)
    wrong = Counter(claim for pair in pairs for claim in pair.wrong)
    rows = [(claim, right[claim], named[claim], alone[claim], wrong[claim]) for claim in catalogue.CLAIMS]
    yield from _table(
        ("check", "red as a right check", "named as one", "the only right one red", "red beside the list"), rows
    )


def _benign(records: Records) -> list[Record]:
    names = [f"benign.{change.name}.{change.pipeline}" for change in benign.CHANGES]
    return [records[name] for name in names if name in records]


def _alarms(records: Records) -> Iterator[str]:
    found = _benign(records)
    yield "## Alarms on benign changes"
    yield ""
    yield f"{len(found)} of {len(benign.CHANGES)} benign changes were run."
    yield ""
    alarms = [
        (record["name"], claim, told.replace("|", "\\|")[:160])
        for record in found
        for claim, told in record["red"].items()
    ]
    yield from (
        _table(("change", "check", "what it says"), alarms) if alarms else ("None of them turned a check red.", "")
    )


def _peers(pairs: Sequence[Scored], records: Records) -> Iterator[str]:
    found = bounds_of(records)
    faults = [pair for pair in pairs if pair.measured]
    changes = _benign(records)

    def row(name: str, is_red: Callable[[Record], bool | None]) -> tuple[object, ...]:
        told = [(pair, is_red(records[pair.pair.name])) for pair in faults]
        asked = [(pair, red) for pair, red in told if red is not None]
        benign_asked = [red for record in changes if (red := is_red(record)) is not None]
        return (
            name,
            share([bool(red) for _, red in told]),
            share([bool(red) for pair, red in told if pair.silent]),
            share([bool(red) for red in benign_asked]),
            f"{len(asked)} of {len(told)}",
        )

    def below(kind: str) -> Callable[[Record], bool | None]:
        def is_red(record: Record) -> bool | None:
            bound = found.get(record["pipeline"])
            if bound is None:
                return None
            return record["metric"] is None or record["metric"] < getattr(bound, kind)

        return is_red

    def peer(name: str) -> Callable[[Record], bool | None]:
        def is_red(record: Record) -> bool | None:
            told = record.get("peers", {}).get(name)
            return None if told is None or told.get("unable") else bool(told["red"])

        return is_red

    not_run = [name for name in _PEERS if not any(name in record.get("peers", {}) for record in records.values())]
    yield "## Beside it, on the same instances"
    yield ""
    yield "Of the peers, any failure counts as a catch; of `checks: standard`, only that of a right check."
    yield ""
    rows = [
        (
            "**checks: standard**",
            share([pair.caught for pair in faults]),
            share([pair.caught for pair in faults if pair.silent]),
            share([bool(record["red"]) for record in changes]),
            f"{len(faults)} of {len(faults)}",
        ),
        row("metric at least the healthy mean − 5 points", below("plain")),
        row("metric at least the calibrated bound (k = 3.30, n = 20)", below("calibrated")),
        *(row(_PEERS[name], peer(name)) for name in _PEERS if name not in not_run),
    ]
    yield from _table(("gate", "caught", "of the silent", "alarms on benign changes", "could be asked"), rows)
    if not_run:
        yield f"Not run: {', '.join(_PEERS[name] for name in not_run)}."
        yield ""


def _cost(records: Records) -> Iterator[str]:
    yield "## What it costs"
    yield ""
    rows = []
    for pipeline in PIPELINES:
        record = records.get(f"healthy.{pipeline}")
        if not record:
            continue
        steps = record["trainings"]
        one = next((count for title, count in steps.items() if title.endswith("train (seed 0)")), 0)
        rows.append(
            (
                pipeline,
                one,
                sum(steps.values()),
                f"{sum(steps.values()) / one:.1f}" if one else "",
                f"{record['seconds']:.1f} s",
            )
        )
    head = (
        "pipeline",
        "steps of one training",
        "steps of all trainings told",
        "in trainings",
        "on the wall, session and all",
    )
    yield from _table(head, rows)


def _missed(pairs: Sequence[Scored]) -> Iterator[str]:
    yield "## What is missed"
    yield ""
    rows = [
        (
            pair.pair.name,
            pair.fault.title,
            "silent" if pair.silent else "",
            ", ".join(pair.fault.right),
            ", ".join(pair.wrong) or "",
        )
        for pair in pairs
        if pair.measured and not pair.caught
    ]
    yield from _table(("pair", "fault", "", "right checks", "red beside them"), rows)
    if not_run := sum(not pair.measured for pair in pairs):
        yield f"Beside these, {not_run} pairs were not run; each of them counts as missed where nothing else is said."
        yield ""
    unnamed = [pair for pair in pairs if pair.caught and not pair.causes]
    yield f"Caught, and the true cause not among the first three: {', '.join(p.pair.name for p in unnamed) or 'none'}."
