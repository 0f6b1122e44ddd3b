"""Tasks of MTEB on files of every layout, with an encoder that knows the world and with planted faults."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from projects import Project

from pytest_mlspec.errors import DataError, MeasurementError, MissingExtraError, MlspecError, RecipeError
from pytest_mlspec.evidence import TaskScore
from pytest_mlspec.jobs import EvaluateTask, ReadPublished, Train
from pytest_mlspec.store.reads import Recorder

from . import mteb_world as world

pytest.importorskip("mteb", reason="the package mteb is not installed")
pytestmark = pytest.mark.slow  # its import alone takes seconds

EMBEDDING = {
    "task": "embedding",
    "data": {"source": "pairs.csv", "columns": {"anchor": "q", "positive": "a"}},
    "model": "team:knowing",
    "train": {"engine": {"use": "sentence_transformers"}},
}


@pytest.fixture
def team(project: Project) -> Project:
    """A project with the encoders of the world."""
    project.write("team", world.ENCODER)
    return project


def scored(project: Project, task: str, entry: Mapping[str, Any], *, model: str = "team:knowing") -> TaskScore:
    """What the encoder of the team scores."""
    spec = {**EMBEDDING, "model": {"use": model}, "train": {"engine": {"use": "sentence_transformers"}}}
    evidence = project.run(EvaluateTask(task, of=None), {**spec, "mteb": {task: dict(entry)}}).evidence
    assert isinstance(evidence, TaskScore)
    return evidence


def main(found: TaskScore) -> float:
    (part,) = found.parts
    return part.scores["main_score"]


TYPES: Mapping[str, Callable[[Path], None]] = {
    "classification": lambda folder: world.write_splits(folder, world.classification()),
    "clustering": lambda folder: world.write_splits(folder, world.clustering()),
    "pair_classification": lambda folder: world.write_splits(folder, world.pairs("labels", yes=1, no=0)),
    "sts": lambda folder: world.write_splits(folder, world.pairs("score", yes=5, no=0)),
    "retrieval": world.retrieval,
}


@pytest.mark.parametrize("kind", TYPES)
def test_a_task_declared_from_files_tells_a_model_that_knows_from_one_that_does_not(team: Project, kind: str) -> None:
    """Of every type; the random one is the planted fault."""
    TYPES[kind](team.root / "tickets")
    entry = {"type": kind, "data": "tickets"}

    knowing, random = (scored(team, "Tickets", entry, model=f"team:{name}") for name in ("knowing", "random"))

    assert main(knowing) > 0.75
    assert main(random) < main(knowing) - 0.1
    assert knowing.model_revision != random.model_revision
    assert knowing.parts[0].rows


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".tsv", ".jsonl", ".jsonl.gz", ".parquet"])
def test_a_task_of_mteb_reads_a_local_copy_in_any_format(team: Project, ending: str) -> None:
    """The same score from each; labels may be texts, and the only column left is the label."""
    rows = {
        split: [{"text": row["text"], "topic": row["label"]} for row in each]
        for split, each in world.classification().items()
    }
    world.write_splits(team.root / "banking", rows, ending)

    found = scored(team, "Banking77Classification", {"data": "banking"})

    assert main(found) == 1.0
    assert (found.main, found.parts[0].split, found.parts[0].rows) == ("accuracy", "test", 27)
    assert any("superseded by 'Banking77Classification.v2'" in note for note in found.notes)


def test_a_copy_of_the_data_set_on_the_hub_is_read_as_it_is(team: Project) -> None:
    """With the card that names its files; the score is that of the files by split."""
    folder = team.root / "copy"
    world.write_splits(folder / "data", world.classification(), ".parquet")
    card = "---\nconfigs:\n- config_name: default\n  data_files:\n  - {split: train, path: data/train.parquet}\n"
    (folder / "README.md").write_text(f"{card}  - {{split: test, path: data/test.parquet}}\n---\n", "utf-8")

    assert main(scored(team, "Banking77Classification", {"data": "copy"})) == 1.0


def test_columns_are_named_where_files_call_them_otherwise(team: Project) -> None:
    """By what the task calls them."""
    rows = [
        {"first": row["sentence1"], "second": row["sentence2"], "gold": row["score"], "id": 1}
        for row in world.pairs("score", yes=5, no=0)["test"]
    ]
    world.write(team.root / "sts" / "test.csv", rows)
    columns = {"sentence1": "first", "sentence2": "second", "score": "gold"}

    assert main(scored(team, "STS16", {"data": "sts", "columns": columns})) > 0.75


@pytest.mark.parametrize("ending", [".jsonl", ".csv.gz", ".parquet"])
def test_a_retrieval_reads_the_files_of_beir(team: Project, ending: str) -> None:
    """In any format; wrong judgements are the planted fault."""
    world.retrieval(team.root / "right", ending=ending)
    world.retrieval(team.root / "wrong", ending=ending, swapped=True)

    right, wrong = (scored(team, "SciFact", {"data": folder}) for folder in ("right", "wrong"))

    assert main(right) > 0.9
    assert main(wrong) < 0.3
    assert right.data_revision != wrong.data_revision
    assert right.parts[0].rows == 3


def test_a_task_of_several_subsets_has_a_folder_for_each(team: Project) -> None:
    """And is evaluated on those that the spec names."""
    for subset in ("en", "fr"):
        world.write_splits(team.root / "sts" / subset, world.pairs("similarity_score", yes=5, no=0))
    entry = {"data": "sts", "subsets": ["en", "fr"], "splits": ["test"]}

    found = scored(team, "STSBenchmarkMultilingualSTS", entry)

    assert [(part.split, part.subset) for part in found.parts] == [("test", "en"), ("test", "fr")]
    assert [part.languages for part in found.parts] == [("eng-Latn",), ("fra-Latn",)]


def test_the_transformation_of_a_task_is_applied_to_the_columns_of_the_hub(team: Project) -> None:
    """This one takes `user_input` for the text and `toxicity` for the label."""
    rows = [
        {"user_input": row["text"], "toxicity": int(row["label"] == "metal"), "human_annotation": True}
        for row in world.classification()["test"]
    ]
    world.write_splits(team.root / "chat", {"train": rows * 2, "test": rows})

    assert main(scored(team, "ToxicChatClassification", {"data": "chat"})) == 1.0


def test_a_transformation_that_finds_other_columns_is_told(team: Project) -> None:
    """The files have those of the hub, or `columns` names them."""
    world.write_splits(team.root / "chat", world.classification())

    with pytest.raises(DataError, match=r"ToxicChatClassification\.dataset_transform raised") as caught:
        scored(team, "ToxicChatClassification", {"data": "chat"})

    assert caught.value.advice.startswith("give the files the columns that the data set has on the hub")


def test_a_reranking_reads_which_documents_are_ranked(team: Project) -> None:
    """Among the two of a query, the one that is relevant comes first."""
    world.retrieval(team.root / "ask")
    ranked = [{"query-id": "qfruit", "corpus-ids": ["d1", "d0"]}]
    world.write(team.root / "ask" / "qrels" / "test.jsonl", [{"query-id": "qfruit", "corpus-id": "d0", "score": 1}])
    world.write(team.root / "ask" / "top_ranked" / "test.jsonl", ranked)

    found = scored(team, "AskUbuntuDupQuestions", {"data": "ask"})

    assert (found.main, found.parts[0].rows) == ("map_at_1000", 1)
    assert 0.5 <= main(found) <= 1


def test_two_evaluations_are_equal(team: Project) -> None:
    """Classifiers are fitted on samples of the rows, and drawn the same."""
    world.write_splits(team.root / "banking", world.classification())
    entry = {"data": "banking"}

    first, second = (scored(team, "Banking77Classification", entry, model="team:random") for _ in range(2))

    assert first.parts == second.parts


def test_the_score_of_another_model_in_a_cache_is_not_taken(team: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default results are kept by the name of a model, and those without one share a place: it is not touched."""
    from mteb.cache import ResultCache

    touched: list[str] = []
    monkeypatch.setattr(ResultCache, "load_task_result", lambda *_, **__: touched.append("read"))
    monkeypatch.setattr(ResultCache, "save_to_cache", lambda *_, **__: touched.append("written"))
    world.retrieval(team.root / "scifact")

    known, other = (
        scored(team, "SciFact", {"data": "scifact"}, model=f"team:{name}") for name in ("knowing", "random")
    )

    assert main(other) < main(known)
    assert touched == []


