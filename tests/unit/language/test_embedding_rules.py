"""The task embedding: roles of columns, losses that learn from them, a pretrained model that is pinned, keys without meaning."""

from __future__ import annotations

from pathlib import Path

import pytest
from churn_spec import Change, spec, told

from pytest_mlspec.language.embedding import DEFAULT_LOSS, FORMS, LOSSES, TEXTS, loss_name

SPEC = """\
mlspec: 1
name: search
task: embedding
data:
  source: data/churn.csv
  columns: {anchor: age, positive: churned}
model: {use: pretrained, path: minilm}
train:
  engine: {use: sentence_transformers, warmup_ratio: 0.1}
  loss: multiple_negatives_ranking
  optimizer: {use: adamw, lr: 2e-5}
checks: [data, embeddings]
"""
COLUMNS = "{anchor: age, positive: churned}"
MODEL = "{use: pretrained, path: minilm}"
LOSS = "loss: multiple_negatives_ranking"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root directory with a folder of a model in it."""
    (tmp_path / "minilm").mkdir()
    return tmp_path


ACCEPTED: list[tuple[Change, ...]] = [
    (),
    ((f"  {LOSS}\n", ""),),
    ((COLUMNS, "{first: age, second: churned, score: s}"), (LOSS, "loss: cosine_similarity")),
    ((COLUMNS, "{text: age, label: churned}"), (LOSS, "loss: {use: batch_all_triplet, margin: 2}")),
    ((COLUMNS, "{first: age, second: churned, label: s}"), (LOSS, "loss: softmax")),
    ((LOSS, "loss: team.losses:Ranking"),),
    ((MODEL, f"{{use: pretrained, name: org/model, revision: {COMMIT}, max_length: 64}}"),),
    ((MODEL, "{use: pretrained, path: 'team.models:folder'}"),),
    ((MODEL, "{use: 'team.models:build', layers: 2}"),),
    (("warmup_ratio: 0.1", "batch_sampler: no_duplicates, prompts: {anchor: 'query: '}"),),
]


@pytest.mark.parametrize("changes", ACCEPTED)
def test_what_can_be_trained_is_accepted(root: Path, changes: tuple[Change, ...]) -> None:
    """Pairs, scored pairs, labels, folders, the hub, the team's own functions."""
    assert spec(root, *changes, text=SPEC).spec.train.engine.use == "sentence_transformers"


