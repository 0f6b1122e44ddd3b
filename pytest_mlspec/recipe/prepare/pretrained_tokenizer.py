"""`tokenizer`: texts become ids, masks and types by name, by the tokenizer of a model of transformers.

It lies in a folder, on the hub at one commit, or is what the team's function makes of the training texts. What is kept is the
tokenizer in its one file, so a fitted step needs the package tokenizers alone. What is cut is counted in the frame's notes.

Shape letters: N rows, L ids of a text.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlspec.errors import DataError, MissingExtraError, RecipeError
from pytest_mlspec.language.spec import Use
from pytest_mlspec.recipe.calls import call_user, check_arguments
from pytest_mlspec.recipe.prepare.counts import columns_of_text, texts_of
from pytest_mlspec.recipe.prepare.frame import KEY, Frame
from pytest_mlspec.recipe.prepare.tokens import LONGEST_BY_ITSELF, imported

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

IDS, MASK, TYPES = "input_ids", "attention_mask", "token_type_ids"
_PATH = f"{KEY}.path"
_TEXTS_AT_ONCE = 10_000


class PretrainedTokenizer:
    """The text of a column, or of two columns as a pair, as `input_ids`, `attention_mask` and, where the tokenizer makes them,
    `token_type_ids`, each [N, L].

    Without a `length` it is that of the longest training text, at most 128.
    """

    def __init__(self, use: Use, root: Path, allowed: Sequence[str] = ()) -> None:
        self._use = use
        self._root = root
        self._allowed = allowed
        self._of_learned: Tokenizer | None = None
        self.learned: Mapping[str, Any] = {}

    def fit(self, frame: Frame, targets: Any) -> None:
        """Takes the tokenizer from where it lies, or lets the team's function make it of the texts of `frame`."""
        columns = columns_of_text(self._use, frame)
        if len(columns) > 2:
            raise RecipeError(f"a tokenizer takes a text or a pair, not {len(columns)} columns", key=f"{KEY}.columns")
        texts = [text for column in columns for text in texts_of(frame, column)]
        made = self._made(texts)
        if made.pad_token_id is None:
            raise RecipeError(
                f"the tokenizer of {self._name} has no padding token",
                key=KEY,
                advice="set one and save it again: tokenizer.pad_token = tokenizer.eos_token",
            )
        backend = made.backend_tokenizer
        backend.no_padding()
        backend.no_truncation()
        self.learned = {
            "columns": columns,
            "tokenizer": backend.to_str(),
            "length": self._use.arguments.get("length"),
            "ids": len(made),
            "pad": [made.pad_token_id, str(made.pad_token), made.pad_token_type_id],
            "sides": [made.padding_side, made.truncation_side],
            "names": [name for name in (IDS, MASK, TYPES) if name in (IDS, MASK) or name in made.model_input_names],
        }
        self._of_learned = None
        if self.learned["length"] is None:
            longest = max((len(each.ids) for each in self._encoded(frame, cut=False)), default=0)
            self.learned = {**self.learned, "length": max(1, min(longest, LONGEST_BY_ITSELF))}

    def transform(self, frame: Frame) -> Frame:
        """The frame with ids, masks and types in place of the texts."""
        import numpy as np

        learned = self.learned
        found = {name: np.zeros((len(frame), learned["length"]), dtype=np.int64) for name in learned["names"]}
        cut = 0
        for row, each in enumerate(self._encoded(frame, cut=True)):
            cut += bool(each.overflowing)
            for name, values in ((IDS, each.ids), (MASK, each.attention_mask), (TYPES, each.type_ids)):
                if name in found:
                    found[name][row] = values
        columns = " and ".join(map(repr, learned["columns"]))
        notes = [f"{cut} of {len(frame)} texts of {columns} were cut at {learned['length']} tokens"] if cut else []
        return replace(
            frame.without(learned["columns"]),
            ids={**frame.ids, **found},
            vocabularies={**frame.vocabularies, **dict.fromkeys(found, 2), IDS: learned["ids"]},
            notes=(*frame.notes, *notes),
        )

    @property
    def _name(self) -> str:
        return str(self._use.arguments.get("path") or self._use.arguments.get("name"))

    def _encoded(self, frame: Frame, *, cut: bool) -> list[Encoding]:
        """The texts, or pairs, of `frame`, padded and cut to the length where `cut` is true."""
        tokenizer, learned = self._tokenizer(), self.learned
        if cut:
            pad, (padding, truncation) = learned["pad"], learned["sides"]
            tokenizer.enable_truncation(learned["length"], direction=truncation)
            tokenizer.enable_padding(
                length=learned["length"], pad_id=pad[0], pad_token=pad[1], pad_type_id=pad[2], direction=padding
            )
        texts = [texts_of(frame, column) for column in learned["columns"]]
        rows: list[Any] = texts[0] if len(texts) == 1 else list(zip(*texts, strict=True))
        found: list[Encoding] = []
        for start in range(0, len(rows), _TEXTS_AT_ONCE):
            found += tokenizer.encode_batch_fast(rows[start : start + _TEXTS_AT_ONCE])
        return found

    def _tokenizer(self) -> Tokenizer:
        if self._of_learned is None:
            self._of_learned = imported().Tokenizer.from_str(self.learned["tokenizer"])
        return self._of_learned

    def _made(self, texts: list[str]) -> Any:
        """The tokenizer as transformers reads it, with all that its configuration adds."""
        imported()
        try:
            from transformers import AutoTokenizer, PreTrainedTokenizerBase
        except ImportError:
            raise MissingExtraError("transformers", extra="transformers", key=KEY) from None
        found: Any = self._found(texts)
        if not isinstance(found, PreTrainedTokenizerBase):
            try:
                found = AutoTokenizer.from_pretrained(found, local_files_only=True, trust_remote_code=False)
            except Exception as error:  # whatever the reader of one of many kinds of files raises
                line = (str(error) or type(error).__name__).splitlines()[0]
                raise DataError(
                    f"{self._name} holds no tokenizer: {line}",
                    key=_PATH,
                    advice="name a folder that tokenizer.save_pretrained wrote",
                ) from error
        if not getattr(found, "is_fast", False):
            raise RecipeError(
                f"the tokenizer of {self._name} is a {type(found).__name__}, written in Python",
                key=KEY,
                advice="save the fast form of it, which has a tokenizer.json",
            )
        return found

    def _found(self, texts: list[str]) -> Any:
        """The folder of the tokenizer, or what the team's function gave."""
        from pytest_mlspec.recipe.pretrained import digest_of, locate
        from pytest_mlspec.recipe.resolve import resolve

        given = self._use.arguments
        if "name" in given:
            place = {name: given[name] for name in ("name", "revision") if name in given}
            return locate(Use(use="pretrained", arguments=place), root=self._root).folder
        path = str(given["path"])
        found: Any = path
        if ":" in path:
            function = resolve(path, root=self._root, key=_PATH, allowed=self._allowed)
            check_arguments(function, ("texts",), key=_PATH, name=path)
            found = call_user(function, texts, key=_PATH, name=path)
            if not isinstance(found, str | os.PathLike):
                return found
        folder = self._root / found
        if ":" not in path and not folder.resolve().is_relative_to(self._root.resolve()):
            raise DataError(f"{path} lies outside the root directory {self._root}", key=_PATH)
        if not folder.is_dir():
            raise DataError(f"{found} is no folder", key=_PATH, advice="name one that tokenizer.save_pretrained wrote")
        digest_of(folder)  # what the library opens, nobody sees: this notes each file as read
        return folder
