"""The task behind a gate: one of mteb's by its name, a class of the team's own, or one that the spec declares from files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError, MeasurementError, RecipeError, did_you_mean
from pytest_mlspec.language.mteb import task_names
from pytest_mlspec.language.spec import MtebTask
from pytest_mlspec.recipe.calls import call_user
from pytest_mlspec.recipe.resolve import resolve
from pytest_mlspec.recipe.work import Work

if TYPE_CHECKING:
    from mteb import AbsTask

# By type: mteb's name of it, and the score that stands for the task.
_DECLARED: Mapping[str, tuple[str, str]] = {
    "classification": ("Classification", "accuracy"),
    "clustering": ("Clustering", "v_measure"),
    "pair_classification": ("PairClassification", "max_ap"),
    "retrieval": ("Retrieval", "ndcg_at_10"),
    "sts": ("STS", "cosine_spearman"),
}
# The clusterings of mteb embed a share of their texts; those of a team are small.
_MOST_CLUSTERED = 16_384


def find(name: str, work: Work) -> AbsTask:
    """The task, on the splits and subsets that the spec leaves in; its data are not read.

    Raises MeasurementError for a name that mteb does not know, or a split or subset that the task has not, RecipeError for a
    class that is no task.
    """
    import mteb

    entry, key = work.spec.mteb.get(name, MtebTask()), f"mteb.{name}"
    task = _own(name, entry, work) if entry.use else _declared(name, entry) if entry.type else _of_mteb(name, key)
    if list(task.metadata.modalities) != ["text"]:
        raise MeasurementError(f"{name} is a task of {', '.join(task.metadata.modalities)}, not of texts", key=key)
    assert isinstance(task, mteb.AbsTask)
    if entry.revision:
        dataset = {**task.metadata.dataset, "revision": entry.revision}
        task.metadata = task.metadata.model_copy(update={"dataset": dataset})
    if entry.splits:
        _demand("splits", entry.splits, task.metadata.eval_splits, key)
        task = task.filter_eval_splits(list(entry.splits))
    if entry.subsets:
        _demand("subsets", entry.subsets, task.hf_subsets, key)
        task = task.filter_languages(None, hf_subsets=list(entry.subsets))
    return task


def folder_of(name: str, work: Work) -> Path | None:
    """The folder of the data, where the spec names one."""
    entry = work.spec.mteb.get(name)
    return None if entry is None or entry.data is None else place(entry.data, work, key=f"mteb.{name}.data")


def place(text: str, work: Work, *, key: str) -> Path:
    """A path below the root directory, or what the team's function at an import path returns."""
    if ":" not in text:
        return work.root / text
    function = resolve(text, root=work.root, key=key, allowed=work.allowed)
    if not callable(function):
        raise RecipeError(f"{text} is a {type(function).__name__}, and no function", key=key)
    found = call_user(function, key=key, name=text)
    if not isinstance(found, str | Path):
        raise RecipeError(f"{text} returned a {type(found).__name__}, and no path", key=key)
    if not (work.root / found).exists():
        raise DataError(f"{text} returned {found}, which is not there", key=key)
    return work.root / found


def _of_mteb(name: str, key: str) -> AbsTask:
    import mteb

    try:
        return mteb.get_task(name)
    except KeyError:
        near = did_you_mean(name, task_names())
        raise MeasurementError(
            f"mteb {mteb.__version__} has no task {name!r}",
            key=key,
            advice=near if near.endswith("?") else "upgrade mteb, or declare a task of your own",
        ) from None


def _own(name: str, entry: MtebTask, work: Work) -> AbsTask:
    import mteb

    key = f"mteb.{name}.use"
    found = resolve(entry.use or "", root=work.root, key=key, allowed=work.allowed)
    if not (isinstance(found, type) and issubclass(found, mteb.AbsTask)):
        raise RecipeError(f"{entry.use} is no task of mteb", key=key, advice="name a subclass of mteb.AbsTask")
    task: AbsTask = call_user(found, key=key, name=str(entry.use))
    if task.metadata.name != name:
        advice = f"write it so in `mteb` and in the gate, or change metadata.name to {name!r}"
        raise RecipeError(f"{entry.use} calls itself {task.metadata.name!r}", key=key, advice=advice)
    if entry.data is None:
        work.loaded_by_user.append(name)
    return task


def _declared(name: str, entry: MtebTask) -> AbsTask:
    """A task over the files of the spec, with the settings that mteb gives its own of that type."""
    from mteb.abstasks import (
        AbsTaskClassification,
        AbsTaskClustering,
        AbsTaskPairClassification,
        AbsTaskRetrieval,
        AbsTaskSTS,
    )
    from mteb.abstasks.task_metadata import TaskMetadata

    kinds: Mapping[str, type[AbsTask]] = {
        "classification": AbsTaskClassification,
        "clustering": AbsTaskClustering,
        "pair_classification": AbsTaskPairClassification,
        "retrieval": AbsTaskRetrieval,
        "sts": AbsTaskSTS,
    }
    assert entry.type is not None, "a declared task has a type"
    kind, main = _DECLARED[entry.type]
    settings: dict[str, Any] = {}
    if entry.type == "clustering":
        settings = {"max_fraction_of_documents_to_embed": None, "max_document_to_embed": _MOST_CLUSTERED}
    metadata = TaskMetadata(
        name=name,
        description=f"{name}, declared in a spec",
        dataset={"path": "files", "revision": "files"},
        type=kind,
        category="t2t",
        modalities=["text"],
        eval_splits=list(entry.splits) or ["test"],
        eval_langs=["eng-Latn"],
        main_score=main,
    )
    made: type[AbsTask] = type(name, (kinds[entry.type],), {"metadata": metadata, **settings})
    return made()


def _demand(what: str, asked: tuple[str, ...], known: Any, key: str) -> None:
    for name in asked:
        if name not in known:
            told = f"{key.partition('.')[2]} has no {what.removesuffix('s')} {name!r}"
            raise MeasurementError(told, key=f"{key}.{what}", advice=did_you_mean(name, list(known)))
