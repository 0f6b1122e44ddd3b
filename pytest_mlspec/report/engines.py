"""What can be asked of which engine, as a page of Markdown: `python -m pytest_mlspec engines > docs/engines.md`.

Told by what each engine says of the jobs behind a claim with default parameters. What the machine or the model cannot give shows
when it is measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pytest_mlspec import checks, quantities
from pytest_mlspec.check import CHECKS
from pytest_mlspec.engines import ENGINES, Engine
from pytest_mlspec.jobs import Job
from pytest_mlspec.language.task import TASKS

_YES = "yes"
# One of what a name with a part in braces stands for.
_EXAMPLES: Mapping[str, str] = {"format": "onnx", "task": "Banking77Classification"}

_HEAD = """\
# Engines: what can be asked of which

Every engine gives one `TrainingRun`, so every check and gate is the same claim whatever trained. Where an engine cannot answer,
the item is skipped as *not applicable* with the reason that stands here under its number; a `*` marks the checks of `standard`.
The engine `trained` is that of a model which a Python test hands over. Two answers need a function of the recipe: `mteb.{task}`
of a model that is no SentenceTransformer needs `encode`, and `export` of what the engine `callable` fits needs `export`. This
page is printed by `python -m pytest_mlspec engines`.
"""


@dataclass
class _Reasons:
    """The reasons by number, in the order in which the page names them."""

    numbers: dict[str, int] = field(default_factory=dict)

    def cell(self, whys: Iterable[str]) -> str:
        """`yes`, or the numbers of the reasons why not."""
        given = dict.fromkeys(why for why in whys if why)
        return ", ".join(f"[{self.numbers.setdefault(why, len(self.numbers) + 1)}]" for why in given) or _YES


def engines_page() -> str:
    """The page: engines and tasks, checks, gates, and the reasons."""
    engines = [ENGINES.find(name) for name in ENGINES]
    reasons = _Reasons()
    parts = [
        _HEAD,
        _table("task", engines, _tasks(engines)),
        "## Checks\n",
        _table("check", engines, _rows(engines, _checks(), reasons)),
        "## Gates\n",
        _table("gate", engines, [*_metrics(engines), *_rows(engines, _measures(), reasons)]),
        "## Why not\n",
        "\n".join(f"{number}. {reason}" for reason, number in reasons.numbers.items()) + "\n",
    ]
    return "\n".join(parts)


def _table(what: str, engines: list[Engine], rows: Iterable[tuple[str, list[str]]]) -> str:
    lines = [[what, *(f"`{engine.name}`" for engine in engines)], ["---"] * (len(engines) + 1)]
    lines += [[name, *cells] for name, cells in rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _tasks(engines: list[Engine]) -> Iterator[tuple[str, list[str]]]:
    for task, facts in TASKS.items():
        yield f"`{task}`", [_YES if engine.name in facts.engines else "" for engine in engines]


def _checks() -> Iterator[tuple[str, list[Job]]]:
    for name in CHECKS:
        check = CHECKS.find(name)
        star = "*" if name in checks.STANDARD else ""
        yield f"`{name}`{star}", list(check.needs(check.params.model_validate({})).values())


def _metrics(engines: list[Engine]) -> Iterator[tuple[str, list[str]]]:
    """Metrics on splits and folds, for the engines that have a task with metrics."""
    measured = {task for metric in quantities.METRICS.values() for task in metric.tasks}
    cells = [_YES if any(engine.name in TASKS[task].engines for task in measured) else "" for engine in engines]
    yield "metrics, such as `test.accuracy`, `cv.f1`", cells


def _measures() -> Iterator[tuple[str, list[Job]]]:
    for name in quantities.MEASURES:
        measure = quantities.MEASURES.find(name)
        given = {part: _EXAMPLES[part] for part in measure.pattern.groupindex}
        yield f"`{name}`", [measure.needs(measure.select(given))]


def _rows(
    engines: list[Engine], claims: Iterable[tuple[str, list[Job]]], reasons: _Reasons
) -> Iterator[tuple[str, list[str]]]:
    """A row for each claim; neighbours with the same answers share one."""
    names: list[str] = []
    last: list[str] = []
    for name, jobs in claims:
        cells = [reasons.cell(engine.cannot(job) for job in jobs) for engine in engines]
        if names and cells != last:
            yield _named(names), last
            names = []
        names.append(name)
        last = cells
    yield _named(names), last


def _named(names: list[str]) -> str:
    """The names side by side; all measures of a family as one."""
    families = {name: name.partition(".")[0] for name in names}
    every = Counter(f"`{measure}`".partition(".")[0] for measure in quantities.MEASURES)
    here = Counter(families.values())
    whole = {family for family, count in here.items() if every[family] == count > 1}
    return ", ".join(dict.fromkeys(f"{family}.…`" if family in whole else name for name, family in families.items()))
