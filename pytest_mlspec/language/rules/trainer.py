"""The rules of the engines with a Trainer of Hugging Face: what it makes by name, and what stands beside `engine: {use: …}`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pytest_mlspec.errors import did_you_mean
from pytest_mlspec.language import trainer
from pytest_mlspec.language.complaints import described
from pytest_mlspec.language.embedding import BATCH_SAMPLERS, TEXTS
from pytest_mlspec.language.pretrained import PRETRAINED
from pytest_mlspec.language.rules.arguments import is_number, word
from pytest_mlspec.language.rules.mistake import Mistake
from pytest_mlspec.language.rules.uses import unknown
from pytest_mlspec.language.task import task_of

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath
    from pytest_mlspec.language.spec import Spec, Training, Use

ENGINES = frozenset({"transformers", "sentence_transformers"})
"""The engines whose trainer is one of Hugging Face."""

_SHARES = frozenset({trainer.WARMUP_RATIO, trainer.LABEL_SMOOTHING})
_NUMBERS = frozenset({trainer.NOISE, "torch_empty_cache_steps", "warmup_steps"})
_MAPPINGS = frozenset({"activation_checkpointing_kwargs", "gradient_checkpointing_kwargs", "liger_kernel_config"})


def mistakes(spec: Spec) -> Iterator[Mistake]:
    """The mistakes of a spec whose trainer is one of Hugging Face."""
    train = spec.train
    if train.engine.use not in ENGINES:
        return
    if (
        train.engine.use == "transformers"
        and spec.model is not None
        and not spec.model.is_path
        and spec.model.use != PRETRAINED
    ):
        yield unknown(("model",), spec.model.use, {PRETRAINED: None}, "model of the engine transformers")
    yield from _by_name(("train", "optimizer"), train.optimizer, trainer.OPTIMIZERS)
    if train.schedule is not None:
        yield from _by_name(("train", "schedule"), train.schedule, trainer.SCHEDULES)
    yield from _warm_up(train)
    if trainer.LABEL_SMOOTHING in train.engine.arguments and task_of(spec) == "regression":
        yield Mistake(("train", "engine", trainer.LABEL_SMOOTHING), "a regression has no classes", "remove it")
    yield from _prompts_of_columns(spec)
    if train.device.startswith("cuda:") and train.device != "cuda:0":
        advice = "write device: cuda, and run with CUDA_VISIBLE_DEVICES set to its number"
        yield Mistake(("train", "device"), "the Trainer takes the first GPU that it sees", advice)


def value(key: KeyPath, name: str, given: object) -> Iterator[Mistake]:
    """The mistake of the value of one argument of TrainingArguments."""
    if name in _SHARES:
        if not (is_number(given) and 0 <= given < 1):
            yield Mistake(key, f"a share from 0 to below 1 is needed, not {described(given)}")
    elif name in _NUMBERS:
        if not (is_number(given) and given >= 0):
            yield Mistake(key, f"a number of at least 0 is needed, not {described(given)}")
    elif name == "batch_sampler":
        yield from word(key, given, BATCH_SAMPLERS)
    elif name == "prompts":
        yield from _prompts(key, given)
    elif name in _MAPPINGS:
        if not isinstance(given, Mapping):
            yield Mistake(key, f"names with values are needed, not {described(given)}")
    elif not isinstance(given, bool):
        yield Mistake(key, f"true or false is needed, not {described(given)}")


def _prompts(key: KeyPath, given: object) -> Iterator[Mistake]:
    """The mistakes of what is put before texts: one text for all, or one for each role of `data.columns`."""
    roles = given if isinstance(given, Mapping) else {}
    for role in [role for role in roles if role not in TEXTS]:
        yield Mistake((*key, role), f"{described(role)} is no role of a column of texts", did_you_mean(role, TEXTS))
    if not (isinstance(given, str) or (roles and all(isinstance(text, str) for text in roles.values()))):
        told = f"a text, or texts by the role of their column, are needed, not {described(given)}"
        yield Mistake(key, told, 'write it as in prompts: {anchor: "query: "}')


def _prompts_of_columns(spec: Spec) -> Iterator[Mistake]:
    """The mistakes of a text that would be put before a column that the spec does not have."""
    prompts, columns = spec.train.engine.arguments.get("prompts"), spec.data.columns if spec.data else {}
    for role in sorted(set(prompts) & TEXTS - set(columns)) if isinstance(prompts, Mapping) and columns else ():
        told = f"data.columns has no {role}"
        yield Mistake(("train", "engine", "prompts", role), told, f"roles that it has: {', '.join(columns)}")


def _by_name(key: KeyPath, use: Use, table: Mapping[str, frozenset[str]]) -> Iterator[Mistake]:
    """The mistakes of a name or an argument that the Trainer does not have; those of every engine are found elsewhere."""
    if use.is_path:
        return
    if use.use not in table:
        told = f"the Trainer makes no {use.use}"
        yield Mistake(key, told, f"write one of: {', '.join(table)}; or your own: package.module:name")
        return
    for name in use.arguments:
        if name not in table[use.use]:
            advice = f"write one of: {', '.join(sorted(table[use.use]))}; or your own: package.module:name"
            yield Mistake((*key, name), f"the Trainer gives {use.use} no {described(name)}", advice)


def _warm_up(train: Training) -> Iterator[Mistake]:
    """The mistakes of a warm-up that is given twice, or that the schedule of the team would not have."""
    said = [name for name in (trainer.WARMUP_RATIO, "warmup_steps") if name in train.engine.arguments]
    of_schedule = train.schedule is not None and "warmup" in train.schedule.arguments
    if len(said) + of_schedule > 1:
        yield Mistake(("train", "engine", said[0]), "the warm-up is given twice", "write {use: linear, warmup: 10%}")
    elif said and train.schedule is not None and train.schedule.is_path:
        yield Mistake(("train", "engine", said[0]), "the schedule is your own, and has its warm-up itself", "remove it")
