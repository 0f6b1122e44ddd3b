"""The engine transformers: what a training gives, how the spec reaches the Trainer, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from projects import Project

from pytest_mlspec.engines import ENGINES, ModulePredictor
from pytest_mlspec.errors import MissingExtraError, MlspecError, RecipeError, TrainingError, UserCodeError
from pytest_mlspec.evidence import Interruption, TrainingRun
from pytest_mlspec.jobs import GradientFlow, Interrupt, Resume, Train

from .small_texts import spec, write_team

# A Trainer and a small model take a tenth of a second; the first import of transformers takes the rest.


@pytest.fixture(autouse=True)
def _team(project: Project) -> None:
    write_team(project)


def _folder(project: Project, *, weights: bool = True, **changes: Any) -> str:
    """A folder with a small model, or with its configuration alone."""
    import team  # type: ignore[import-not-found]

    folder = project.root / "small"
    if weights:
        team.build(**changes).save_pretrained(folder)
    else:
        team.config(**changes).save_pretrained(folder)
    return "small"


def test_a_training_reports_what_it_did(project: Project) -> None:
    """The history has a value for each optimiser step, and every split has a loss before and after."""
    run = project.train(spec())

    assert (run.engine, run.seed, run.device, run.steps, run.epochs) == ("transformers", 0, "cpu", 6, 2)
    assert len(run.loss_S) == len(run.gradient_norm_S) == len(run.learning_rate_S) == run.planned_steps == 6
    assert set(run.losses) == set(run.losses_before) == {"train", "val", "test"}
    assert all(set(epoch) == {"train.loss", "val.loss"} for epoch in run.epochs_log)
    assert (run.gradient_norm_S.values > 0).all()
    assert run.parameters in range(5_000, 50_000)
    assert (run.stopped, run.predictions) == ("finished 2 epochs", "probabilities")
    assert run.losses_before["train"] == pytest.approx(np.log(2), abs=0.1)
    assert run.cost is not None
    assert run.cost.rows == 2 * 96
    assert (run.cost.rows_per_second or 0) > 0


def test_a_training_learns(project: Project) -> None:
    """Of each task: two classes, three, and a value."""
    two = project.train(spec(epochs=12))
    three = project.train(
        spec(
            {"use": "team:build", "num_labels": 3},
            task="multiclass",
            data={"source": {"use": "team:multiclass"}},
            epochs=16,
        )
    )
    values = {"source": {"use": "team:lengths"}, "target": "length"}
    value = project.train(spec({"use": "team:build", "num_labels": 1}, task="regression", data=values, epochs=12))

    assert two.losses["test"] < 0.2 * two.losses_before["test"]
    assert three.losses["test"] < 0.5 * three.losses_before["test"]
    assert value.losses["test"] < 0.5 * value.losses_before["test"]
    assert value.predictions == "values"


def test_a_language_model_learns_from_ids_alone(project: Project) -> None:
    """Those of the step tokenize, whose padding is nothing to predict."""
    project.write(
        "speaker",
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        "def build():\n"
        "    return LlamaForCausalLM(LlamaConfig(vocab_size=300, hidden_size=32, intermediate_size=32, num_hidden_layers=1,"
        " num_attention_heads=2, max_position_embeddings=16, pad_token_id=0, bos_token_id=1, eos_token_id=1))\n",
    )
    prepare = [{"use": "tokenize", "length": 8, "vocabulary": 300}]
    declared = spec(
        "speaker:build", task="language_model", data={"target": None, "drop": ["label"], "prepare": prepare}
    )
    run = project.train({**declared, "train": {**declared["train"], "epochs": 4}})

    assert run.predictions == "tokens"
    assert run.losses["train"] < run.losses_before["train"]
    assert run.loss_S.values[0] == pytest.approx(run.losses_before["train"], rel=0.05)


def test_the_loss_of_a_step_and_of_a_split_are_one_thing(project: Project) -> None:
    """Without dropout, the first step sees the loss that was measured before it on the same rows."""
    quiet = {"use": "team:build", "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    run = project.train(spec(quiet, batch_size=96, epochs=1, data={"split": {"test": 0.4}}))

    assert run.loss_S.values[0] == pytest.approx(run.losses_before["train"], rel=1e-5)


def test_smoothing_is_part_of_the_loss_and_of_its_floor(project: Project) -> None:
    """The Trainer's own smoothing: no model reaches zero."""
    run = project.train(spec(engine={"label_smoothing_factor": 0.2}), Train(batches=1, steps=60))

    assert run.loss_floor == pytest.approx(-(0.9 * np.log(0.9) + 0.1 * np.log(0.1)))
    assert run.losses["train"] == pytest.approx(run.loss_floor, abs=0.02)


