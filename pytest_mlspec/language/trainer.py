"""What the Trainer of Hugging Face is told by a spec: by keys of `train`, or by arguments beside `engine: {use: …}`. No imports.

A test holds the tables against the installed package.
"""

from __future__ import annotations

from collections.abc import Mapping


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


WARMUP_RATIO = "warmup_ratio"
"""The share of the steps that version 5 takes as `warmup_steps` below 1; everybody knows it by this name."""

LABEL_SMOOTHING = "label_smoothing_factor"
"""The share of each target that the Trainer spreads over all classes."""

NOISE = "neftune_noise_alpha"
"""The noise on embeddings of tokens: a model is asked for them by a method that a SentenceTransformer has not."""

ARGUMENTS = _words(
    "activation_checkpointing activation_checkpointing_kwargs gradient_checkpointing gradient_checkpointing_kwargs"
    " ignore_data_skip tf32 torch_empty_cache_steps use_liger_kernel liger_kernel_config"
    f" warmup_steps {WARMUP_RATIO} {LABEL_SMOOTHING} {NOISE}"
)
"""The arguments of TrainingArguments that a spec may give."""

BESIDE: Mapping[str, str] = {
    "activation_checkpointing_kwargs": "activation_checkpointing",
    "gradient_checkpointing_kwargs": "gradient_checkpointing",
    "liger_kernel_config": "use_liger_kernel",
}
"""The arguments that mean nothing without another one."""

KEYS: Mapping[str, str] = {
    "adam_beta1": "train.optimizer.betas",
    "adam_beta2": "train.optimizer.betas",
    "adam_epsilon": "train.optimizer.eps",
    "bf16": "train.precision",
    "data_seed": "train.seed",
    "dataloader_drop_last": "train.drop_last",
    "dataloader_num_workers": "train.workers",
    "fp16": "train.precision",
    "full_determinism": "train.deterministic",
    "gradient_accumulation_steps": "train.accumulate",
    "learning_rate": "train.optimizer.lr",
    "load_best_model_at_end": "train.early_stop.restore_best",
    "lr_scheduler_kwargs": "train.schedule",
    "lr_scheduler_type": "train.schedule",
    "max_grad_norm": "train.clip_norm",
    "max_steps": "train.steps",
    "metric_for_best_model": "train.early_stop.monitor",
    "num_train_epochs": "train.epochs",
    "optim": "train.optimizer",
    "optim_args": "train.optimizer",
    "per_device_train_batch_size": "train.batch_size",
    "seed": "train.seed",
    "train_sampling_strategy": "train.shuffle",
    "use_cpu": "train.device",
    "weight_decay": "train.optimizer.weight_decay",
}
"""The arguments that a key of the spec stands for."""

OWN = _words(
    "accelerator_config auto_find_batch_size average_tokens_across_devices batch_eval_metrics bf16_full_eval"
    " dataloader_in_order dataloader_multiprocessing_context dataloader_persistent_workers dataloader_pin_memory"
    " dataloader_prefetch_factor ddp_backend ddp_broadcast_buffers ddp_bucket_cap_mb ddp_find_unused_parameters"
    " ddp_static_graph ddp_timeout debug deepspeed disable_tqdm do_eval do_predict do_train enable_jit_checkpoint"
    " eval_accumulation_steps eval_delay eval_do_concat_batches eval_on_start eval_steps eval_strategy"
    " eval_use_gather_object fp16_full_eval fsdp fsdp_config greater_is_better hub_always_push hub_model_id"
    " hub_private_repo hub_revision hub_strategy hub_token include_for_metrics include_num_input_tokens_seen"
    " label_names length_column_name local_rank log_level log_level_replica log_on_each_node logging_first_step"
    " logging_nan_inf_filter logging_steps logging_strategy optim_target_modules output_dir parallelism_config"
    " per_device_eval_batch_size prediction_loss_only project push_to_hub remove_unused_columns report_to"
    " restore_callback_states_from_checkpoint resume_from_checkpoint run_name save_on_each_node save_only_model"
    " save_steps save_strategy save_total_limit skip_memory_metrics torch_compile torch_compile_backend"
    " torch_compile_mode trackio_bucket_id trackio_space_id trackio_static_space_id use_cache"
)
"""The arguments that are set here: a job has one device and a folder of its own, and what it gives is evidence, not a log."""

OPTIMIZERS: Mapping[str, frozenset[str]] = {
    "adamw": _words("lr betas eps weight_decay"),
    "sgd": _words("lr momentum dampening nesterov weight_decay"),
    "adafactor": _words("lr weight_decay"),
}
"""The optimisers that the Trainer makes by name, with the arguments of the spec that it takes."""

SCHEDULES: Mapping[str, frozenset[str]] = {
    "constant": _words("warmup"),
    "linear": _words("warmup"),
    "cosine": _words("warmup eta_min"),
    "polynomial": _words("warmup power"),
}
"""The schedules that the Trainer makes by name, each stepped for every optimiser step."""
