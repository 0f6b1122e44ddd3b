"""The rules of what stands beside `engine: {use: …}`: an argument of the engine's trainer that no key of the spec gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_mlspec.errors import did_you_mean
from pytest_mlspec.language.complaints import described
from pytest_mlspec.language.engine_arguments import TRAINERS
from pytest_mlspec.language.rules import trainer as trainer_rules
from pytest_mlspec.language.rules.arguments import is_number, word
from pytest_mlspec.language.rules.mistake import Mistake

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath
    from pytest_mlspec.language.spec import Training

_SWITCHES = frozenset({"benchmark", "detect_anomaly", "inference_mode"})
_ALGORITHMS = ("norm", "value")


def mistakes(train: Training, *, has_val: bool) -> Iterator[Mistake]:
    """The mistakes of the arguments of an engine whose trainer stands in the table.

    `has_val` tells that there may be a validation split.
    """
    trainer = TRAINERS.get(train.engine.use)
    if trainer is None:
        return
    for name, value in train.engine.arguments.items():
        key = ("train", "engine", name)
        if name in trainer.keys:
            yield Mistake(
                key, f"this stands for a key of the spec, {trainer.keys[name]}", f"write {trainer.keys[name]}"
            )
        elif name in trainer.own:
            yield Mistake(key, f"{name} of {trainer.name} is set by the engine", "remove it")
        elif name not in trainer.given:
            yield Mistake(key, f"{trainer.name} takes no {described(name)}", did_you_mean(name, trainer.given))
        elif (other := trainer.twice.get(name)) is not None and other in train.model_fields_set:
            yield Mistake(key, f"{name} and train.{other} both say the same", "keep one of them")
        elif train.engine.use in trainer_rules.ENGINES:
            yield from trainer_rules.value(key, name, value)
        else:
            yield from _value(key, name, value)
        needed = trainer.beside.get(name)
        if needed is not None and not train.engine.arguments.get(needed):
            yield Mistake(key, f"{name} means nothing without {needed}", f"write {needed} too, or remove this key")
        if name in trainer.of_val and not has_val:
            advice = "give data.split.val a share, such as 0.1, or remove this key"
            yield Mistake(key, f"{name} needs a validation split", advice, lacks=(("data", "split", "val"),))


def _value(key: KeyPath, name: str, value: object) -> Iterator[Mistake]:
    if name in _SWITCHES:
        if not isinstance(value, bool):
            yield Mistake(key, f"true or false is needed, not {described(value)}")
    elif name == "gradient_clip_algorithm":
        yield from word(key, value, _ALGORITHMS)
    elif name == "gradient_clip_val":
        if not (is_number(value) and value > 0):
            yield Mistake(key, f"a number above 0 is needed, not {described(value)}")
    elif name == "class_weight":
        if not (isinstance(value, dict) and value and all(is_number(each) and each >= 0 for each in value.values())):
            told = f"a number of at least 0 for each class is needed, not {described(value)}"
            yield Mistake(key, told, "write it as in {no: 1, yes: 5}")
    elif name == "check_val_every_n_epoch":
        if not (type(value) is int and value > 0):
            yield Mistake(key, f"a whole number above 0 is needed, not {described(value)}")
    elif not is_number(value):
        yield Mistake(key, f"a number is needed, not {described(value)}")