@pytest.mark.parametrize(
    ("train", "rates"),
    [
        ({}, [3e-3] * 6),
        ({"schedule": {"use": "linear"}}, [3e-3 * share / 6 for share in (6, 5, 4, 3, 2, 1)]),
        ({"schedule": {"use": "linear", "warmup": 2}}, [0, 1.5e-3, 3e-3, 2.25e-3, 1.5e-3, 0.75e-3]),
        ({"schedule": {"use": "constant", "warmup": 0.5}}, [0, 1e-3, 2e-3, 3e-3, 3e-3, 3e-3]),
        ({"schedule": {"use": "polynomial", "power": 2.0}}, [3e-3 * (share / 6) ** 2 for share in (6, 5, 4, 3, 2, 1)]),
        (
            {"schedule": {"use": "cosine", "eta_min": 1e-3}},
            [1e-3 + 1e-3 * (1 + np.cos(np.pi * step / 6)) for step in range(6)],
        ),
        ({"engine": {"use": "transformers", "warmup_ratio": 0.5}}, [0, 1e-3, 2e-3, 3e-3, 3e-3, 3e-3]),
        ({"optimizer": {"use": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True}}, [0.1] * 6),
        ({"optimizer": {"use": "adafactor", "lr": 1e-3}}, [1e-3] * 6),
        ({"optimizer": {"use": "adamw"}}, [1e-3] * 6),
    ],
)
def test_every_step_has_the_rate_that_the_spec_declares(
    project: Project, train: Mapping[str, Any], rates: list[float]
) -> None:
    """The schedules are the Trainer's, with a warm-up from zero."""
    run = project.train({**(declared := spec()), "train": {**declared["train"], **train}})

    assert run.learning_rate_S.values == pytest.approx(rates, rel=1e-6)


def test_accumulated_batches_are_one_large_batch(project: Project) -> None:
    """For the loss and the gradient of classes and of values alike: the Trainer would scale the gradient of values up."""
    quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    values = {"source": {"use": "team:lengths"}, "target": "length"}
    classes = spec({"use": "team:build", **quiet}, shuffle=False)
    of_values = spec({"use": "team:build", "num_labels": 1, **quiet}, task="regression", data=values, shuffle=False)
    runs = [
        project.train({**declared, "train": {**declared["train"], **sizes, "steps": 1}})
        for declared in (classes, of_values)
        for sizes in ({"batch_size": 32}, {"batch_size": 8, "accumulate": 4})
    ]
    losses = [float(run.loss_S.values[0]) for run in runs]
    norms = [float(run.gradient_norm_S.values[0]) for run in runs]

    assert losses[0::2] == pytest.approx(losses[1::2], rel=1e-5)
    assert norms[0::2] == pytest.approx(norms[1::2], rel=1e-4)


def test_the_gradient_norm_is_that_before_clipping(project: Project) -> None:
    """And clipping changes the training."""
    free, clipped = project.train(spec()), project.train(spec(clip_norm=1e-3))

    assert clipped.gradient_norm_S.values[0] == free.gradient_norm_S.values[0] > 1e-3
    assert clipped.weights_digest != free.weights_digest


