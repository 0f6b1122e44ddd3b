"""A model by name, made to fit the prepared examples: its sizes are read from them, and what does not fit it is refused.

Shape letters: N rows, L ids of a text, F columns of numbers, K columns of categories.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_mlspec.errors import DataError, RecipeError, did_you_mean
from pytest_mlspec.language.names import MODELS
from pytest_mlspec.language.spec import Use
from pytest_mlspec.recipe.models.autoencoder import Autoencoder
from pytest_mlspec.recipe.models.cnn import CNN
from pytest_mlspec.recipe.models.layers import UNKNOWN
from pytest_mlspec.recipe.models.mlp import MLP
from pytest_mlspec.recipe.models.tabular import Tabular
from pytest_mlspec.recipe.models.text import MeanEmbedding, TextCNN
from pytest_mlspec.recipe.models.transformer import CausalLM, Transformer
from pytest_mlspec.recipe.protocol import Prepared

if TYPE_CHECKING:
    from torch import nn

    from pytest_mlspec.recipe.protocol import NumpyArray

_PREPARE = "data.prepare"
_NUMBERS, _CATEGORIES = "numbers", "categories"
_AS_TEXT = "write `prepare: {use: tokenize, length: 32}`"
_AS_IMAGES = "write `prepare: images`; its source gives [N, H, W] or [N, H, W, C]"
_AS_TABLE = "write `prepare: [impute, standardize, ids]`"


def build(model: Use, prepared: Prepared, *, outputs: int, collated: bool = False) -> nn.Module:
    """The model called `model.use` for the examples `prepared`, with `outputs` numbers a row where the model has such.

    `collated`: the team's `collate` still changes types on the way into the model, so that they are not looked at. Raises
    RecipeError for inputs of another form than the model takes, DataError for ids beyond the vocabulary.
    """
    given = model.arguments
    match model.use:
        case "mlp":
            return MLP(math.prod(_row_of_numbers(prepared, model.use, collated)), outputs, **given)
        case "autoencoder":
            return Autoencoder(_row_of_numbers(prepared, model.use, collated), **given)
        case "cnn":
            return CNN(_image(prepared, model.use, collated), outputs, **given)
        case "mean_embedding":
            vocabulary, _ = _text(prepared, model.use)
            return MeanEmbedding(vocabulary, outputs, **given)
        case "text_cnn":
            vocabulary, _ = _text(prepared, model.use)
            return TextCNN(vocabulary, outputs, **given)
        case "transformer":
            return Transformer(*_text(prepared, model.use), outputs, **given)
        case "causal_lm":
            return CausalLM(*_text(prepared, model.use), **given)
        case "tabular":
            return Tabular(*_table(prepared, model.use), outputs, **given)
    raise RecipeError(f"unknown model {model.use!r}", key="model", advice=did_you_mean(model.use, MODELS))


def _row_of_numbers(prepared: Prepared, model: str, collated: bool) -> Sequence[int]:
    """The shape of a row of floats."""
    values = _single(prepared, model, advice="take another model, or join the arrays in your own `prepare`")
    if values.dtype.kind != "f" and not collated:
        raise _other_form(
            values,
            f"{model} takes floats",
            "for texts as ids: model mean_embedding, text_cnn or transformer; else `prepare: standard` or `prepare: images`",
        )
    return tuple(values.shape[1:])


def _image(prepared: Prepared, model: str, collated: bool) -> Sequence[int]:
    """The shape of an image: [C, H, W] or [H, W]."""
    values = _single(prepared, model, advice=_AS_IMAGES)
    if values.ndim not in (3, 4) or (values.dtype.kind != "f" and not collated):
        raise _other_form(values, f"{model} takes floats [N, C, H, W]", _AS_IMAGES)
    return tuple(values.shape[1:])


def _text(prepared: Prepared, model: str) -> tuple[int, int]:
    """The number of ids, and the length of a text."""
    values = _single(prepared, model, advice=_AS_TEXT)
    if values.ndim != 2 or values.dtype.kind not in "iu":
        raise _other_form(values, f"{model} takes texts as ids, integers [N, L]", _AS_TEXT)
    (vocabulary,) = _vocabulary(prepared, "")
    return vocabulary, values.shape[1]


def _table(prepared: Prepared, model: str) -> tuple[int, tuple[int, ...]]:
    """The number of columns of numbers, and the number of ids of each column of categories."""
    inputs = prepared.splits["train"].inputs
    if not isinstance(inputs, Mapping) or not inputs or not inputs.keys() <= {_NUMBERS, _CATEGORIES}:
        found = f"arrays called {', '.join(inputs)}" if isinstance(inputs, Mapping) else "one array"
        raise RecipeError(
            f"{model} takes {_NUMBERS} [N, F] and {_CATEGORIES} [N, K], and prepare gives {found}",
            key=_PREPARE,
            advice=_AS_TABLE,
        )
    for name, kinds, what in ((_NUMBERS, "f", "floats [N, F]"), (_CATEGORIES, "iu", "ids, integers [N, K]")):
        if name in inputs and (inputs[name].ndim != 2 or inputs[name].dtype.kind not in kinds):
            raise _other_form(inputs[name], f"{model} takes {name} as {what}", _AS_TABLE)
    numbers = inputs[_NUMBERS].shape[1] if _NUMBERS in inputs else 0
    return numbers, _vocabulary(prepared, _CATEGORIES) if _CATEGORIES in inputs else ()


def _single(prepared: Prepared, model: str, *, advice: str) -> NumpyArray:
    inputs = prepared.splits["train"].inputs
    if isinstance(inputs, Mapping):
        raise RecipeError(
            f"the model {model} takes one array, and prepare gives {len(inputs)}: {', '.join(inputs)}",
            key="model",
            advice="model: tabular" if inputs.keys() <= {_NUMBERS, _CATEGORIES} else advice,
        )
    return inputs


def _other_form(values: NumpyArray, wanted: str, advice: str) -> RecipeError:
    what = "texts" if values.dtype.kind in "OUS" else str(values.dtype)
    shape = "".join(f", {size}" for size in values.shape[1:])
    return RecipeError(f"the model {wanted}, and prepare gives {what} [N{shape}]", key=_PREPARE, advice=advice)


def _vocabulary(prepared: Prepared, name: str) -> tuple[int, ...]:
    """The number of ids in a text, or in each column of categories.

    Where the team's own `prepare` made the ids, it is what the training rows hold. Raises DataError where a row of any
    split has an id beyond it: torch would fail somewhere in the training, and on a GPU for good.
    """
    arrays = {
        split: examples.inputs[name] if isinstance(examples.inputs, Mapping) else examples.inputs
        for split, examples in prepared.splits.items()
    }
    known = prepared.vocabularies.get(name) or _seen(arrays["train"], by_column=bool(name))
    for split, ids in arrays.items():
        outside = ((ids < 0) | (ids >= known)).reshape(len(ids), -1).any(axis=1) if ids.size else ids[:0]
        if outside.any():
            at = int(outside.argmax())
            raise DataError(
                f"row {prepared.splits[split].index[at]} of split {split} has the id"
                f" {_first_outside(ids[at], known)}: allowed are 0 … {max(known) - 1}",
                key=_PREPARE,
                advice=f"{UNKNOWN} is the id of what the training rows do not hold",
            )
    return known


def _seen(ids: NumpyArray, *, by_column: bool) -> tuple[int, ...]:
    """One id more than the highest of the training rows; padding and the unknown word always count."""
    highest = ids.max(axis=0, initial=UNKNOWN) if by_column else [ids.max(initial=UNKNOWN)]
    return tuple(int(number) + 1 for number in highest)


def _first_outside(ids: NumpyArray, known: Sequence[int]) -> int:
    return int(ids[(ids < 0) | (ids >= known)][0])