def test_embeddings_that_are_no_numbers_are_an_error(team: Project) -> None:
    """A retrieval over them would have a score."""
    world.retrieval(team.root / "scifact")

    with pytest.raises(MeasurementError, match=r"embeddings are no finite numbers, first that of text 1"):
        scored(team, "SciFact", {"data": "scifact"}, model="team:diverged")


def test_changed_data_are_seen_whoever_reads_them(team: Project) -> None:
    """Every file is noted as read, those of compiled readers too."""
    world.retrieval(team.root / "scifact", ending=".parquet")
    spec = {**EMBEDDING, "mteb": {"SciFact": {"data": "scifact"}}}
    work = team.work(spec)
    recorder = Recorder(team.root)
    recorder.start()
    team.run(EvaluateTask("SciFact", of=None), spec, work=work)
    inputs = recorder.inputs()
    before = inputs.difference(team.root)
    world.retrieval(team.root / "scifact", ending=".parquet", swapped=True)

    assert {"scifact/corpus.parquet", "scifact/queries.parquet", "scifact/qrels/test.parquet"} <= inputs.files.keys()
    assert not inputs.unobserved
    assert before is None
    assert inputs.difference(team.root) == "scifact/qrels/test.parquet changed"


BROKEN: Mapping[str, tuple[Callable[[Path], object], str, str]] = {
    "nothing": (
        lambda folder: None,
        "holds none of the files of SciFact",
        "it reads corpus.jsonl, queries.jsonl, qrels/SPLIT",
    ),
    "no queries": (
        lambda folder: (folder / "queries.jsonl").unlink(),
        "scifact holds no queries",
        "write queries.jsonl",
    ),
    "no judgements": (
        lambda folder: (folder / "qrels/test.jsonl").unlink(),
        "holds no qrels of the split test",
        "qrels/test.tsv",
    ),
    "of others": (
        lambda folder: world.write(folder / "qrels/test.jsonl", [{"query-id": "x", "corpus-id": "d1", "score": 1}]),
        "test.jsonl names 1 ids that queries has not, such as 'x'",
        "do these files belong together?",
    ),
    "twice": (
        lambda folder: world.write(folder / "corpus.csv", [{"_id": "d1", "text": "a"}]),
        "which name the same rows",
        "keep one",
    ),
    "same id": (
        lambda folder: world.write(folder / "queries.jsonl", [{"_id": "q", "text": "a"}] * 2),
        "holds the id 'q' twice",
        "",
    ),
    "no text": (
        lambda folder: world.write(folder / "queries.jsonl", [{"_id": "q", "txt": "a"}]),
        "has no column 'text'",
        "did you mean 'txt'?",
    ),
    "empty": (lambda folder: world.write(folder / "queries.jsonl", []), "queries.jsonl holds no row", ""),
    "not json": (lambda folder: (folder / "queries.jsonl").write_text("{"), "queries.jsonl cannot be read: line 1", ""),
    "a value less": (
        lambda folder: world.write(folder / "queries.jsonl", [{"_id": "q", "text": None}]),
        "row 1 has no text",
        "",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_folder_that_has_not_what_the_task_reads_is_an_error(team: Project, case: str) -> None:
    """With what it lacks."""
    spoil, found, advice = BROKEN[case]
    folder = team.root / "scifact"
    folder.mkdir()
    if case != "nothing":
        world.retrieval(folder)
    spoil(folder)

    with pytest.raises(DataError) as caught:
        scored(team, "SciFact", {"data": "scifact"})

    assert found in caught.value.message
    assert advice in caught.value.advice
    assert caught.value.key == "mteb.SciFact.data"


def test_a_task_that_puts_others_together_has_no_folder(team: Project) -> None:
    """Each of them has."""
    world.retrieval(team.root / "duplicates")

    with pytest.raises(DataError, match="CQADupstackRetrieval puts other tasks together"):
        scored(team, "CQADupstackRetrieval", {"data": "duplicates"})


def test_the_folder_may_come_from_a_function_of_the_team(team: Project) -> None:
    """As the place of a data set that many projects share."""
    world.retrieval(team.root / "shared" / "scifact")
    team.write(
        "places", "from pathlib import Path\ndef scifact():\n    return Path(__file__).parent / 'shared' / 'scifact'\n"
    )

    assert main(scored(team, "SciFact", {"data": "places:scifact"})) > 0.9


TASKS = """
import mteb
from mteb.abstasks.task_metadata import TaskMetadata

class Tickets(mteb.abstasks.AbsTaskClassification):
    metadata = TaskMetadata(name="Tickets", description="x", dataset={"path": "x", "revision": "x"}, type="Classification",
                            category="t2c", eval_splits=["test"], eval_langs=["eng-Latn"], main_score="accuracy")
    n_experiments = 2

class NoTask:
    pass
"""


def test_a_task_of_the_team_is_evaluated(team: Project) -> None:
    """A subclass of mteb's, with the data that the spec names."""
    team.write("tasks", TASKS)
    world.write_splits(team.root / "tickets", world.classification())

    assert main(scored(team, "Tickets", {"use": "tasks:Tickets", "data": "tickets"})) == 1.0


@pytest.mark.parametrize(
    ("name", "entry", "found", "advice"),
    [
        ("Other", {"use": "tasks:Tickets"}, "tasks:Tickets calls itself 'Tickets'", "change metadata.name to 'Other'"),
        ("Tickets", {"use": "tasks:NoTask"}, "tasks:NoTask is no task of mteb", "name a subclass of mteb.AbsTask"),
        ("SciFacts", {}, "has no task 'SciFacts'", "did you mean 'SciFact'?"),
        ("SciFact", {"splits": ["dev"]}, "SciFact has no split 'dev'", "known: test"),
        ("SciFact", {"subsets": ["en"]}, "SciFact has no subset 'en'", "known: default"),
    ],
)
def test_a_task_that_cannot_be_found_is_an_error(
    team: Project, name: str, entry: Mapping[str, Any], found: str, advice: str
) -> None:
    """With the near miss."""
    team.write("tasks", TASKS)

    with pytest.raises(MlspecError) as caught:
        scored(team, name, entry)

    assert found in caught.value.message
    assert advice in caught.value.advice


OWN_ENCODE = """
import numpy as np
import torch
from torch import nn
import team

class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(9, 3)
    def forward(self, counts):
        return self.layer(counts)

def counts(texts):
    return np.array([[text.split().count(word) for word in team.WORDS] for text in texts], dtype=np.float32)

def load():
    import pandas as pd
    rows = [(f"{one} {other}", topic) for topic, words in team.TOPICS.items() for one in words.split() for other in words.split()]
    return pd.DataFrame(rows * 4, columns=["text", "target"])

def prepare(rows, fitted):
    return counts(rows.features["text"]), rows.targets

def build_model():
    return Bag()

def encode(model, texts):
    with torch.no_grad():
        return model(torch.from_numpy(counts(texts)))
"""

OWN = {
    "task": "multiclass",
    "data": {"target": "target"},
    "recipe": "ranker",
    "train": {"epochs": 30, "optimizer": {"use": "adam", "lr": 0.1}},
}


def test_a_recipe_embeds_texts_with_its_own_function(team: Project) -> None:
    """With any engine, before the training and after it."""
    team.write("ranker", OWN_ENCODE)
    world.retrieval(team.root / "scifact")
    spec = {**OWN, "mteb": {"SciFact": {"data": "scifact"}}}
    trained = team.trained(spec)
    (job,) = trained
    assert isinstance(job, Train)

    before = team.run(EvaluateTask("SciFact", of=None), spec).evidence
    after = team.run(EvaluateTask("SciFact", of=job), spec, trained).evidence

    assert isinstance(before, TaskScore)
    assert isinstance(after, TaskScore)
    assert (before.of, after.of) == ("base", "model")
    assert main(after) > 0.9
    assert before.model_revision != after.model_revision


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ("return model(torch.from_numpy(counts(texts)))[:1]", r"encode gives an array \[1, 3\] of float32 for"),
        ("return texts", "encode gives an array"),
        ("raise KeyError(texts[0])", "encode raised KeyError"),
    ],
)
def test_a_function_that_embeds_otherwise_is_an_error(team: Project, changed: str, found: str) -> None:
    """Its shape is checked, and what it raises is the team's."""
    team.write("ranker", OWN_ENCODE.replace("return model(torch.from_numpy(counts(texts)))", changed))
    world.retrieval(team.root / "scifact")

    with pytest.raises(RecipeError, match=found):
        team.run(EvaluateTask("SciFact", of=None), {**OWN, "mteb": {"SciFact": {"data": "scifact"}}})