def test_an_early_stop_looks_at_the_metric_and_restores_the_best_weights(project: Project) -> None:
    """The rule is the core's: with a rate of zero nothing improves after the first epoch."""
    rule = {"monitor": "val.accuracy", "patience": 2}
    run = project.train(spec(optimizer={"use": "sgd", "lr": 0.0}, epochs=9, early_stop=rule))

    assert (run.epochs, run.best_epoch) == (3, 0)
    assert run.stopped.startswith("stopped early at epoch 3: val.accuracy")


def test_frozen_modules_go_by_their_names_in_the_model(project: Project) -> None:
    """The embeddings stay as they began, and count as frozen, not as forgotten."""
    work = project.work(spec(freeze=["bert.embeddings"]))
    evidence: Any = project.run(GradientFlow(), {}, work=work).evidence
    frozen = {each.name for each in evidence.parameters if each.frozen}

    assert frozen
    assert all(name.startswith("model.bert.embeddings.") for name in frozen)
    assert all(each.change == 0 for each in evidence.parameters if each.frozen)
    assert all(each.change > 0 for each in evidence.parameters if not each.frozen)


def test_the_recipe_may_give_loss_collate_optimizer_and_schedule(project: Project) -> None:
    """They are called in the places of the Trainer's own."""
    project.write(
        "own",
        "import torch\nfrom torch import nn\nfrom team import build as build_model\nSEEN = set()\n"
        "def collate(examples):\n"
        "    SEEN.add('collate')\n"
        "    return {n: torch.from_numpy(v) for n, v in examples.inputs.items()}, torch.from_numpy(examples.targets)\n"
        "def loss(outputs, batch):\n"
        "    SEEN.add('loss')\n    return 3 * nn.functional.cross_entropy(outputs, batch.targets)\n"
        "def optimizer(model):\n    SEEN.add('optimizer')\n    return torch.optim.Adagrad(model.parameters(), lr=0.02)\n"
        "def schedule(optimizer, steps):\n"
        "    SEEN.add(steps)\n    return torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)\n",
    )
    declared = spec("", recipe="own")
    del declared["train"]["optimizer"]
    run = project.train(declared)
    import own  # type: ignore[import-not-found]

    assert {"collate", "loss", "optimizer", 6} == own.SEEN
    assert run.losses_before["train"] == pytest.approx(3 * np.log(2), abs=0.3)
    assert run.learning_rate_S.values == pytest.approx([0.02 * 0.5**step for step in range(6)])


def test_a_loss_of_the_recipe_is_not_smoothed_in_silence(project: Project) -> None:
    """The Trainer smooths the model's own loss alone."""
    project.write(
        "parts",
        "from torch.nn import functional\n"
        "def loss(outputs, batch):\n    return functional.cross_entropy(outputs, batch.targets)\n",
    )

    with pytest.raises(RecipeError, match="the recipe gives a loss") as caught:
        project.train(spec(recipe="parts", engine={"label_smoothing_factor": 0.2}))
    assert caught.value.key == "train.engine.label_smoothing_factor"


def test_activations_are_worked_out_again_under_either_name(project: Project) -> None:
    """Without a warning of the older one, and with the same weights as without it."""
    older, newer = (project.train(spec(engine={f"{name}_checkpointing": True})) for name in ("gradient", "activation"))

    assert older.weights_digest == newer.weights_digest == project.train(spec()).weights_digest


def test_a_loss_by_name_takes_the_place_of_the_models_own(project: Project) -> None:
    """With weights that count the classes alike."""
    run = project.train(spec(loss={"use": "focal", "gamma": 2.0}))

    assert run.losses_before["train"] == pytest.approx(0.25 * np.log(2), rel=0.2)
    assert run.loss_S.values[0] == pytest.approx(run.losses_before["train"], rel=0.3)


def test_two_trainings_are_equal_and_the_seed_decides(project: Project) -> None:
    """Weights, order and dropout follow from it, whatever the generators were before."""
    one, fresh, other = (project.train(spec(), job) for job in (Train(), Train(fresh=True), Train(seed=1)))

    assert one.weights_digest == fresh.weights_digest
    assert one.predictions_digest == fresh.predictions_digest
    assert list(one.loss_S.values) == list(fresh.loss_S.values)
    assert other.weights_digest != one.weights_digest


