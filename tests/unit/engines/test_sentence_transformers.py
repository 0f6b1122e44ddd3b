"""The engine sentence_transformers: what a training gives, that it can be repeated and resumed, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from encoders import PAIRS, write_encoder, write_pairs
from projects import Project

from pytest_mlspec.engines.sentence_transformers import initial, restore
from pytest_mlspec.errors import DataError, MlspecError, RecipeError, TrainingError, UserCodeError
from pytest_mlspec.evidence import ConstantPrediction, Independence
from pytest_mlspec.jobs import ConstantLoss, Resume, RowIndependence, Train
from pytest_mlspec.language.embedding import LOSSES

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "pairs": {"anchor": "question", "positive": "answer"},
    "triplets": {"anchor": "question", "positive": "answer", "negative": "wrong"},
    "scored pairs": {"first": "question", "second": "second", "score": "score"},
    "labelled pairs": {"first": "question", "second": "second", "label": "fits"},
    "labelled texts": {"text": "question", "label": "subject"},
}
"""The columns of `pairs.csv` in each form."""

TEAM = """
import torch
from pathlib import Path
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch import nn


def build():
    return SentenceTransformer(str(Path(__file__).parent / "tiny"), device="cpu")


def broken():
    raise OSError("no disk")


def layer():
    return nn.Linear(2, 2)


def path():
    return "tiny"


class Ranking(nn.Module):
    def __init__(self, model, weight=1.0):
        super().__init__()
        self.inner = MultipleNegativesRankingLoss(model)
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, features, labels):
        return self.weight.abs() * self.inner(features, labels)


def no_loss(model):
    return 3


def slow_sgd(model):
    return torch.optim.SGD(model.parameters(), lr=1e-2)
