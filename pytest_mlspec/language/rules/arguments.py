"""What the arguments of registered things may be, as far as their names tell: numbers, switches, words.

Ranges are torch's own business: a worker reports what its constructors refuse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pytest_mlspec.language import names
from pytest_mlspec.language.complaints import described, not_among
from pytest_mlspec.language.rules.mistake import Mistake

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath
    from pytest_mlspec.language.spec import Use

ACTIVATIONS = ("relu", "gelu", "silu", "tanh")
"""What the activation of the model mlp may be."""

SWITCHES = frozenset(
    {
        "amsgrad",
        "centered",
        "cycle_momentum",
        "decoupled_weight_decay",
        "full",
        "log_input",
        "log_target",
        "maximize",
        "nesterov",
        "three_phase",
    }
)
"""Arguments of torch that are true or false."""

WORDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "cyclic": {"mode": ("triangular", "triangular2", "exp_range"), "scale_mode": ("cycle", "iterations")},
    "one_cycle": {"anneal_strategy": ("cos", "linear")},
    "reduce_on_plateau": {"mode": ("min", "max"), "threshold_mode": ("rel", "abs")},
}
"""Arguments of torch's schedulers that are words, by schedule."""


def of_model(key: KeyPath, model: Use) -> Iterator[Mistake]:
    """The mistakes in the arguments of a built-in model."""
    given = model.arguments
    hidden, dropout = given.get("hidden", []), given.get("dropout", 0)
    if not (isinstance(hidden, list) and all(type(width) is int and width > 0 for width in hidden)):
        shown = hidden if isinstance(hidden, list) else described(hidden)
        yield Mistake((*key, "hidden"), f"a list of widths is needed, not {shown}", "write it as in [256, 256]")
    if not (_is_number(dropout) and 0 <= dropout < 1):
        yield Mistake((*key, "dropout"), f"a number from 0 to below 1 is needed, not {described(dropout)}")
    yield from _word((*key, "activation"), given.get("activation", ACTIVATIONS[0]), ACTIVATIONS)


def of_torch(key: KeyPath, use: Use, known: frozenset[str]) -> Iterator[Mistake]:
    """The mistakes in the arguments `known` of a registered thing of torch."""
    words = WORDS.get(use.use, {})
    for name, value in use.arguments.items():
        if name not in known or value is None:
            continue
        if name in words:
            yield from _word((*key, name), value, words[name])
        elif name in SWITCHES:
            if not isinstance(value, bool):
                yield Mistake((*key, name), f"true or false is needed, not {described(value)}")
        elif not (_is_number(value) or (isinstance(value, list) and all(map(_is_number, value)))):
            yield Mistake((*key, name), f"a number is needed, not {described(value)}")


def of_schedule(key: KeyPath, use: Use) -> Iterator[Mistake]:
    """The mistakes in the arguments of a registered schedule."""
    entry, given = names.SCHEDULES[use.use], use.arguments
    yield from of_torch(key, use, entry.arguments - {"monitor"})
    for name in sorted(entry.required - given.keys()):
        yield Mistake(key, f"{use.use} needs the argument {name!r}", f"write {{use: {use.use}, {name}: …}}")
    yield from _word((*key, "interval"), given.get("interval", entry.interval), entry.intervals)
    warmup = given.get("warmup", 0)
    if not ((type(warmup) is int and warmup >= 0) or (isinstance(warmup, float) and 0 <= warmup < 1)):
        yield Mistake(
            (*key, "warmup"),
            f"a number of steps or a share of them is needed, not {described(warmup)}",
            "write 100, or 5%",
        )


def _word(key: KeyPath, value: object, allowed: tuple[str, ...]) -> Iterator[Mistake]:
    if value not in allowed:
        yield Mistake(key, *not_among(value, allowed))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
