"""The spec as the arguments of a Trainer of Hugging Face: TrainingArguments, or a subclass of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from pytest_mlspec.errors import TrainingError, did_you_mean
from pytest_mlspec.language import trainer as names
from pytest_mlspec.language.spec import Training

_ARGUMENT_OF: Mapping[str, str] = {"lr": "learning_rate", "weight_decay": "weight_decay", "eps": "adam_epsilon"}
# What torch takes where the spec says nothing; the Trainer has other defaults.
_RATES: Mapping[str, float] = {"adamw": 1e-3, "sgd": 1e-3, "adafactor": 1e-2}
_DECAYS: Mapping[str, float] = {"adamw": 0.01}
# What version 5 calls otherwise, with a warning where the old name is known at all.
_CALLED: Mapping[str, str] = {
    names.WARMUP_RATIO: "warmup_steps",
    "gradient_checkpointing": "activation_checkpointing",
    "gradient_checkpointing_kwargs": "activation_checkpointing_kwargs",
}


def arguments(
    kind: Callable[..., Any], training: Training, *, folder: Path, seed: int, device: torch.device, **own: Any
) -> Any:
    """The spec as arguments of the class `kind`, with those of its engine and `own`, which the caller decides.

    `folder` takes the checkpoints. Raises TrainingError where the class does not take what the spec says.
    """
    given = {
        "output_dir": str(folder),
        "report_to": [],
        "disable_tqdm": True,
        "logging_strategy": "no",
        "logging_nan_inf_filter": False,
        "eval_strategy": "no",
        "save_strategy": "no",
        "per_device_train_batch_size": training.batch_size,
        "gradient_accumulation_steps": training.accumulate,
        "num_train_epochs": training.epochs,
        "max_steps": training.steps or -1,
        "max_grad_norm": training.clip_norm or 0.0,
        "dataloader_drop_last": training.drop_last,
        "dataloader_num_workers": training.workers,
        "dataloader_pin_memory": False,  # rows lie on the device already
        "train_sampling_strategy": "random" if training.shuffle else "sequential",
        "seed": seed,
        "data_seed": seed,
        "full_determinism": training.deterministic,
        "bf16": training.precision == "bf16",
        "fp16": training.precision == "fp16",
        "use_cpu": device.type == "cpu",
        **_of_optimizer(training),
        **_of_schedule(training),
        **_of_engine(training.engine.arguments),
        **own,
    }
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            advice = did_you_mean(name, known)
            raise TrainingError(f"this version takes no argument {name!r}", key=f"train.engine.{name}", advice=advice)
    if training.precision == "fp16" and device.type == "cpu":
        told = "the Trainer trains in fp16 on a GPU alone, and the device is the CPU"
        raise TrainingError(told, key="train.precision", advice="write bf16, or fp32")
    try:
        made = kind(**given)
    except (TypeError, ValueError) as error:
        raise TrainingError(f"TrainingArguments cannot be made: {error}", key="train.engine") from error
    if made.n_gpu > 1:
        made._n_gpu = 1  # a job has one GPU; the Trainer would split each batch over all that it sees
    return made


def _of_optimizer(training: Training) -> dict[str, Any]:
    use, given = training.optimizer.use, training.optimizer.arguments
    if training.optimizer.is_path:
        return {}
    found: dict[str, Any] = {"learning_rate": _RATES[use], "weight_decay": _DECAYS.get(use, 0.0)}
    found |= {argument: given[name] for name, argument in _ARGUMENT_OF.items() if name in given}
    if "betas" in given:
        found["adam_beta1"], found["adam_beta2"] = given["betas"]
    match use:
        case "adamw":
            return {**found, "optim": "adamw_torch_fused"}
        case "sgd":
            more = ",".join(f"{name}={given[name]}" for name in ("momentum", "dampening", "nesterov") if name in given)
            return {**found, "optim": "sgd", **({"optim_args": more} if more else {})}
        case _:
            return {**found, "optim": "adafactor"}


def _of_schedule(training: Training) -> dict[str, Any]:
    if training.schedule is None or training.schedule.is_path:
        return {"lr_scheduler_type": "constant_with_warmup"}
    given = training.schedule.arguments
    warmup = {"warmup_steps": given["warmup"]} if "warmup" in given else {}
    match training.schedule.use:
        case "constant":
            return {"lr_scheduler_type": "constant_with_warmup", **warmup}
        case "cosine" if "eta_min" in given:
            minimum = {"min_lr": given["eta_min"]}
            return {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": minimum, **warmup}
        case "polynomial":
            ends = {"power": given.get("power", 1.0), "lr_end": 0.0}
            return {"lr_scheduler_type": "polynomial", "lr_scheduler_kwargs": ends, **warmup}
        case name:
            return {"lr_scheduler_type": name, **warmup}


def _of_engine(given: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(given)
    for name, called in _CALLED.items():
        if name in found:
            found[called] = found.pop(name)
    return found