MISTAKES: list[tuple[Change, str, str]] = [
    ((LOSS, "loss: cross_entropy"), "unknown loss of embeddings 'cross_entropy'", "did you mean 'cosent'?"),
    ((COLUMNS, "{anchor: age}"), "anchor are no form of data", "anchor, positive; anchor, positive, negative; first"),
    ((f"  columns: {COLUMNS}\n", ""), "the key 'columns' is required", "first, second, score"),
    ((COLUMNS, "{anchor: age, positive: age}"), "anchor and positive are the same column 'age'", "a column of its own"),
    ((COLUMNS, "{text: age, label: churned}"), "learns from columns anchor, positive or", "batch_all_triplet"),
    ((LOSS, "loss: cosine_similarity"), "cosine_similarity learns from columns first, second, score", "ranking"),
    (
        (LOSS, "loss: multiple_negative_ranking"),
        "unknown loss of embeddings",
        "did you mean 'multiple_negatives_ranking'",
    ),
    ((LOSS, "loss: {use: multiple_negatives_ranking, scal: 3}"), "has no argument 'scal'", "did you mean 'scale'?"),
    ((LOSS, "loss: {use: multiple_negatives_ranking, scale: high}"), "a number is needed, not 'high'", ""),
    (
        (LOSS, "loss: {use: multiple_negatives_ranking, directions: [up]}"),
        "a list of directions is needed",
        "query_to_doc",
    ),
    ((LOSS, "loss: {use: multiple_negatives_ranking, hardness_mode: x}"), "'x' is not known here", "hard_negatives"),
    (("task: embedding", "task: multiclass"), "the task multiclass has no columns with roles", "task: embedding"),
    (
        ("{use: sentence_transformers, warmup_ratio: 0.1}", "torch"),
        "torch cannot train the task embedding",
        "sentence_",
    ),
    (("checks:", "  shuffle: false\nchecks:"), "sentence_transformers has no use for this key", "remove it"),
    (("checks:", "  ema: 0.9\nchecks:"), "sentence_transformers has no use for this key", "remove it"),
    (("model:", "  prepare: none\nmodel:"), "the model tokenizes its texts itself", "remove this key"),
    (("model:", "  drop: [id]\nmodel:"), "columns without a role are left out already", "remove this key"),
    (("model:", "  target: age\nmodel:"), "the task embedding has no target", "remove this key"),
    (("adamw, lr: 2e-5", "rprop"), "the Trainer makes no rprop", "write one of: adamw, sgd, adafactor"),
    (("warmup_ratio: 0.1", "learning_rate: 1"), "stands for a key of the spec, train.optimizer.lr", ""),
    (("warmup_ratio: 0.1", "warmup_ration: 1"), "takes no 'warmup_ration'", "did you mean 'warmup_ratio'?"),
    (("warmup_ratio: 0.1", "output_dir: x"), "output_dir of sentence_transformers.", "remove it"),
    (("warmup_ratio: 0.1", "batch_sampler: unique"), "'unique' is not known here", "no_duplicates"),
    (("warmup_ratio: 0.1", "prompts: {anchr: x}"), "'anchr' is no role of a column", "did you mean 'anchor'?"),
    (("warmup_ratio: 0.1", "prompts: {text: x}"), "data.columns has no text", "roles that it has: anchor, positive"),
    (("warmup_ratio: 0.1", "neftune_noise_alpha: 5"), "takes no 'neftune_noise_alpha'", "known: "),
    ((MODEL, "{use: pretrained}"), "neither path nor name says where the model lies", "write path: FOLDER"),
    ((MODEL, "{use: pretrained, path: minilm, name: a}"), "both path and name say where", "write path: FOLDER"),
    ((MODEL, "{use: pretrained, path: minilmm}"), "there is no folder 'minilmm' below", ""),
    ((MODEL, "{use: pretrained, path: ../minilm}"), "lies outside the root directory", "name a folder below it"),
    ((MODEL, f"{{use: pretrained, path: minilm, revision: {COMMIT}}}"), "a folder has no revisions", "remove this key"),
    ((MODEL, "{use: pretrained, name: org/model}"), "may be another model tomorrow", "pin it: revision: SHA"),
    ((MODEL, "{use: pretrained, name: org/model, revision: main}"), "'main' is no commit", "the 40 digits"),
    ((MODEL, "{use: pretrained, path: minilm, trust_remote_code: true}"), "cannot allow code from elsewhere", "remove"),
    ((MODEL, "{use: pretrained, path: minilm, max_length: 0}"), "a number of tokens is needed, not 0", ""),
    ((MODEL, "{use: pretrained, pth: minilm}"), "pretrained has no argument 'pth'", "did you mean 'path'?"),
    ((MODEL, "pretained"), "unknown model 'pretained'", "did you mean 'pretrained'?"),
]


@pytest.mark.parametrize(("change", "message", "advice"), MISTAKES)
def test_a_mistake_is_told_with_its_remedy(root: Path, change: Change, message: str, advice: str) -> None:
    """Before anything is trained, and without running code."""
    found = told(root, change, text=SPEC)

    assert message in found
    assert advice in found


def test_every_form_has_losses_and_one_that_is_taken_by_itself() -> None:
    """A table that names what is not there would be found by its users."""
    assert {form for entry in LOSSES.values() for form in entry.forms} == set(FORMS) == set(DEFAULT_LOSS)
    assert all(form in LOSSES[name].forms for form, name in DEFAULT_LOSS.items())
    assert {role for roles in FORMS.values() for role in roles} - TEXTS == {"score", "label"}
    assert loss_name(None, ["text", "label"]) == "batch_all_triplet"
