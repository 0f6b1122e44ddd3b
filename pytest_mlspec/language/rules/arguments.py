"""What the arguments of registered things may be, as far as their names tell: numbers, switches, words.

Ranges are torch's own business: a worker reports what its constructors refuse. Its schedulers take some that they cannot
work with, and leave the rate as it is; those are refused here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeGuard

from pytest_mlspec.language import names
from pytest_mlspec.language.complaints import described, not_among
from pytest_mlspec.language.rules.mistake import Mistake
from pytest_mlspec.language.rules.uses import named

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath
    from pytest_mlspec.language.spec import Use

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

COUNTS = frozenset({"T_0", "T_max", "T_mult", "step_size", "step_size_down", "step_size_up", "total_iters"})
"""Arguments of torch's schedulers that count steps or epochs."""

_GROUPS = "write it as in groups: {backbone: {lr: 1e-4}}"


def of_optimizer(key: KeyPath, use: Use) -> Iterator[Mistake]:
    """The mistakes in the arguments of a registered optimiser, and in those of its groups."""
    known = names.OPTIMIZERS[use.use].arguments
    yield from of_torch(key, use, known)
    groups, key = use.arguments.get("groups"), (*key, "groups")
    if groups is not None and not (isinstance(groups, Mapping) and groups):
        yield Mistake(key, f"names of modules with arguments are needed, not {described(groups)}", _GROUPS)
        return
    for prefix, given in (groups or {}).items():
        if isinstance(given, Mapping) and given:
            group = use.model_copy(update={"arguments": dict(given)})
            yield from named((*key, prefix), group, {use.use: known}, "optimizer")
            yield from of_torch((*key, prefix), group, known)
        else:
            yield Mistake((*key, prefix), f"arguments of {use.use} are needed, not {described(given)}", _GROUPS)


def of_loss(key: KeyPath, use: Use) -> Iterator[Mistake]:
    """The mistakes in the arguments of a registered loss."""
    entry, given = names.LOSSES[use.use], use.arguments
    weight = "pos_weight" if "pos_weight" in entry.arguments else "weight"
    can_be_balanced = weight == "pos_weight" or entry.targets == "class"
    balanced = {name for name, value in given.items() if value == names.BALANCED}
    for name in sorted(balanced & entry.arguments - ({weight} if can_be_balanced else set())):
        advice = f"write {weight}: {names.BALANCED}" if can_be_balanced else ""
        yield Mistake((*key, name), f"{name} of {use.use} cannot be {names.BALANCED}", advice)
    yield from of_torch(key, use, entry.arguments - balanced)
    if use.use == "focal" and {"alpha", "weight"} <= given.keys():
        yield Mistake((*key, "alpha"), "alpha and weight both weigh the classes", "keep one of them")


def of_torch(key: KeyPath, use: Use, known: frozenset[str]) -> Iterator[Mistake]:
    """The mistakes in the arguments `known` of a registered thing of torch."""
    words = WORDS.get(use.use, {})
    for name, value in use.arguments.items():
        if name not in known or value is None:
            continue
        if name in words:
            yield from word((*key, name), value, words[name])
        elif name in SWITCHES:
            if not isinstance(value, bool):
                yield Mistake((*key, name), f"true or false is needed, not {described(value)}")
        elif not (is_number(value) or (isinstance(value, list) and all(map(is_number, value)))):
            yield Mistake((*key, name), f"a number is needed, not {described(value)}")


def of_schedule(key: KeyPath, use: Use) -> Iterator[Mistake]:
    """The mistakes in the arguments of a registered schedule."""
    entry, given = names.SCHEDULES[use.use], use.arguments
    yield from of_torch(key, use, entry.arguments - {"monitor"})
    for name in sorted(entry.required - given.keys()):
        yield Mistake(key, f"{use.use} needs the argument {name!r}", f"write {{use: {use.use}, {name}: …}}")
    yield from word((*key, "interval"), given.get("interval", entry.interval), entry.intervals)
    for name in sorted(COUNTS & given.keys()):
        if not _is_count(given[name]):
            yield Mistake((*key, name), f"a whole number above 0 is needed, not {described(given[name])}")
    milestones = given.get("milestones", [1])
    if not (isinstance(milestones, list) and milestones and all(map(_is_count, milestones))):
        told = f"whole numbers above 0 are needed, not {described(milestones)}"
        yield Mistake((*key, "milestones"), told, "write it as in [30, 60]")
    length = entry.length
    if length is not None and length in given and len(entry.intervals) > 1 and "interval" not in given:
        advice = f"write `interval: step` or `interval: epoch`, or leave {length} out"
        yield Mistake((*key, length), f"{length} may count steps or epochs", advice)
    warmup = given.get("warmup", 0)
    if not ((type(warmup) is int and warmup >= 0) or (isinstance(warmup, float) and 0 <= warmup < 1)):
        yield Mistake(
            (*key, "warmup"),
            f"a number of steps or a share of them is needed, not {described(warmup)}",
            "write 100, or 5%",
        )


def word(key: KeyPath, value: object, allowed: tuple[str, ...]) -> Iterator[Mistake]:
    """The mistake of a word that is none of those allowed."""
    if value not in allowed:
        yield Mistake(key, *not_among(value, allowed))


def _is_count(value: object) -> bool:
    return type(value) is int and value > 0


def is_number(value: object) -> TypeGuard[int | float]:
    """True for a number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