@pytest.mark.parametrize("at", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_resumed_training_equals_an_uninterrupted_one(project: Project, at: float, precision: str) -> None:
    """In the middle of an epoch and at its end, with dropout, a schedule and an early stop."""
    declared = spec(
        schedule={"use": "linear", "warmup": 0.2},
        early_stop={"monitor": "val.loss", "patience": 5},
        engine={"label_smoothing_factor": 0.1},
        precision=precision,
    )
    whole, resumed = project.train(declared), project.train(declared, Resume(at=at))

    assert resumed.resumed_at == max(1, round(at * 6))
    assert resumed.weights_digest == whole.weights_digest
    assert resumed.epochs_log == whole.epochs_log
    assert list(resumed.loss_S.values) == list(whole.loss_S.values)
    assert list(resumed.learning_rate_S.values) == list(whole.learning_rate_S.values)
    assert resumed.losses_before == whole.losses_before


def test_an_interruption_lies_within_the_steps_that_are_taken(project: Project) -> None:
    """An early stop may come before the step that the declared length would give."""
    rule = {"monitor": "val.accuracy", "patience": 1}
    declared = spec(optimizer={"use": "sgd", "lr": 0.0}, epochs=9, early_stop=rule)
    evidence = project.run(Interrupt(at=0.5), declared).evidence

    assert isinstance(evidence, Interruption)
    assert evidence.step == 3


def test_a_training_leaves_no_checkpoint_behind(project: Project) -> None:
    """Its weights alone are kept."""
    work = project.work(spec())
    project.run(Train(), {}, work=work)

    assert [path.name for path in work.folder.iterdir()] == ["weights.safetensors"]


def test_the_predictor_gives_what_the_training_stored(project: Project) -> None:
    """From the stored weights; its module answers with logits, in both precisions."""
    work = project.work(spec())
    result = project.run(Train(), {}, work=work)
    needed = project.trained(spec())
    predictor: Any = ENGINES.find("transformers").restore(Train(), project.work(spec(), needed))
    test = work.prepared.splits["test"]
    logits = predictor.module(**predictor.tensors(test)).detach().numpy()

    assert isinstance(predictor, ModulePredictor)
    assert type(predictor.model).__name__ == "BertForSequenceClassification"
    assert np.array_equal(predictor(test.inputs), result.arrays["predictions/test"])
    assert np.allclose(logits, predictor.outputs(test), atol=1e-6)
    assert predictor.precise().outputs(test).dtype == np.float64
    assert np.allclose(predictor.precise().outputs(test), predictor.outputs(test), atol=1e-5)


def test_weights_in_a_folder_are_where_a_training_begins(project: Project) -> None:
    """The head too, where it has as many classes."""
    work = project.work(spec({"use": "pretrained", "path": _folder(project)}))
    model: Any = work.recipe.build_model(work.prepared)  # type: ignore[misc]
    import safetensors.torch

    stored = safetensors.torch.load_file(project.root / "small" / "model.safetensors")

    assert model.notes == ()
    assert model.model.config.id2label == {0: "bad", 1: "good"}
    assert all(torch.equal(stored[name], values) for name, values in model.model.state_dict().items())


@pytest.mark.parametrize(
    ("weights", "changes", "note"),
    [
        (False, {}, "small is a configuration alone: its weights begin at random"),
        (
            True,
            {"num_labels": 5},
            "2 of 41 tensors are not in small, or of another shape, and begin at random: classifier.bias",
        ),
        (
            True,
            {"id2label": {0: "good", 1: "bad"}},
            "has its classes in another order, good, bad: its training begins swapped",
        ),
    ],
    ids=["a configuration alone", "a head of another size", "classes in another order"],
)
def test_what_does_not_begin_as_stored_is_noted(
    project: Project, weights: bool, changes: dict[str, Any], note: str
) -> None:
    """A reader of the run sees it."""
    path = _folder(project, weights=weights, **changes)
    run = project.train(spec({"use": "pretrained", "path": path}))

    assert any(note in each for each in run.notes)


def test_a_text_without_a_token_has_a_defined_answer(project: Project) -> None:
    """Its first position counts: attention to nothing is another value in each kernel, and in an exported model."""
    work = project.work(spec())
    model: Any = work.recipe.build_model(work.prepared)  # type: ignore[misc]
    nothing = torch.zeros(2, 12, dtype=torch.int64)
    arguments = model.eval().arguments({"input_ids": nothing, "attention_mask": nothing})

    assert arguments["attention_mask"].tolist() == [[1], [1]]
    assert torch.equal(model(input_ids=nothing, attention_mask=nothing), model(nothing))
    assert model.arguments(nothing[:0])["input_ids"].shape == (0, 12)


def _raised(project: Project, declared: Mapping[str, Any], job: Train | None = None) -> MlspecError:
    with pytest.raises(MlspecError) as caught:
        project.run(job or Train(), declared)
    return caught.value


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocab_size": 9}, "the tokenizer of small has 15 ids, its embedding 9 rows"),
        ({"max_position_embeddings": 8}, "prepare gives texts of 12 tokens, and the model of small reads 8"),
    ],
)
def test_a_model_that_cannot_read_the_texts_is_refused_before_a_step(
    project: Project, changes: dict[str, Any], message: str
) -> None:
    """With both sizes."""
    error = _raised(project, spec({"use": "pretrained", "path": _folder(project, **changes)}))

    assert isinstance(error, RecipeError)
    assert message in error.message
    assert error.advice


