"""The rules of `mteb` and of the gates on its tasks: the task is known, its data can be told, and something is evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlspec import quantities
from pytest_mlspec.errors import MlspecError, did_you_mean
from pytest_mlspec.language.complaints import described
from pytest_mlspec.language.mteb import COLUMNS, VERSION, task_names
from pytest_mlspec.language.pretrained import is_commit
from pytest_mlspec.language.rules import uses
from pytest_mlspec.language.rules.mistake import Mistake
from pytest_mlspec.language.rules.sources import file_or_folder
from pytest_mlspec.language.task import TASKS
from pytest_mlspec.quantities.mteb import OfATask

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath
    from pytest_mlspec.language.spec import MtebTask, Spec


def mistakes(spec: Spec, root: Path, folder: Path | None = None) -> Iterator[Mistake]:
    """The mistakes of `mteb` and of gates on its tasks; folders are looked for below `root`, nothing is read."""
    gates = dict(_gates(spec))
    asked = {gate.task for gate in gates.values()}
    for name, task in spec.mteb.items():
        key: KeyPath = ("mteb", name)
        yield from _known(key, name, task)
        yield from _own(key, name, task)
        yield from _data(key, task, root, folder)
        if name not in asked:
            advice = f"write `mteb.{name}: {{at_least: …}}` under `gates`, or remove this key"
            yield Mistake(key, f"no gate looks at {described(name)}", advice, lacks=(("gates",),))
    embeds = TASKS["embedding"].engines
    for gate, of in gates.items():
        key = ("gates", gate)
        if spec.recipe is None and spec.train.engine.use not in embeds:
            advice = f"write `train: {{engine: {embeds[0]}}}`, or a recipe with encode(model, texts)"
            yield Mistake(key, f"the model of the engine {spec.train.engine.use} embeds no texts", advice)
        if of.task not in spec.mteb:
            yield from _known(key, of.task, None)
        yield from _of_gate(key, of, spec, root)


def _gates(spec: Spec) -> Iterator[tuple[str, OfATask]]:
    """The gates on tasks; those that cannot be read are told by `claims.py`."""
    for name in spec.gates:
        try:
            quantity = quantities.parse(name)
        except MlspecError:
            continue
        if isinstance(quantity.selectors, OfATask):
            yield name, quantity.selectors


def _known(key: KeyPath, name: str, task: MtebTask | None) -> Iterator[Mistake]:
    """A task that is newer than the list is taken as it is where the spec pins its data."""
    own = task is not None and (task.use or task.type)
    if name in task_names() or own or (task is not None and task.revision):
        return
    advice = (
        f"{_near(name)}a task of your own has `use` or `type` under `mteb`; one that is newer than mteb {VERSION} has the"
        " `revision` of its data there"
    )
    yield Mistake(key, f"{described(name)} is no task of texts that MTEB has", advice)


def _near(name: str) -> str:
    near = did_you_mean(name, task_names())
    return f"{near} Otherwise: " if near.endswith("?") else ""


def _own(key: KeyPath, name: str, task: MtebTask) -> Iterator[Mistake]:
    if task.use and task.type:
        yield Mistake((*key, "type"), "`use` names the task already", "keep one of them")
    elif (task.use or task.type) and name in task_names():
        advice = "give yours a name of its own, here and in its gate"
        yield Mistake(key, f"{described(name)} is a task that MTEB has", advice)
    if task.use:
        yield from uses.path((*key, "use"), task.use)
    if task.type and not task.data:
        advice = f"write {{type: {task.type}, data: FOLDER}}"
        yield Mistake(key, "a task that is declared from files needs the key 'data'", advice)
    if task.type and task.subsets:
        yield Mistake((*key, "subsets"), "a task that is declared from files has no subsets", "remove this key")
    for column in task.columns if task.type else ():
        if column not in COLUMNS[task.type or ""]:
            reads = COLUMNS[task.type or ""]
            known = did_you_mean(column, reads) if reads else "its files have the columns of BEIR"
            yield Mistake((*key, "columns", column), f"a {task.type} reads no column {described(column)}", known)


def _data(key: KeyPath, task: MtebTask, root: Path, folder: Path | None) -> Iterator[Mistake]:
    if task.data and task.revision:
        advice = "remove this key: the files themselves are what is hashed"
        yield Mistake((*key, "revision"), "the data lie in a folder, and have no revisions", advice)
    elif task.revision and not is_commit(task.revision):
        advice = "write the 40 digits of a commit: a name such as `main` is other data tomorrow"
        yield Mistake((*key, "revision"), f"{described(task.revision)} is no commit", advice)
    if task.data is None:
        if task.columns:
            yield Mistake(
                (*key, "columns"), "the data of the hub have their columns", "remove this key, or name a folder"
            )
    elif ":" in task.data:
        yield from uses.path((*key, "data"), task.data)
    else:
        yield from file_or_folder((*key, "data"), f"{task.data.rstrip('/')}/", root, folder)


def _of_gate(key: KeyPath, of: OfATask, spec: Spec, root: Path) -> Iterator[Mistake]:
    task, bound = spec.mteb.get(of.task), spec.gates[key[1]]  # type: ignore[index]
    for what, asked, evaluated in (
        ("split", of.split, task.splits if task else ()),
        ("subset", of.subset, task.subsets if task else ()),
    ):
        if asked is not None and evaluated and asked not in evaluated:
            yield Mistake(key, f"the {what} {described(asked)} is left out", f"add it to mteb.{of.task}.{what}s")
    reference = bound.no_worse_than
    if reference is None:
        return
    here = (*key, "no_worse_than")
    if reference.use == "base" and of.of == "base":
        yield Mistake(
            here, "this cannot fail: it compares the model before the training with itself", "remove [of=base]"
        )
    file = reference.arguments.get("file")
    if reference.use == "published" and isinstance(file, str):
        if task is not None and (task.use or task.type):
            yield Mistake(here, f"{described(of.task)} is your own task, and MTEB publishes no result of it", "")
        if ":" in file:
            yield from uses.path((*here, "file"), file)
        else:
            yield from file_or_folder((*here, "file"), file, root, None)
