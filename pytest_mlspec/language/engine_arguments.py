"""What may stand beside `engine: {use: …}`: the arguments of an engine's own trainer, as plain tables.

A test holds them against the installed packages. Those of the Trainer of Hugging Face are in `trainer.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_mlspec.language import embedding, trainer


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


@dataclass(frozen=True)
class TrainerArguments:
    """The arguments of the callable `name`: those that a spec may give, those that a key of the spec stands for, and the rest.

    `twice` maps an argument to the key with which it cannot stand together, `beside` to the argument without which it means
    nothing; `of_val` are read where there is a validation split. `own` are set by the engine: a job has a folder of its own,
    and what it gives is evidence, not a log.
    """

    name: str
    given: frozenset[str]
    keys: Mapping[str, str]
    own: frozenset[str]
    twice: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)
    of_val: frozenset[str] = frozenset()


TRAINERS: Mapping[str, TrainerArguments] = {
    "transformers": TrainerArguments(
        "transformers.TrainingArguments",
        given=trainer.ARGUMENTS,
        keys=trainer.KEYS,
        own=trainer.OWN,
        twice={trainer.LABEL_SMOOTHING: "loss"},
        beside=trainer.BESIDE,
    ),
    "sentence_transformers": TrainerArguments(
        "sentence_transformers.SentenceTransformerTrainingArguments",
        given=trainer.ARGUMENTS - {trainer.LABEL_SMOOTHING, trainer.NOISE} | embedding.TRAINER_ARGUMENTS,
        keys=trainer.KEYS,
        own=trainer.OWN,
        beside=trainer.BESIDE,
    ),
    "lightning": TrainerArguments(
        "lightning.Trainer",
        given=_words(
            "gradient_clip_val gradient_clip_algorithm benchmark detect_anomaly inference_mode"
            " check_val_every_n_epoch val_check_interval limit_val_batches"
        ),
        keys={
            "max_epochs": "train.epochs",
            "min_epochs": "train.epochs",
            "max_steps": "train.steps",
            "min_steps": "train.steps",
            "max_time": "limits.time",
            "limit_train_batches": "train.steps",
            "accumulate_grad_batches": "train.accumulate",
            "precision": "train.precision",
            "accelerator": "train.device",
            "devices": "train.device",
            "deterministic": "train.deterministic",
        },
        own=_words(
            "barebones callbacks default_root_dir enable_autolog_hparams enable_checkpointing enable_model_summary"
            " enable_progress_bar fast_dev_run limit_predict_batches limit_test_batches log_every_n_steps logger"
            " model_registry num_nodes num_sanity_val_steps overfit_batches plugins profiler"
            " reload_dataloaders_every_n_epochs strategy sync_batchnorm use_distributed_sampler"
        ),
        twice={"gradient_clip_val": "clip_norm", "gradient_clip_algorithm": "clip_norm"},
        beside={"gradient_clip_algorithm": "gradient_clip_val"},
        of_val=_words("check_val_every_n_epoch val_check_interval limit_val_batches"),
    ),
    "keras": TrainerArguments(
        "Model.fit",
        given=_words("class_weight"),
        keys={
            "batch_size": "train.batch_size",
            "epochs": "train.epochs",
            "shuffle": "train.shuffle",
            "steps_per_epoch": "train.steps",
            "validation_data": "data.split.val",
            "validation_split": "data.split.val",
        },
        own=_words(
            "x y callbacks initial_epoch sample_weight validation_batch_size validation_freq validation_steps verbose"
        ),
    ),
}
"""The trainers by the engine that calls them."""