def test_a_folder_without_a_configuration_is_refused(project: Project) -> None:
    """And one whose configuration belongs to no model."""
    (project.root / "empty").mkdir()
    (project.root / "odd").mkdir()
    (project.root / "odd" / "config.json").write_text("{}")
    errors = [_raised(project, spec({"use": "pretrained", "path": path})) for path in ("empty", "odd")]

    assert "empty holds no model" in errors[0].message
    assert "the configuration of odd cannot be read" in errors[1].message
    assert "model_type" in errors[1].advice


def test_weights_of_another_model_are_refused(project: Project) -> None:
    """Not one tensor of them would be used."""
    folder = project.root / _folder(project)
    settings = json.loads((folder / "config.json").read_text())
    small = {"model_type": "distilbert", "dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 32, "vocab_size": 15}
    (folder / "config.json").write_text(json.dumps({**small, "max_position_embeddings": 16, "pad_token_id": 0}))
    error = _raised(project, spec({"use": "pretrained", "path": "small"}))

    assert settings["model_type"] == "bert"
    assert (
        "the weights of small hold no tensor of DistilBertForSequenceClassification but for its head" in error.message
    )


def test_broken_weights_are_refused(project: Project) -> None:
    """With the name of their folder."""
    (project.root / _folder(project) / "model.safetensors").write_bytes(b"no weights")
    error = _raised(project, spec({"use": "pretrained", "path": "small"}))

    assert "the weights of small cannot be read" in error.message


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"use": "team:build", "num_labels": 4}, "the model of team:build has 4 outputs, and the data 2 classes"),
        ({"use": "odd:plain"}, "odd:plain gives a Linear, and the engine transformers trains a PreTrainedModel"),
        ({"use": "odd:bare"}, "BertModel gives no logits"),
    ],
)
def test_a_model_of_the_team_that_does_not_fit_is_refused(
    project: Project, model: dict[str, Any], message: str
) -> None:
    """Before a step is taken."""
    project.write(
        "odd",
        "from torch import nn\nfrom transformers import BertModel\nfrom team import config\n"
        "def plain():\n    return nn.Linear(2, 2)\ndef bare():\n    return BertModel(config(num_labels=2))\n",
    )
    error = _raised(project, spec(model))

    assert message in error.message


