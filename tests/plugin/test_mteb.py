"""A spec whose gate asks for a task of MTEB, from its files to the verdict: what is evaluated again, and what is not."""

from __future__ import annotations

import json

import pytest

from .project import Project

pytest.importorskip("mteb", reason="the package mteb is not installed")
pytest.importorskip("sentence_transformers", reason="the package sentence-transformers is not installed")
pytestmark = pytest.mark.slow  # a worker imports mteb

ENCODER = """
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

def encoder():
    words = {word: number for number, word in enumerate(["?", "dog", "cat", "iron", "gold"])}
    tokenizer = Tokenizer(WordLevel(words, unk_token="?"))
    tokenizer.pre_tokenizer = Whitespace()
    weights = torch.tensor([[0, 0], [1, 0.1], [1, 0], [0.1, 1], [0, 1]])
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights.numpy())], device="cpu")
"""

SPEC = """
mlspec: 1
name: search
task: embedding
data: {source: pairs.csv, columns: {anchor: question, positive: answer}}
model: "team.encoder:encoder"
train: {engine: sentence_transformers, epochs: 1}
mteb:
  Animals: {type: retrieval, data: animals}
gates:
  "mteb.Animals[of=base]": {at_least: 0.99}
"""


def _lines(*rows: dict[str, object]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


CORPUS = _lines({"_id": "1", "text": "dog"}, {"_id": "2", "text": "iron"})
QUERIES = _lines({"_id": "a", "text": "cat"}, {"_id": "b", "text": "gold"})
RIGHT = "query-id\tcorpus-id\tscore\na\t1\t1\nb\t2\t1\n"
WRONG = "query-id\tcorpus-id\tscore\na\t2\t1\nb\t1\t1\n"


@pytest.fixture
def search(project: Project) -> Project:
    """A project whose gate has passed once; nothing was trained for it."""
    project.write("team/encoder.py", ENCODER)
    project.write("pairs.csv", "question,answer\ndog,cat\niron,gold\n")
    for name, text in {"corpus.jsonl": CORPUS, "queries.jsonl": QUERIES, "qrels/test.tsv": RIGHT}.items():
        project.write(f"animals/{name}", text)
    project.write("search.mlspec.yaml", SPEC)
    project.run().assert_outcomes(passed=1)
    return project


def test_an_evaluation_is_used_again_until_its_data_change(search: Project) -> None:
    """How the model would be trained does not change what it is before; judgements of others are the planted fault."""
    search.write("search.mlspec.yaml", SPEC.replace("epochs: 1", "epochs: 2"))
    retrained = search.run("--mlspec-plan")
    search.write("animals/qrels/test.tsv", WRONG)
    changed = search.run("--mlspec-plan")
    failed = search.run()

    retrained.stdout.fnmatch_lines(["  evaluate Animals before the training *reused (*)*"])
    changed.stdout.fnmatch_lines(["  evaluate Animals before the training *runs: animals/qrels/test.tsv changed*"])
    failed.assert_outcomes(failed=1)
    failed.stdout.fnmatch_lines(["*mteb.Animals*of=base* FAILED: 0.6309, at least 0.99 (n=2, cpu)*"])


def test_what_the_spec_says_of_the_task_is_part_of_the_evaluation(search: Project) -> None:
    """And of no other job."""
    search.write("search.mlspec.yaml", SPEC.replace("data: animals}", "data: animals, splits: [test]}"))

    plan = search.run("--mlspec-plan")

    plan.stdout.fnmatch_lines(["  evaluate Animals before the training *runs: *mteb.splits*"])


def test_a_mistake_in_the_data_is_told_at_its_key(search: Project) -> None:
    """In the spec, with what the folder lacks."""
    (search.pytester.path / "animals" / "queries.jsonl").unlink()

    run = search.run()

    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(
        ["search.mlspec.yaml:9:30 *animals holds no queries", "*write queries.jsonl with _id and text"]
    )