def test_a_recipe_without_encode_is_told_of_it(team: Project) -> None:
    """The gate is red: nothing was measured."""
    team.write("ranker", OWN_ENCODE.replace("def encode(", "def _encode("))
    world.retrieval(team.root / "scifact")

    with pytest.raises(RecipeError, match="the recipe gives no encode") as caught:
        team.run(EvaluateTask("SciFact", of=None), {**OWN, "mteb": {"SciFact": {"data": "scifact"}}})

    assert caught.value.advice == "define encode(model, texts): an array [N, D]"


PUBLISHED = {
    "task_name": "SciFact",
    "dataset_revision": "abc",
    "mteb_version": "1.12.75",
    "scores": {
        "test": [
            {"hf_subset": "default", "languages": ["eng-Latn"], "main_score": 0.645, "ndcg_at_10": 0.645, "nauc": None}
        ],
        "train": [{"hf_subset": "default", "languages": ["eng-Latn"], "main_score": 0.66}],
    },
}


def published(project: Project, text: str, task: str = "SciFact") -> TaskScore:
    (project.root / "result.json").write_text(text, "utf-8")
    evidence = project.run(ReadPublished(task, "result.json"), EMBEDDING).evidence
    assert isinstance(evidence, TaskScore)
    return evidence


def test_a_published_result_is_read_on_the_splits_of_the_task(team: Project) -> None:
    """Not on others that the file holds too."""
    found = published(team, json.dumps(PUBLISHED))

    assert [part.split for part in found.parts] == ["test"]
    assert found.parts[0].scores == {"main_score": 0.645, "ndcg_at_10": 0.645}
    assert (found.of, found.data_revision, found.mteb_version) == ("result.json", "abc", "1.12.75")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{", "result.json is no result of MTEB"),
        ("[]", "result.json is no result of MTEB"),
        ('{"task_name": "SciFact"}', "result.json is no result of MTEB"),
        (json.dumps({**PUBLISHED, "task_name": "ArguAna"}), "holds the result of ArguAna, not of SciFact"),
        (json.dumps({**PUBLISHED, "scores": {}}), "there is no score of SciFact on test/default"),
        (json.dumps(PUBLISHED).replace("0.645", "NaN"), "the score of SciFact on test/default is nan, no number"),
        (json.dumps(PUBLISHED).replace("0.645", '"high"'), "the score of SciFact on test/default is 'high', no number"),
    ],
)
def test_a_file_that_is_no_result_of_the_task_is_an_error(team: Project, text: str, found: str) -> None:
    """Nothing is compared with it."""
    with pytest.raises(MlspecError) as caught:
        published(team, text)

    assert found in caught.value.message