"""


@pytest.fixture
def texts(project: Project) -> Project:
    """A project with an encoder, pairs, and code of the team."""
    write_encoder(project.root / "tiny")
    write_pairs(project.root)
    project.write("team", TEAM)
    return project


def spec(*, train: Mapping[str, Any] | None = None, form: str = "pairs", **more: Any) -> dict[str, Any]:
    """The spec of the pairs with other keys of `train`, and another form of data."""
    data = {**PAIRS["data"], "columns": COLUMNS[form]}
    return {**PAIRS, "data": data, "train": {**PAIRS["train"], **(train or {})}, **more}


def test_a_training_reports_what_it_did(texts: Project) -> None:
    """The history has a value for each step, and every split has a loss before and after."""
    run = texts.train(spec(data={**PAIRS["data"], "split": {"test": 0.25, "val": 0.125}}))

    assert (run.engine, run.seed, run.device, run.epochs, run.rows) == ("sentence_transformers", 0, "cpu", 2, 40)
    assert run.steps == run.planned_steps == 6
    assert len(run.loss_S) == len(run.gradient_norm_S) == len(run.learning_rate_S) == 6
    assert np.isfinite([*run.loss_S.values, *run.gradient_norm_S.values]).all()
    assert run.learning_rate_S.values.tolist() == [1e-3] * 6
    assert set(run.losses) == set(run.losses_before) == {"train", "val", "test"}
    assert run.losses["train"] < run.losses_before["train"]
    assert [set(epoch) for epoch in run.epochs_log] == [{"train.loss", "val.loss"}] * 2
    assert len(run.weights_digest) == len(run.predictions_digest) == 64
    assert (run.stopped, run.predictions, run.loss_floor) == ("finished 2 epochs", "embeddings", 0.0)
    assert run.parameters is not None
    assert run.cost is not None
    assert run.cost.rows == 80
    assert not [path for path in texts.root.rglob("*") if "checkpoint" in path.name]


def test_the_same_seed_gives_the_same_bits_and_another_one_others(texts: Project) -> None:
    """Weights and embeddings; a fresh training perturbs the global generators before it seeds them."""
    first, again, other = (texts.train(PAIRS, job) for job in (Train(), Train(fresh=True), Train(seed=1)))

    assert (first.weights_digest, first.predictions_digest) == (again.weights_digest, again.predictions_digest)
    assert first.loss_S.values.tolist() == again.loss_S.values.tolist()
    assert other.weights_digest != first.weights_digest
    assert other.losses_before == first.losses_before


RESUMED: list[tuple[dict[str, Any], float]] = [
    (spec(), 0.5),
    (spec(), 0.2),
    (spec(train={"epochs": 3, "clip_norm": 0.5, "schedule": {"use": "linear", "warmup": 2}}), 0.8),
    (spec(train={"accumulate": 2, "engine": {"use": "sentence_transformers", "batch_sampler": "no_duplicates"}}), 0.7),
    (spec(train={"loss": "softmax"}, form="labelled pairs"), 0.6),
    (spec(train={"loss": "team:Ranking", "optimizer": "team:slow_sgd"}, model="team:build"), 0.6),
]


@pytest.mark.parametrize(("declared", "at"), RESUMED)
def test_a_resumed_training_has_the_bits_of_an_uninterrupted_one(
    texts: Project, declared: dict[str, Any], at: float
) -> None:
    """In the first epoch and later ones, with what a loss has learned, with samplers of the library."""
    whole, resumed = texts.train(declared), texts.train(declared, Resume(at))

    assert resumed.resumed_at == round(at * whole.steps)
    assert resumed.weights_digest == whole.weights_digest
    assert resumed.predictions_digest == whole.predictions_digest
    assert resumed.loss_S.values.tolist() == whole.loss_S.values.tolist()
    assert resumed.losses_before == whole.losses_before


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_every_loss_by_name_trains_on_its_form_of_data(texts: Project, name: str) -> None:
    """And an encoder that gives all texts one embedding has a loss in the same unit."""
    declared = spec(train={"loss": name, "steps": 2}, form=LOSSES[name].forms[-1])
    run = texts.train(declared)
    constant = texts.run(ConstantLoss(), declared).evidence

    assert run.steps == 2
    assert math.isfinite(run.losses["test"])
    assert isinstance(constant, ConstantPrediction)
    assert constant.loss >= 0
    assert set(constant.held_out) == {"test"}


def test_equal_embeddings_are_ranked_by_chance(texts: Project) -> None:
    """The loss of a ranking among n texts is then log n."""
    constant = texts.run(ConstantLoss(), PAIRS).evidence

    assert isinstance(constant, ConstantPrediction)
    assert constant.loss == pytest.approx(math.log(16))


def test_the_best_constant_score_is_the_mean(texts: Project) -> None:
    """A constant cosine leaves the variance of the scores."""
    constant = texts.run(ConstantLoss(), spec(train={"loss": "cosine_similarity"}, form="scored pairs")).evidence

    assert isinstance(constant, ConstantPrediction)
    assert 0.1 < constant.loss <= 0.16 + 1e-6


def test_one_batch_can_be_learned_by_heart(texts: Project) -> None:
    """At a constant rate, for as many steps as asked."""
    declared = spec(train={"engine": {"use": "sentence_transformers", "warmup_ratio": 0.5}, "schedule": "cosine"})
    run = texts.train(declared, Train(batches=1, steps=30))

    assert (run.steps, run.rows) == (30, 16)
    assert set(run.losses) == {"train"}
    assert run.learning_rate_S.values.tolist() == [1e-3] * 30
    assert run.losses["train"] < 0.5 * run.losses_before["train"]


def test_the_trained_encoder_is_read_back_and_the_initial_one_is_another(texts: Project) -> None:
    """Both in evaluation mode, and with what exports and timings call."""
    needed = texts.trained(PAIRS)
    work = texts.work(PAIRS, needed)
    trained, first = restore(Train(), work), initial(work)
    some = work.prepared.splits["test"].take(np.arange(3))

    assert not trained.encoder.training
    assert trained(some.inputs).shape == (3, 2, 32)
    assert np.abs(trained(some.inputs) - first(some.inputs)).max() > 1e-3
    assert np.allclose(trained.module(**trained.tensors(some)).detach().numpy(), trained(some.inputs)[:, 0], atol=1e-6)
    assert trained.model is trained.encoder


def test_rows_are_independent(texts: Project) -> None:
    """Padding changes nothing, in double precision."""
    evidence = texts.run(RowIndependence(), PAIRS, texts.trained(PAIRS)).evidence

    assert isinstance(evidence, Independence)
    assert evidence.dtype == "float64"
    assert max(evidence.alone, evidence.order, evidence.repeat) <= evidence.tolerance


OPTIONS: list[dict[str, Any]] = [
    {"epochs": 3},
    {"batch_size": 8},
    {"accumulate": 2},
    {"clip_norm": 0.1},
    {"drop_last": True, "batch_size": 20},
    {"freeze": ["0.model.encoder.layer.0"]},
    {"precision": "bf16"},
    {"schedule": "linear"},
    {"optimizer": {"use": "adamw", "lr": 1e-3, "weight_decay": 0.5}},
    {"optimizer": {"use": "sgd", "lr": 1e-2, "momentum": 0.9}},
    {"loss": {"use": "multiple_negatives_ranking", "scale": 5.0}},
    {"loss": {"use": "multiple_negatives_ranking", "directions": ["query_to_doc", "doc_to_query"]}},
    {"engine": {"use": "sentence_transformers", "warmup_ratio": 0.5}},
    {"engine": {"use": "sentence_transformers", "prompts": {"anchor": "w1 w1 "}}},
]


@pytest.mark.slow
def test_every_option_changes_what_is_learned(texts: Project) -> None:
    """A key that was declared and ignored would give the same weights."""
    digests = [texts.train(spec(train=train)).weights_digest for train in ({}, *OPTIONS)]

    assert len(set(digests)) == len(digests)


def test_an_early_stop_ends_the_training_with_its_best_weights(texts: Project) -> None:
    """It goes by the loss of the validation split."""
    train = {
        "epochs": 6,
        "early_stop": {"monitor": "val.loss", "patience": 1},
        "optimizer": {"use": "adamw", "lr": 0.1},
    }
    run = texts.train(spec(train=train, data={**PAIRS["data"], "split": {"test": 0.25, "val": 0.25}}))

    assert run.stopped.startswith("stopped early at epoch")
    assert run.best_epoch is not None
    assert run.losses["val"] == pytest.approx(run.epochs_log[run.best_epoch]["val.loss"])


REFUSED: list[tuple[dict[str, Any], type[MlspecError], str]] = [
    (spec(model="team:layer"), RecipeError, "the model is a Linear, and this engine trains a SentenceTransformer"),
    (spec(model="team:path"), RecipeError, "the engine sentence_transformers trains an nn.Module"),
    (spec(model="team:broken"), UserCodeError, "team:broken raised OSError: no disk"),
    (spec(train={"loss": "team:no_loss"}), RecipeError, "team:no_loss gives a int, and a loss is an nn.Module"),
    (spec(train={"loss": {"use": "team:Ranking", "wait": 1}}), RecipeError, "team:Ranking cannot be called"),
    (spec(train={"optimizer": {"use": "adamw", "lr": 1e9}}), TrainingError, "is nan|is inf"),
    (
        spec(
            train={"loss": "contrastive"},
            data={**PAIRS["data"], "columns": {"first": "question", "second": "second", "label": "subject"}},
        ),
        DataError,
        "a label is 's0', and this loss takes 1 for two texts that belong together",
    ),
    (spec(train={"freeze": ["nothing"]}), TrainingError, "no module or parameter called 'nothing'"),
]


@pytest.mark.parametrize(("declared", "error", "message"), REFUSED)
def test_what_cannot_be_trained_is_told(
    texts: Project, declared: dict[str, Any], error: type[MlspecError], message: str
) -> None:
    """As the mistake of the team that it is."""
    with pytest.raises(error, match=message):
        texts.train(declared)


def test_a_tokenizer_of_another_model_is_told(project: Project) -> None:
    """Some of its ids would have no embedding."""
    write_encoder(project.root / "tiny", extra_ids=9)
    write_pairs(project.root)

    with pytest.raises(RecipeError, match="the tokenizer of tiny has 63 ids, its embedding 54 rows"):
        project.train(PAIRS)


def test_a_model_whose_file_is_broken_is_told(texts: Project) -> None:
    """With its name, and what the library says."""
    weights = texts.root / "tiny" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])

    with pytest.raises(DataError, match="the model tiny cannot be read: the model tiny raised"):
        texts.train(PAIRS)


def test_a_missing_text_is_told_before_anything_is_trained(texts: Project) -> None:
    """The row, and the role of its column."""
    table = (texts.root / "pairs.csv").read_text("utf-8").splitlines()
    number, _, *others = table[5].split(",")
    table[5] = ",".join([number, "", *others])
    (texts.root / "pairs.csv").write_text("\n".join(table) + "\n", "utf-8")

    with pytest.raises(DataError, match="has no anchor: 1 of") as caught:
        texts.train(PAIRS)
    assert caught.value.key == "data.columns.anchor"
