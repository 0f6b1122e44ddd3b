"""The data of a task in a folder. Three layouts, tried in this order:

    corpus, queries, qrels/SPLIT          a retrieval, as BEIR has it; qrels may be one file; top_ranked/SPLIT for a reranking
    SPLIT                                 any other task: a file of rows for each split that it reads
    anything else                         a copy of the data set on the hub, which the library datasets reads

Each is one of the files of `files.py` (`test.csv.gz`, `corpus.jsonl`). A task of several subsets has a folder for each. The
columns are those of the hub, and the task's own transformation is applied to them as it is there; labels that are texts
become numbers in sorted order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pytest_mlspec.engines.outside import from_outside
from pytest_mlspec.errors import DataError, UserCodeError, did_you_mean
from pytest_mlspec.probes.mteb import files
from pytest_mlspec.recipe.pretrained import digest_of

if TYPE_CHECKING:
    from datasets import Dataset
    from mteb import AbsTask

_QRELS = ("query-id", "corpus-id", "score")
_LISTS = ("corpus", "queries")
DEFAULT = "default"
"""What mteb calls the subset of a task that has one alone."""


def load(task: AbsTask, folder: Path, columns: Mapping[str, str], *, scratch: Path) -> str:
    """Gives `task` the data in `folder`; the SHA-256 of all its files. `columns` maps names of the task to those of the files.

    Raises DataError where the folder has not what the task reads.
    """
    key = f"mteb.{task.metadata.name}.data"
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", key=key)
    if task.is_aggregate:
        told = f"{task.metadata.name} puts other tasks together, and has no data of its own"
        raise DataError(told, key=key, advice="write a gate for each of them, or leave the data to the hub")
    digest = digest_of(folder)
    subsets = (
        {subset: folder / subset for subset in task.hf_subsets} if task.metadata.is_multilingual else {DEFAULT: folder}
    )
    if _is_retrieval(task) and all(files.find(place, "corpus", key=key) for place in subsets.values()):
        read: dict[str, Any] = {
            subset: {split: _retrieval(place, split, key=key) for split in task.eval_splits}
            for subset, place in subsets.items()
        }
    elif not _is_retrieval(task) and all(_split_file(place, task, key) for place in subsets.values()):
        read = {subset: _rows(place, task, columns, key=key) for subset, place in subsets.items()}
        read = read if task.metadata.is_multilingual else read[DEFAULT]
    else:
        _demand_files(folder, task, key)
        load_copy(task, folder, scratch=scratch, key=key)
        return digest
    task.dataset = read
    try:
        with from_outside(f"{task.metadata.name}.dataset_transform", key=key):
            task.dataset_transform()
    except UserCodeError as error:
        advice = "give the files the columns that the data set has on the hub; `columns` names those called otherwise"
        raise DataError(error.message, key=key, advice=advice, details=error.details) from error
    task.data_loaded = True
    return digest


def load_copy(task: AbsTask, folder: Path, *, scratch: Path, key: str) -> None:
    """Gives `task` the data of a copy of the data set on the hub; `scratch` outlives the task, and nothing else is written."""
    from datasets import config

    dataset = {**task.metadata.dataset, "path": str(folder)}
    with from_outside(f"the data of {task.metadata.name} in {folder.name}", key=key), _writing_to(scratch, config):
        metadata, task.metadata = task.metadata, task.metadata.model_copy(update={"dataset": dataset})
        task.load_data()
        task.metadata = metadata


@contextmanager
def _writing_to(scratch: Path, config: Any) -> Iterator[None]:
    """What the library datasets makes of files goes to `scratch`: its own cache knows a file by name and time alone."""
    before, config.HF_DATASETS_CACHE = config.HF_DATASETS_CACHE, scratch
    try:
        yield
    finally:
        config.HF_DATASETS_CACHE = before


def _is_retrieval(task: AbsTask) -> bool:
    from mteb.abstasks import AbsTaskRetrieval

    return isinstance(task, AbsTaskRetrieval)


def _retrieval(folder: Path, split: str, *, key: str) -> dict[str, Any]:
    """A split in the form that mteb reads: the documents, the queries that have a judgement, and these."""
    from datasets import Dataset

    corpus, queries = (_listed(folder, stem, key=key) for stem in _LISTS)
    file = files.find(folder / "qrels", split, key=key) or files.find(folder, "qrels", key=key)
    if file is None:
        told = f"{folder.name} holds no qrels of the split {split}"
        raise DataError(told, key=key, advice=f"write qrels/{split}.tsv with the columns {', '.join(_QRELS)}")
    qrels = files.read(file, key=key, texts=_QRELS[:2])
    _demand(qrels, _QRELS, file, key)
    relevant: dict[str, dict[str, int]] = {}
    for query, document, score in zip(*(qrels[column].tolist() for column in _QRELS), strict=True):
        relevant.setdefault(str(query), {})[str(document)] = int(score)
    for name, table, ids in (
        ("corpus", corpus, {document for judged in relevant.values() for document in judged}),
        ("queries", queries, set(relevant)),
    ):
        if unknown := sorted(ids - set(table["id"])):
            told = f"{file.name} names {len(unknown)} ids that {name} has not, such as {unknown[0]!r}"
            raise DataError(told, key=key, advice="do these files belong together?")
    return {
        "corpus": Dataset.from_pandas(corpus, preserve_index=False),
        "queries": Dataset.from_pandas(queries[queries["id"].isin(relevant)], preserve_index=False),
        "relevant_docs": relevant,
        "top_ranked": _top_ranked(folder, split, key=key),
    }


def _listed(folder: Path, stem: str, *, key: str) -> pd.DataFrame:
    """The texts of `corpus` or `queries`; ids are texts."""
    file = files.find(folder, stem, key=key)
    if file is None:
        raise DataError(f"{folder.name} holds no {stem}", key=key, advice=f"write {stem}.jsonl with _id and text")
    table = files.read(file, key=key, texts=("_id", "id", "text", "title")).rename(columns={"_id": "id"})
    _demand(table, ("id", "text"), file, key)
    table = table.astype({column: str for column in ("id", "text", "title") if column in table})
    if table["id"].duplicated().any():
        raise DataError(f"{file.name} holds the id {table['id'][table['id'].duplicated()].iloc[0]!r} twice", key=key)
    return table[[column for column in ("id", "text", "title", "instruction") if column in table]]


def _top_ranked(folder: Path, split: str, *, key: str) -> dict[str, list[str]] | None:
    file = files.find(folder / "top_ranked", split, key=key) or files.find(folder, "top_ranked", key=key)
    if file is None:
        return None
    table = files.read(file, key=key, texts=("query-id",))
    _demand(table, ("query-id", "corpus-ids"), file, key)
    pairs = zip(table["query-id"], table["corpus-ids"], strict=True)
    return {str(query): [str(document) for document in documents] for query, documents in pairs}


def _splits(task: AbsTask) -> list[str]:
    """The splits that `task` reads: those that it is evaluated on, and the one that a classifier is fitted on."""
    train = getattr(task, "train_split", None)
    return list(dict.fromkeys([*([train] if isinstance(train, str) else []), *task.eval_splits]))


def _split_file(folder: Path, task: AbsTask, key: str) -> bool:
    return any(files.find(folder, split, key=key) for split in _splits(task))


def _rows(folder: Path, task: AbsTask, columns: Mapping[str, str], *, key: str) -> Any:
    from datasets import Dataset, DatasetDict

    tables = {split: _table(folder, split, task, columns, key=key) for split in _splits(task)}
    label = getattr(task, "label_column_name", None)
    if not _transforms(task) and isinstance(label, str):
        _number(tables, label)
    with from_outside(f"the rows of {folder.name}", key=key):
        found: dict[str, Dataset] = {
            split: Dataset.from_pandas(table, preserve_index=False) for split, table in tables.items()
        }
        return DatasetDict(found)


def _table(folder: Path, split: str, task: AbsTask, columns: Mapping[str, str], *, key: str) -> pd.DataFrame:
    file = files.find(folder, split, key=key)
    if file is None:
        raise DataError(f"{folder.name} holds no split {split}", key=key, advice=f"write {split}.jsonl, or .csv")
    texts, others = columns_of(task)
    table = files.read(file, key=key, texts=[columns.get(column, column) for column in texts])
    for column, written in columns.items():
        _demand(table, (written,), file, key)
        table = table.drop(columns=column, errors="ignore").rename(columns={written: column})
    if _transforms(task):
        return table
    wanted = [*texts, *others]
    missing = [column for column in wanted if column not in table]
    spare = [column for column in table if column not in wanted]
    if len(missing) == len(spare) == 1:
        table = table.rename(columns={spare[0]: missing[0]})  # the only column that it can be
    _demand(table, wanted, file, key)
    return table.astype({column: str for column in texts if pd.api.types.is_scalar(table[column].iloc[0])})


def columns_of(task: AbsTask) -> tuple[list[str], list[str]]:
    """The columns that `task` reads: of texts, and others."""
    names = [getattr(task, name, None) for name in ("input_column_name", "input1_column_name", "input2_column_name")]
    pair = getattr(task, "column_names", None)
    texts = [name for name in (*names, *(pair if isinstance(pair, tuple) else ())) if isinstance(name, str)]
    label = getattr(task, "label_column_name", None)
    return texts, [label] if isinstance(label, str) else ["score"] if pair else []


def _transforms(task: AbsTask) -> bool:
    """True for a task that makes other rows of those on the hub: it needs their columns as they are there."""
    from mteb import AbsTask

    return type(task).dataset_transform is not AbsTask.dataset_transform


def _number(tables: Mapping[str, pd.DataFrame], label: str) -> None:
    """Puts the numbers of labels, in sorted order, in the place of texts."""
    if not all(pd.api.types.is_string_dtype(table[label]) for table in tables.values()):
        return
    known = sorted(set().union(*(table[label] for table in tables.values())))
    for table in tables.values():
        table[label] = table[label].map({text: number for number, text in enumerate(known)})


def _demand(table: pd.DataFrame, columns: list[str] | tuple[str, ...], file: Path, key: str) -> None:
    """Raises DataError unless the table has rows, and a value in each of these columns."""
    if not len(table):
        raise DataError(f"{file.name} holds no row", key=key)
    for column in columns:
        if column not in table:
            advice = f"{did_you_mean(column, map(str, table.columns))}; `columns` names it: {{{column}: NAME}}"
            raise DataError(f"{file.name} has no column {column!r}", key=key, advice=advice)
        if (absent := table[column].isna()).any():
            raise DataError(f"{file.name}: row {int(absent.to_numpy().argmax()) + 1} has no {column}", key=key)


def _demand_files(folder: Path, task: AbsTask, key: str) -> None:
    """Raises DataError for a folder that is no copy of the hub either."""
    if any((folder / name).exists() for name in ("README.md", "data")) or list(folder.rglob("*.parquet")):
        return
    stems = [*_LISTS, "qrels/SPLIT"] if _is_retrieval(task) else _splits(task)
    told = ", ".join(f"{stem}{files.ENDINGS[2]}" for stem in stems)
    raise DataError(
        f"{folder.name} holds none of the files of {task.metadata.name}",
        key=key,
        advice=f"it reads {told}, other formats ({', '.join(files.ENDINGS)}, .gz), or a copy of the data set on the hub",
    )
