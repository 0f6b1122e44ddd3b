"""`tfidf` and `count`: a number for each word of a text, by scikit-learn's vectorizers, for models that take numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError, RecipeError
from pytest_mlspec.recipe.prepare.frame import KEY, Frame

if TYPE_CHECKING:
    from pytest_mlspec.language.spec import Use
    from pytest_mlspec.recipe.protocol import NumpyArray

# Models take arrays, which hold every 0 too.
_LARGEST_BYTES = 4e9


class Count:
    """A number for each word of a text: how often it stands there (`count`), weighted by how rare it is (`tfidf`)."""

    def __init__(self, use: Use) -> None:
        self._use = use
        self.learned: Mapping[str, Any] = {}

    def fit(self, frame: Frame, targets: NumpyArray) -> None:
        """Fits a vectorizer for each column."""
        from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

        kind = TfidfVectorizer if self._use.use == "tfidf" else CountVectorizer
        arguments = {
            name: tuple(value) if name == "ngram_range" else value
            for name, value in self._use.arguments.items()
            if name != "columns"
        }
        vectorizers: dict[str, Any] = {}
        for column in columns_of_text(self._use, frame):
            vectorizer = kind(**arguments)
            try:
                vectorizer.fit(texts_of(frame, column))
            except (TypeError, ValueError) as error:  # an argument, or texts without a word
                raise RecipeError(f"{self._use.use} of the column {column!r}: {error}", key=KEY) from error
            # A set of the words that were left out, for people to look at; it can be as large as the texts.
            vars(vectorizer).pop("stop_words_", None)
            vectorizers[column] = vectorizer
        self.learned = {"vectorizers": vectorizers}

    def transform(self, frame: Frame) -> Frame:
        """The frame with a column for each word behind its numbers, in place of the texts."""
        for column, vectorizer in self.learned["vectorizers"].items():
            found = vectorizer.transform(texts_of(frame, column))
            needed = found.shape[0] * found.shape[1] * 8
            if needed > _LARGEST_BYTES:
                raise DataError(
                    f"{self._use.use} makes {found.shape[1]} columns of {column!r}, {needed / 1e9:.0f} GB for"
                    f" {found.shape[0]} rows",
                    key=KEY,
                    advice=f"write {{use: {self._use.use}, max_features: 5000}}",
                )
            names = [f"{column}={word}" for word in vectorizer.get_feature_names_out()]
            frame = frame.without([column]).with_numbers(names, found.toarray().astype("float64", copy=False))
        return frame


def columns_of_text(use: Use, frame: Frame) -> list[str]:
    """The columns of text: those declared, or the one that there is."""
    declared = use.arguments.get("columns")
    if declared is not None:
        columns = [str(name) for name in declared]
        for column in columns:
            frame.text_of(column)
        return columns
    if len(frame.texts) == 1:
        return list(frame.texts)
    known = ", ".join(list(frame.texts or frame.names)[:10])
    raise DataError(
        f"{use.use} needs a column of text, and there are {len(frame.texts)}",
        key=KEY,
        advice=f"write {{use: {use.use}, columns: [{next(iter(frame.texts))}]}}; texts: {known}"
        if frame.texts
        else f"columns: {known}",
    )


def texts_of(frame: Frame, column: str) -> list[str]:
    """The texts of a column; a missing one is empty."""
    return [text if isinstance(text, str) else "" for text in frame.text_of(column)]
