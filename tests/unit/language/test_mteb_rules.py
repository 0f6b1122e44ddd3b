"""Tasks of MTEB in a spec: the name, the data and the gate fit together, or the mistake is told with its place and remedy."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from churn_spec import spec, told

from pytest_mlspec.language.mteb import VERSION, task_names

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PAIRS = f"""\
mlspec: 1
name: pairs
task: embedding
data: {{source: data/pairs.csv, columns: {{anchor: question, positive: answer}}}}
model: {{use: pretrained, name: team/encoder, revision: {COMMIT}}}
train: {{engine: sentence_transformers, epochs: 1}}
mteb:
  SciFact: {{data: data/scifact}}
gates:
  mteb.SciFact: {{at_least: 0.6}}
"""
ENTRY = "SciFact: {data: data/scifact}"
GATE = "mteb.SciFact: {at_least: 0.6}"

ALLOWED = [
    (ENTRY, f"SciFact: {{revision: {COMMIT}}}"),
    (ENTRY, "SciFact: {splits: [test], subsets: [default]}"),
    (ENTRY, "SciFact: {data: 'team.data:folder', columns: {text: body}}"),
    (GATE, "'mteb.SciFact[of=base, score=recall_at_10, split=test, subset=default]': {at_least: 0.6}"),
    (GATE, "mteb.SciFact: {no_worse_than: base, by: 0.01}"),
    (GATE, "mteb.SciFact: {no_worse_than: {use: published, file: data/pairs.csv}, by: 1e-6}"),
    (GATE, "mteb.SciFact: {no_worse_than: {use: published, file: 'team.results:scifact'}}"),
]

MISTAKES = [
    (
        ENTRY,
        "SciFacts: {data: data/scifact}",
        "8:3  mteb.SciFacts: 'SciFacts' is no task of texts that MTEB has",
        "did you mean 'SciFact'?",
    ),
    (
        GATE,
        "mteb.SciFacts: {at_least: 0.6}",
        "10:3  gates.mteb.SciFacts: 'SciFacts' is no task of texts that MTEB has",
        "a task of your own has `use` or `type` under `mteb`",
    ),
    (ENTRY, "Banking77Classification: {}", "8:3  mteb.Banking77Classification: no gate looks at", "or remove this key"),
    (ENTRY, "SciFact: {data: data/scifat}", "8:13  mteb.SciFact.data: there is no folder", "did you mean 'scifact'?"),
    (ENTRY, "SciFact: {data: data/pairs.csv}", "mteb.SciFact.data: 'data/pairs.csv/' is not a folder", "name a folder"),
    (ENTRY, "SciFact: {data: ../elsewhere}", "mteb.SciFact.data: '../elsewhere/' lies outside the root", ""),
    (
        ENTRY,
        "SciFact: {data: 'team.data:'}",
        "mteb.SciFact.data: 'team.data:' is no import path",
        "package.module:name",
    ),
    (
        ENTRY,
        "SciFact: {revision: main}",
        "mteb.SciFact.revision: 'main' is no commit",
        "write the 40 digits of a commit",
    ),
    (
        ENTRY,
        f"SciFact: {{data: data/scifact, revision: {COMMIT}}}",
        "mteb.SciFact.revision: the data lie in a folder, and have no revisions",
        "remove this key",
    ),
    (ENTRY, "SciFact: {columns: {text: body}}", "mteb.SciFact.columns: the data of the hub have their columns", ""),
    (ENTRY, "SciFact: {dta: data/scifact}", "mteb.SciFact.dta: unknown key", "did you mean 'data'?"),
    (
        ENTRY,
        "SciFact: {type: retrieval, data: data/scifact}",
        "mteb.SciFact: 'SciFact' is a task that MTEB has",
        "give yours a name of its own",
    ),
    (
        ENTRY,
        "SciFact: {use: 'team.tasks:SciFact'}",
        "mteb.SciFact: 'SciFact' is a task that MTEB has",
        "give yours a name of its own",
    ),
    (
        "SciFact: {data: data/scifact}\ngates:\n  mteb.SciFact",
        "Tickets: {type: retrieval}\ngates:\n  mteb.Tickets",
        "mteb.Tickets: a task that is declared from files needs the key 'data'",
        "write {type: retrieval, data: FOLDER}",
    ),
    (
        "SciFact: {data: data/scifact}\ngates:\n  mteb.SciFact",
        "Tickets: {type: sts, use: 'team.tasks:Tickets', data: data/scifact}\ngates:\n  mteb.Tickets",
        "mteb.Tickets.type: `use` names the task already",
        "keep one of them",
    ),
    (
        "SciFact: {data: data/scifact}\ngates:\n  mteb.SciFact",
        "Tickets: {type: sts, data: data/scifact, columns: {label: score}}\ngates:\n  mteb.Tickets",
        "mteb.Tickets.columns.label: a sts reads no column 'label'",
        "known: score, sentence1, sentence2",
    ),
    (
        "SciFact: {data: data/scifact}\ngates:\n  mteb.SciFact",
        "Tickets: {type: sts, data: data/scifact, subsets: [en]}\ngates:\n  mteb.Tickets",
        "mteb.Tickets.subsets: a task that is declared from files has no subsets",
        "remove this key",
    ),
    (GATE, "mteb.SciFact: {at_least: 78}", "no training can reach this: mteb.SciFact lies between -1 and 1", "0.78"),
    (GATE, "'mteb.SciFact[of=dummy]': {at_least: 0.6}", "mteb.{task}[of=dummy]: Input should be 'model' or 'base'", ""),
    (GATE, "'mteb.SciFact[slpit=test]': {at_least: 0.6}", "mteb.{task} has no selector 'slpit'", "mean 'split'?"),
    (GATE, "'mteb.SciFact[of=base]': {no_worse_than: base}", "this cannot fail", "remove [of=base]"),
    (GATE, "mteb.SciFact: {no_worse_than: publishd}", "unknown reference 'publishd'", "did you mean 'published'?"),
    (GATE, "mteb.SciFact: {no_worse_than: published}", "published needs the key 'file'", "{use: published, file: …}"),
    (
        GATE,
        "mteb.SciFact: {no_worse_than: {use: published, file: data/none.json}}",
        "mteb.SciFact.no_worse_than.file: there is no file 'data/none.json'",
        "",
    ),
    (
        "SciFact: {data: data/scifact}\ngates:\n  mteb.SciFact: {at_least: 0.6}",
        "SciFact: {splits: [test]}\ngates:\n  'mteb.SciFact[split=train]': {at_least: 0.6}",
        "the split 'train' is left out",
        "add it to mteb.SciFact.splits",
    ),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with a table of pairs and a folder for the data of a task."""
    (tmp_path / "data" / "scifact").mkdir(parents=True)
    (tmp_path / "data" / "pairs.csv").write_text("question,answer\na,b\n", "utf-8")
    return tmp_path


