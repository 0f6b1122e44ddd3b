"""Imports go one way. The tables of this file are the architecture; the syntax trees of the package are held against them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import pytest_mlspec

PACKAGE = Path(pytest_mlspec.__file__).parent

# What each part of the package may import of the others. A part is a module or a folder; the folders `GROUPS` hold parts of
# their own. A part may import itself, and everything the folders' own `__init__`.
GROUPS = frozenset({"language", "store", "workers"})
MAY_IMPORT: Mapping[str, str] = {
    # words and tables
    "errors": "",
    "registry": "errors",
    "formats": "registry",
    "statistics": "",
    "tracebacks": "store.environment",
    # YAML -> data with positions -> Spec
    "language": "",
    "language.names": "",
    "language.boosters": "",
    "language.estimators": "language.boosters language.names",
    "language.embedding": "",
    "language.pretrained": "",
    "language.mteb": "",
    "language.load": "errors",
    "language.complaints": "errors",
    "language.units": "errors language.complaints",
    "language.node": "",
    "language.invariances": "language.complaints language.node",
    "language.spec": "errors language.complaints language.invariances language.node language.units",
    "language.task": "language.names",
    "language.engine_arguments": "language.embedding language.trainer",
    "language.trainer": "",
    "language.vocabulary": "errors language.complaints language.load language.names language.spec",
    "language.matrix": "errors language.complaints language.load language.spec",
    "language.rules": "errors extensions language.trainer language.boosters language.complaints language.estimators"
    " language.embedding language.engine_arguments language.mteb language.names language.pretrained language.task"
    " language.units language.spec quantities check checks engines formats jobs",
    "language.overrides": "errors language.complaints language.load language.matrix",
    "language.declared": "errors language.complaints language.load language.matrix language.overrides language.rules"
    " language.spec language.vocabulary",
    # what flows
    "jobs": "",
    "evidence": "",
    "quantities": "errors registry formats jobs evidence",
    # what others add
    "extensions": "errors registry jobs",
    "extending": "errors registry extensions check checks evidence jobs engines quantities",
    # Evidence -> Verdicts
    "check": "errors registry evidence jobs",
    "checks": "errors registry check formats quantities jobs evidence statistics",
    "diagnosis": "check evidence",
    "gates": "errors check checks quantities evidence statistics",
    # Spec -> Plan -> one pytest run
    "plan": "errors check checks formats gates quantities jobs evidence language.spec language.task language.declared"
    " language.rules engines",
    "requirements": "store.environment language.spec",
    "causes": "errors",
    "session": "errors extensions causes check jobs evidence store.environment requirements plan store workers.tasks"
    " workers.job workers.logs workers.broker workers.remote",
    "reuse": "jobs store workers.tasks",
    "opening": "errors reuse session store store.environment workers.inline workers.broker workers.remote",
    "run": "errors jobs evidence quantities language.declared opening plan report recipe workers.job",
    # the checks without a spec file
    "plain": "errors",
    "workbench": "errors check engines evidence jobs language.declared language.spec plain plan probes recipe",
    "assertions": "errors check plain quantities report workbench",
    "report": "errors check checks diagnosis evidence engines jobs language.task plan quantities reuse session store"
    " workers.tasks",
    "__main__": "errors language.embedding language.units language.declared engines report store",
    # the committed baseline
    "baselines": "errors evidence",
    "recording": "baselines check errors evidence jobs store store.file",
    "plugin": "errors extensions check language.load language.declared plan opening recording run report"
    " store.environment",
    # the store
    "store": "store.entry store.store",
    "store.canonical": "",
    "store.environment": "",
    "store.inputs": "store.canonical store.environment",
    "store.reads": "store.environment store.inputs",
    "store.entry": "errors store.canonical store.inputs",
    "store.file": "errors store.entry",
    "store.store": "errors store.canonical store.inputs store.entry",
    # processes
    "workers": "",
    "workers.tasks": "errors tracebacks",
    "workers.processes": "workers.tasks",
    "workers.logs": "store.environment tracebacks",
    "workers.shadows": "",
    "workers.child": "errors store.environment tracebacks workers.tasks workers.shadows",
    "workers.connection": "errors workers.tasks workers.child workers.logs",
    "workers.server": "errors workers.tasks workers.child workers.processes",
    "workers.broker": "errors workers.tasks workers.connection",
    "workers.remote": "errors workers.tasks workers.broker",
    "workers.inline": "errors session workers.tasks workers.job",
    # inside a worker
    "workers.job": "errors extensions jobs evidence language.spec store store.reads engines probes recipe",
    "engines": "errors registry language.trainer language.boosters language.estimators language.embedding"
    " language.names jobs evidence quantities language.spec language.task recipe training",
    "exports": "errors registry formats evidence engines recipe",
    "probes": "errors baselines formats exports extensions language.invariances language.names"
    " language.mteb jobs evidence quantities store.environment language.spec"
    " language.task recipe engines training",
    "recipe": "errors extensions tracebacks language.boosters language.estimators language.embedding language.names"
    " language.pretrained jobs evidence quantities store.environment language.spec language.task sources training",
    "sources": "errors language.names language.spec recipe",
    "training": "errors registry language.names",
}

# What only these parts may import, outside of annotations.
RESERVED: Mapping[str, frozenset[str]] = {
    "pytest": frozenset({"plugin"}),
    "_pytest": frozenset(),
    "torch": frozenset(
        {"training", "engines", "exports", "probes", "recipe", "sources", "workers.server", "workbench"}
    ),
    "scipy": frozenset({"statistics", "recipe"}),
    "yaml": frozenset({"language.load", "__main__"}),
    "pydantic": frozenset(
        {
            "check",
            "checks",
            "extending",
            "quantities",
            *(f"language.{name}" for name in ("complaints", "declared", "invariances", "node", "rules", "spec")),
        }
    ),
}

# These are imported where they are needed, inside functions, by whatever the pytest process imports.
HEAVY = frozenset({"numpy", "onnx", "onnxruntime", "onnxscript", "pandas", "safetensors", "scipy", "sklearn", "torch"})

# What runs in a worker: the pytest process may import these for their names and calls nothing in them.
IN_A_WORKER = frozenset({"workers.job", "workers.server", "engines", "probes", "recipe", "sources", "training"})


class Import(NamedTuple):
    """One import: what, and whether it happens with that of the file, later in a function, or for annotations alone."""

    name: str
    when: str


def modules() -> dict[str, Path]:
    """Every module of the package by its name below `pytest_mlspec`; the package itself is the empty name."""
    files = {path.relative_to(PACKAGE).with_suffix(""): path for path in PACKAGE.rglob("*.py")}
    return {".".join(part for part in name.parts if part != "__init__"): path for name, path in files.items()}


MODULES = modules()


@cache
def imports_of(module: str) -> tuple[Import, ...]:
    return tuple(_imports_below(ast.parse(MODULES[module].read_text("utf-8")), "first"))


def _imports_below(node: ast.AST, when: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Import(names=names):
                yield from (Import(alias.name, when) for alias in names)
            case ast.ImportFrom(module=str(source), names=names, level=0):
                full = [f"{source}.{alias.name}" for alias in names]
                yield from (Import(name if _is_ours(name) else source, when) for name in full)
            case ast.ImportFrom():
                raise AssertionError("a relative import")
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from _imports_below(child, "typing")
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda() if when == "first":
                yield from _imports_below(child, "later")
            case _:
                yield from _imports_below(child, when)


def _is_ours(name: str) -> bool:
    return name.startswith("pytest_mlspec.") and name.removeprefix("pytest_mlspec.") in MODULES


def ours(module: str, *when: str) -> set[str]:
    """The modules of the package that `module` imports at these times."""
    found = (each.name for each in imports_of(module) if each.when in when)
    return {name.removeprefix("pytest_mlspec.") for name in found if _is_ours(name)}


def others(module: str, *when: str) -> set[str]:
    """The top-level packages beside ours that `module` imports at these times."""
    return {each.name.partition(".")[0] for each in imports_of(module) if each.when in when} - {"pytest_mlspec"}


def part_of(module: str) -> str:
    folder, _, rest = module.partition(".")
    return f"{folder}.{rest.partition('.')[0]}" if folder in GROUPS and rest else folder


def in_the_pytest_process() -> set[str]:
    """What the pytest process may come to import: everything from the plugin on, up to what runs in a worker."""
    reached: set[str] = set()
    waiting = ["plugin"]
    while waiting:
        module = waiting.pop()
        if module in reached:
            continue
        reached.add(module)
        times = ("first",) if part_of(module) in IN_A_WORKER else ("first", "later")
        waiting += [part_of(module), *ours(module, *times)]
    return reached


NAMED = sorted(name for name in MODULES if name)


def test_every_part_of_the_package_stands_in_the_table() -> None:
    """And nothing else does."""
    assert {part_of(name) for name in NAMED} == MAY_IMPORT.keys()


@pytest.mark.parametrize("module", NAMED)
def test_a_module_imports_what_its_part_may_import(module: str) -> None:
    """Imports for annotations alone are free."""
    part = part_of(module)
    imported = {part_of(name) for name in ours(module, "first", "later")}

    assert imported - {part} <= set(MAY_IMPORT[part].split())


@pytest.mark.parametrize("module", NAMED)
def test_packages_that_are_reserved_are_imported_by_their_parts_alone(module: str) -> None:
    """The plugin alone imports pytest, and torch is left to what runs in a worker."""
    imported = others(module, "first", "later") & RESERVED.keys()

    assert {name for name in imported if part_of(module) not in RESERVED[name]} == set()


def test_nothing_private_of_pytest_is_imported_even_for_annotations() -> None:
    """It may change with any version."""
    assert {module for module in NAMED if "_pytest" in others(module, "first", "later", "typing")} == set()


def test_the_server_imports_torch_in_its_preload_alone() -> None:
    """A server without preload stays small."""
    assert "torch" not in others("workers.server", "first")


@pytest.mark.parametrize("module", sorted(in_the_pytest_process()))
def test_what_the_pytest_process_imports_imports_nothing_heavy_with_it(module: str) -> None:
    """A session without jobs pays for none of it."""
    assert others(module, "first") & HEAVY == set()


def test_of_engines_and_probes_others_see_the_table_alone() -> None:
    """Which engine carries a job out is looked up there, when it is carried out."""
    # What writes and reads estimators has to know what they were given and gave.
    # The workbench does in this process what a worker does.
    inside = ("engines", "exports", "probes", "workbench")
    outside = [module for module in NAMED if part_of(module) not in inside]
    imported = {name for module in outside for name in ours(module, "first", "later")}

    assert {name for name in imported if part_of(name) in ("engines", "probes")} == {"engines", "probes"}


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Not even inside a function; TopologicalSorter raises CycleError."""
    graph = {module: ours(module, "first", "later") - {module} for module in NAMED}

    assert set(TopologicalSorter(graph).static_order()) == set(NAMED)


def test_the_package_itself_imports_nothing_of_its_own() -> None:
    """Its docstring is the way in, and a public name is imported at its first use."""
    assert ours("", "first") | others("", "first") == set()
