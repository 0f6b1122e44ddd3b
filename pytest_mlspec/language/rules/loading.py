"""The rules of how rows reach a training: changed at random, drawn by class, repeated, loaded by workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeGuard

from pytest_mlspec.language import names
from pytest_mlspec.language.complaints import described, not_among
from pytest_mlspec.language.rules.mistake import Mistake
from pytest_mlspec.language.rules.uses import named_or_path
from pytest_mlspec.language.task import facts_of

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath
    from pytest_mlspec.language.spec import Spec, Use

WORDS: Mapping[str, tuple[str, ...]] = {
    "padding_mode": ("constant", "edge", "reflect"),
    "interpolation": ("nearest", "bilinear"),
}
"""The arguments of changes of an image that are words."""

_SHARES = frozenset({"p"})
_PAIRS_ABOVE_0 = frozenset({"scale", "ratio"})
_LOADED_AS_A_WHOLE = "sklearn."


def mistakes(spec: Spec) -> Iterator[Mistake]:
    """The mistakes of `data.augment` and `data.oversample`, of `train.sampler`, `train.workers` and `train.timeout`."""
    if spec.data is not None:
        for number, use in enumerate(spec.data.augment):
            yield from _change(("data", "augment", number), use)
        if spec.data.augment and spec.train.engine.use != "torch":
            yield Mistake(
                ("data", "augment"), f"the engine {spec.train.engine.use} has no batches to change", "remove this key"
            )
    yield from _balance(spec)
    yield from _workers(spec)


def _change(key: KeyPath, use: Use) -> Iterator[Mistake]:
    table = {name: entry.arguments for name, entry in names.AUGMENTATIONS.items()}
    yield from named_or_path(key, use, table, "change of an image")
    if use.use not in names.AUGMENTATIONS:
        return
    for name in sorted(names.AUGMENTATIONS[use.use].required - use.arguments.keys()):
        yield Mistake(key, f"{use.use} needs the argument {name!r}", f"write {{use: {use.use}, {name}: …}}")
    for name, value in use.arguments.items():
        if name in table[use.use]:
            yield from _argument((*key, name), name, value)


def _argument(key: KeyPath, name: str, value: object) -> Iterator[Mistake]:
    if name in WORDS:
        if value not in WORDS[name]:
            yield Mistake(key, *not_among(value, WORDS[name]))
    elif name in _SHARES:
        if not (_is_number(value) and 0 <= value <= 1):
            yield Mistake(key, f"a probability from 0 to 1 is needed, not {described(value)}")
    elif name in _PAIRS_ABOVE_0:
        if not (_is_pair(value) and 0 < value[0] <= value[1]):
            yield Mistake(key, f"two numbers above 0 are needed, not {described(value)}", f"write {name}: [LOW, HIGH]")
    elif name == "padding":
        if not (type(value) is int and value > 0):
            yield Mistake(key, f"a number of pixels is needed, not {described(value)}", "write 2")
    elif name == "degrees":
        if not ((_is_number(value) and value > 0) or (_is_pair(value) and value[0] <= value[1])):
            yield Mistake(key, f"an angle above 0 or two are needed, not {described(value)}", "write 15, or [-15, 15]")
    elif not _is_number(value):
        yield Mistake(key, f"a number is needed, not {described(value)}")


def _balance(spec: Spec) -> Iterator[Mistake]:
    """The mistakes of the ways to make classes count alike."""
    loss, facts = spec.train.loss, facts_of(spec)
    ways: dict[KeyPath, bool] = {
        ("train", "sampler"): spec.train.sampler == "balanced",
        ("data", "oversample"): spec.data is not None and spec.data.oversample,
        ("train", "loss"): loss is not None and not loss.is_path and names.BALANCED in loss.arguments.values(),
    }
    chosen = [key for key, is_chosen in ways.items() if is_chosen]
    for key in chosen:
        if key != ("train", "loss") and facts is not None and not (facts.supervised and facts.classes):
            yield Mistake(key, "there are no classes to balance", "remove this key")
    if len(chosen) > 1:
        shown = " and ".join(".".join(map(str, key)) for key in chosen)
        yield Mistake(
            chosen[0], f"{shown} each balance the classes: together they would do it twice", "keep one of them"
        )
    if spec.train.sampler is not None and not spec.train.shuffle:
        yield Mistake(("train", "sampler"), "rows that are drawn have no order to keep", "remove shuffle: false")


def _workers(spec: Spec) -> Iterator[Mistake]:
    train, source = spec.train, spec.data.source if spec.data else None
    if train.workers and spec.recipe is None and source is not None and source.use.startswith(_LOADED_AS_A_WHOLE):
        yield Mistake(
            ("train", "workers"),
            f"the rows of {source.use} lie in memory, so workers have nothing to load",
            "remove this key",
        )
    if "timeout" in train.model_fields_set and not train.workers:
        yield Mistake(
            ("train", "timeout"),
            "there are no workers to wait for",
            "write workers: 1 or more; `limits.time` bounds the training as a whole",
        )


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_pair(value: object) -> TypeGuard[list[float]]:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))