@pytest.mark.parametrize(("old", "new"), ALLOWED)
def test_what_can_be_said_of_a_task_and_its_gate(root: Path, old: str, new: str) -> None:
    """Each is read without a mistake."""
    assert spec(root, (old, new), text=PAIRS).spec.mteb


@pytest.mark.parametrize(("old", "new", "found", "advice"), MISTAKES)
def test_a_mistake_is_told_with_its_place_and_remedy(root: Path, old: str, new: str, found: str, advice: str) -> None:
    """Before anything is trained."""
    text = told(root, (old, new), text=PAIRS)

    assert found in text
    assert advice in text


def test_an_engine_that_embeds_no_texts_cannot_be_evaluated(root: Path) -> None:
    """Unless a recipe says how its model embeds them."""
    text = told(root, ("gates:\n", "gates:\n  mteb.SciFact: {at_least: 0.6}\n"))

    assert "gates.mteb.SciFact: the model of the engine torch embeds no texts" in text
    assert "train: {engine: sentence_transformers}" in text
    assert "a recipe with encode(model, texts)" in text


def test_a_recipe_may_embed_texts_with_any_engine(root: Path) -> None:
    """Whether it does is known when it is read."""
    changes = (
        ("gates:\n", "gates:\n  mteb.SciFact: {at_least: 0.6}\n"),
        ("model: {use: mlp, hidden: [8]}", "recipe: team"),
    )

    assert spec(root, *changes).spec.recipe


def test_a_task_that_is_newer_than_the_list_has_the_revision_of_its_data(root: Path) -> None:
    """Then its name is taken as it is, and the worker asks mteb."""
    old = "SciFact: {data: data/scifact}\ngates:\n  mteb.SciFact"
    new = f"NewTask.v2: {{revision: {COMMIT}}}\ngates:\n  mteb.NewTask.v2"

    assert "NewTask.v2" in spec(root, (old, new), text=PAIRS).spec.mteb


def test_the_list_is_small_and_holds_what_people_ask_for() -> None:
    """It is read where a gate names a task, and nowhere else."""
    names = task_names()

    assert {"Banking77Classification", "SciFact", "STS16", "STSBenchmark", "CQADupstackRetrieval"} <= names
    assert sum(len(name) + 1 for name in names) < 40_000


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mteb") is None, reason="the package mteb is not installed")
def test_the_list_is_that_of_the_registry() -> None:
    """Every task of texts of the release that the list names, and no other."""
    from mteb.get_tasks import _TASKS_REGISTRY

    known = {name for name, task in _TASKS_REGISTRY.items() if list(task.metadata.modalities) == ["text"]}

    assert version("mteb") == VERSION
    assert task_names() == known