def _unreachable(*_: object, **__: object) -> None:
    raise OSError("Name or service not known")


def test_a_task_without_data_and_without_the_hub_is_an_error_that_names_the_remedy(
    team: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked once."""
    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", _unreachable)

    with pytest.raises(DataError) as caught:
        scored(team, "SciFact", {})

    assert caught.value.message.startswith("the hub cannot be reached, and the data 'mteb/scifact', revision")
    assert caught.value.advice == "connect, or name a copy of them: mteb: {SciFact: {data: FOLDER}}"


def test_a_hub_that_does_not_answer_is_not_waited_for(team: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is the look-up of its address, which has no limit of its own."""
    import threading

    released = threading.Event()
    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *_, **__: released.wait(60))
    monkeypatch.setattr("pytest_mlspec.probes.mteb.hub._TIMEOUT_S", 0.05)

    with pytest.raises(DataError, match="the hub cannot be reached"):
        scored(team, "SciFact", {})

    released.set()


def test_what_was_fetched_before_is_read_without_a_connection(team: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the commit that mteb pins, and no other."""
    folder = team.root / "fetched"
    world.write_splits(folder, world.classification(), ".parquet")
    asked: dict[str, Any] = {}

    def snapshot(path: str, **named: Any) -> str:
        asked.update(named, path=path)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *_, **__: pytest.fail("asked"))
    revision = "0fd18e25b25c072e09e0d92ab615fda904d66300"

    found = scored(team, "Banking77Classification", {})

    assert main(found) == 1.0
    assert found.data_revision == revision
    assert asked == {"path": "mteb/banking77", "repo_type": "dataset", "revision": revision, "local_files_only": True}


def test_mteb_that_is_not_installed_is_told_with_the_command(team: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is imported."""
    from importlib.metadata import PackageNotFoundError

    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("pytest_mlspec.probes.mteb.version", absent)

    with pytest.raises(MissingExtraError) as caught:
        scored(team, "SciFact", {})

    assert caught.value.advice == "python -m pip install 'pytest-mlspec[mteb]'"


@pytest.mark.parametrize("release", ["1.38.9", "2.3.0", "3.0.0"])
def test_another_release_of_mteb_is_told(team: Project, monkeypatch: pytest.MonkeyPatch, release: str) -> None:
    """Its functions are other ones."""
    monkeypatch.setattr("pytest_mlspec.probes.mteb.version", lambda name: release)

    with pytest.raises(MeasurementError, match=f"mteb {release} is installed, and 2.20 or later, below 3, is needed"):
        scored(team, "SciFact", {})
