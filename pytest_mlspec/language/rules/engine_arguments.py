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


def mistakes(train: Training) -> Iterator[Mistake]:
    """The mistakes of the arguments of an engine whose trainer stands in the table."""
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
        if not (isinstance(value, dict) and value and all(map(is_number, value.values()))):
            yield Mistake(
                key, f"a number for each class is needed, not {described(value)}", "write it as in {no: 1, yes: 5}"
            )
    elif not is_number(value):
        yield Mistake(key, f"a number is needed, not {described(value)}")
