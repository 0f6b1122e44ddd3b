"""What the arguments of the steps of `data.prepare` may be; those of scikit-learn's transformers only a worker can tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from pytest_mlspec.language.complaints import described, not_among
from pytest_mlspec.language.rules.arguments import is_number
from pytest_mlspec.language.rules.mistake import Mistake

if TYPE_CHECKING:
    from pytest_mlspec.language.load import KeyPath


class _Kind(NamedTuple):
    """What an argument may be, in words, and whether a value is that."""

    what: str
    fits: Callable[[object], bool]


def _whole(least: int) -> _Kind:
    return _Kind(f"a whole number of at least {least}", lambda value: type(value) is int and value >= least)


def _numbers(count: int | None = None) -> _Kind:
    what = "a list of numbers" if count is None else f"a list of {count} numbers"
    return _Kind(
        what,
        lambda value: (
            isinstance(value, list)
            and len(value) > 0
            and len(value) == (count or len(value))
            and all(map(is_number, value))
        ),
    )


def _is_frequency(value: object) -> bool:
    return (type(value) is int and value >= 1) or (isinstance(value, float) and 0 < value < 1)


def _is_names(value: object) -> bool:
    if not (isinstance(value, list) and value):
        return False
    texts = [str(name) for name in value if (isinstance(name, str) and name) or type(name) is int]
    return len(texts) == len(value) == len(set(texts))


_SWITCH = _Kind("true or false", lambda value: isinstance(value, bool))
_NUMBER = _Kind("a number", is_number)
_TEXT = _Kind("a text", lambda value: isinstance(value, str) and value != "")
_FREQUENCY = _Kind("a number of rows or a share of them", _is_frequency)
_NAMES = _Kind("a list of different column names", _is_names)
_SHAPE = _Kind(
    "a list of 2 or 3 sizes",
    lambda value: (
        isinstance(value, list) and len(value) in (2, 3) and all(type(size) is int and size > 0 for size in value)
    ),
)
_SPREADS = _Kind(
    "a list of numbers above 0", lambda value: _numbers().fits(value) and isinstance(value, list) and min(value) > 0
)
_GRAMS = _Kind(
    "a list of 2 whole numbers",
    lambda value: isinstance(value, list) and len(value) == 2 and all(type(size) is int and size > 0 for size in value),
)

_SWITCHES = (
    *("add_indicator", "clip", "with_mean", "with_std", "with_centering", "with_scaling", "unit_variance"),
    *("cyclic", "lowercase", "binary", "use_idf", "smooth_idf", "sublinear_tf"),
)
_COUNTS = ("n_quantiles", "subsample", "length", "vocabulary", "buckets", "max_categories", "max_features")

_KINDS: Mapping[str, _Kind] = {
    **dict.fromkeys(_SWITCHES, _SWITCH),
    **dict.fromkeys(_COUNTS, _whole(1)),
    **dict.fromkeys(("feature_range", "quantile_range"), _numbers(2)),
    "random_state": _whole(0),
    "fill_value": _NUMBER,
    "min_frequency": _FREQUENCY,
    "format": _TEXT,
    "file": _TEXT,
    "token_pattern": _TEXT,
    "ngram_range": _GRAMS,
    "mean": _numbers(),
    "std": _SPREADS,
    "shape": _SHAPE,
    "columns": _NAMES,
}
"""What arguments may be; `min_df` and `max_df` are left to scikit-learn."""

_OF_STEP: Mapping[tuple[str, str], _Kind] = {
    ("ids", "min_frequency"): _whole(1),
    ("tokenize", "min_frequency"): _whole(1),
}

_WORDS: Mapping[str, tuple[object, ...]] = {
    "strategy": ("median", "mean", "most_frequent", "constant"),
    "output_distribution": ("uniform", "normal"),
    "handle_unknown": ("ignore", "infrequent_if_exist", "warn", "error"),
    "drop": ("first", "if_binary"),
    "kind": ("word", "bpe"),
    "ngrams": (1, 2),
    "norm": ("l1", "l2"),
    "analyzer": ("word", "char", "char_wb"),
    "strip_accents": ("ascii", "unicode"),
    "channels": ("first", "last"),
}

PARTS = ("year", "quarter", "month", "week", "day", "dayofyear", "weekday", "hour", "minute", "second", "days")
"""What the step dates makes of a date."""


def of_step(key: KeyPath, step: str, name: str, value: object) -> Iterator[Mistake]:
    """The mistake in one argument of a step."""
    if name == "parts":
        if not _is_names(value):
            yield Mistake(key, f"a list of parts is needed, not {described(value)}", f"parts: {', '.join(PARTS)}")
            return
        for part in value if isinstance(value, list) else ():
            if part not in PARTS:
                yield Mistake(key, *not_among(part, PARTS))
    elif name in _WORDS:
        if value not in _WORDS[name] or isinstance(value, bool):
            yield Mistake(key, *not_among(value, [str(word) for word in _WORDS[name]]))
    elif (kind := _OF_STEP.get((step, name)) or _KINDS.get(name)) is not None and not kind.fits(value):
        shown = value if isinstance(value, list) else described(value)
        yield Mistake(key, f"{kind.what} is needed, not {shown}")