def test_a_column_that_the_model_has_no_argument_for_is_refused(project: Project) -> None:
    """It would be ignored; the types of tokens alone are left out, and noted."""
    project.write(
        "short",
        "from transformers import DistilBertConfig, DistilBertForSequenceClassification\n"
        "import team\n"
        "def load():\n    return team.texts()\n"
        "def tokenizer(texts):\n    made = team.tokenizer(texts)\n"
        "    made.model_input_names = ['input_ids', 'token_type_ids', 'attention_mask']\n    return made\n"
        "def build():\n    return DistilBertForSequenceClassification(DistilBertConfig(dim=32, n_layers=1, n_heads=2,"
        " hidden_dim=32, vocab_size=15, max_position_embeddings=16))\n",
    )
    more = {"source": {"use": "short:load"}, "prepare": [*spec()["data"]["prepare"], {"use": "standardize"}]}
    error = _raised(project, spec("short:build", data=more))
    types = {"prepare": [{"use": "tokenizer", "path": "short:tokenizer", "length": 12}]}
    run = project.train(spec("short:build", data=types))

    assert "the model takes no length" in error.message or "the model takes no numbers" in error.message
    assert "the model takes no token_type_ids: left out" in run.notes


def test_a_loss_that_is_not_finite_ends_the_training(project: Project) -> None:
    """With its step."""
    project.write(
        "broken",
        "from team import build as build_model\n"
        "TAKEN = []\n"
        "def loss(outputs, batch):\n"
        "    TAKEN.append(outputs.requires_grad)\n"
        "    return outputs.mean() * (float('nan') if sum(TAKEN) == 4 else 1.0)\n",
    )
    error = _raised(project, spec("", recipe="broken"))

    assert isinstance(error, TrainingError)
    assert error.message == "loss is nan at step 4"


def test_an_exception_of_the_model_is_told_as_the_teams(project: Project) -> None:
    """With its traceback."""
    project.write(
        "raising",
        "from transformers import BertForSequenceClassification\nfrom team import config\n"
        "class Raising(BertForSequenceClassification):\n"
        "    def forward(self, *given, **named):\n        raise LookupError('no such layer')\n"
        "def build():\n    return Raising(config())\n",
    )
    error = _raised(project, spec("raising:build"))

    assert isinstance(error, UserCodeError)
    assert "LookupError: no such layer" in error.message
    assert "raising.py" in error.details


@pytest.mark.parametrize(("steps", "epochs"), [(1, 1), (4, 9)])
def test_what_cannot_be_trained_is_an_error(project: Project, steps: int, epochs: int) -> None:
    """A training of one step cannot be interrupted; fp16 needs a GPU."""
    declared = spec(precision="fp16")
    error = _raised(project, declared)

    assert (error.key, "write bf16" in error.advice) == ("train.precision", True)


def test_a_missing_package_is_told_with_the_command(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """As is one that is too old."""
    monkeypatch.setattr("pytest_mlspec.recipe.installed.version", {"transformers": "4.40.0"}.__getitem__)
    error = _raised(project, spec())
    monkeypatch.setattr("pytest_mlspec.recipe.installed.version", _none)
    missing = _raised(project, spec())

    assert "transformers 4.40.0 is installed, and this engine needs" in error.message
    assert isinstance(missing, MissingExtraError)
    assert missing.advice == "python -m pip install 'pytest-mlspec[transformers]'"


def _none(package: str) -> str:
    from importlib.metadata import PackageNotFoundError

    raise PackageNotFoundError(package)


def test_a_run_is_what_every_engine_gives(project: Project) -> None:
    """One TrainingRun, with the digest of the prepared rows."""
    work = project.work(spec())
    evidence = project.run(Train(), {}, work=work).evidence

    assert isinstance(evidence, TrainingRun)
    assert evidence.examples_digest == work.prepared.digest
    assert Path(work.folder, "weights.safetensors").stat().st_size > 10_000
