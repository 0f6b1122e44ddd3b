"""Documents from PyYAML's events, with every mistake of the file that can be told apart.

PyYAML's own composer and resolver are not used: they read YAML 1.1, keep the last of two equal keys, expand merge keys
without bound and end the process on deep nesting. Here each limit holds before anything beyond it is built.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

import yaml

from pytest_mlspec.errors import MlspecError, Place, Problem, SpecError
from pytest_mlspec.language.load.characters import named, refused_in_key, refused_in_value
from pytest_mlspec.language.load.document import Document, KeyPath, dotted, shortened
from pytest_mlspec.language.load.scalars import plain_value
from pytest_mlspec.language.load.syntax import syntax_problem

DEPTH_AT_MOST = 64
SCALAR_AT_MOST = 64_000
KEY_AT_MOST = 1_024  # YAML's own limit where a key is not marked with '?'
PROBLEMS_AT_MOST = 100
# Values of mappings and items of lists, each alias counted as often as it repeats them.
NODES_OF_DOCUMENT_AT_MOST = 10_000
NODES_OF_FILE_AT_MOST = 100_000

# The pure parser gives the same events, about 20 times slower; it serves where PyYAML was built without libyaml.
LOADER: type[yaml.CBaseLoader | yaml.BaseLoader] = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader


def compose(text: str, *, shown: str) -> list[Document]:
    """The documents of `text`; raises SpecError with all the problems found up to the first that ends the reading."""
    composer = _Composer(_events(text), shown)
    try:
        documents = composer.documents()
    except yaml.YAMLError as error:
        problem = syntax_problem(error, lines=text.splitlines(), shown=shown)
        raise SpecError([*composer.problems, problem]) from None
    if composer.problems:
        raise SpecError(composer.problems)
    return documents


def _events(text: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=LOADER)
    except (OverflowError, ValueError):
        # The pure parser lets these out where the C parser reports an error of YAML.
        raise yaml.YAMLError("an escape in a double-quoted text is outside Unicode") from None


class _Anchored(NamedTuple):
    value: Any
    path: KeyPath


class _Composer:
    """Reads the events of one file in one pass. `problems` are those that leave the rest of the file readable."""

    def __init__(self, events: Iterator[yaml.Event], shown: str) -> None:
        self.problems: list[Problem] = []
        self._events = events
        self._shown = shown
        self._nodes = 0
        self._nodes_at_most = 0
        self._places: dict[KeyPath, Place] = {}
        self._anchors: dict[str, _Anchored | None] = {}

    def documents(self) -> list[Document]:
        starts = (event for event in self._events if isinstance(event, yaml.DocumentStartEvent))
        documents = [self._document(start) for start in starts]
        if not documents:
            self._stop(Place(self._shown, 1, 1), (), "the file is empty", "a spec starts with `mlspec: 1`")
        return documents

    def _document(self, start: yaml.DocumentStartEvent) -> Document:
        if start.tags or start.version not in (None, (1, 2)):
            self._refuse(start, (), "a directive other than `%YAML 1.2` is not allowed", "remove the line")
        self._nodes_at_most = min(self._nodes + NODES_OF_DOCUMENT_AT_MOST, NODES_OF_FILE_AT_MOST)
        self._anchors = {}
        top = next(self._events)
        self._places = {(): self._place(top)}
        problems_before = len(self.problems)
        data = self._node(top, ())
        if not isinstance(data, dict):
            if len(self.problems) == problems_before:
                self._refuse_top(top, data)
            data = {}
        return Document(self._shown, data, self._places)

    def _refuse_top(self, top: yaml.Event, data: Any) -> None:
        if data is None:
            found = "empty"
        elif isinstance(data, list):
            found = "a list, not a mapping"
        else:
            found = f"the value {shortened(str(data))!r}, not a mapping"
        self._refuse(top, (), f"the document is {found}", "a spec is a mapping that starts with `mlspec: 1`")

    def _node(self, event: yaml.Event, path: KeyPath) -> Any:
        self._count(event, path)
        if isinstance(event, yaml.AliasEvent):
            return self._repeated(event, path)
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        if event.tag is not None:
            tag = shortened(event.tag.replace("tag:yaml.org,2002:", "!!"))
            self._refuse(event, path, f"the tag {tag} is not allowed", "quote a text that starts with '!'")
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event, path)
        elif isinstance(event, yaml.MappingStartEvent):
            value = self._mapping(path)
        else:
            value = self._list(path)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, path)
        return value

    def _mapping(self, path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, path)
            here = (*path, key)
            if key in mapping:
                first = self._places[here]
                self._refuse(
                    event,
                    here,
                    f"the key stands twice; first in line {first.line}, column {first.column}",
                    "remove one",
                )
            else:
                self._places[here] = self._place(event)
            mapping.setdefault(key, self._node(next(self._events), here))
        return mapping

    def _list(self, path: KeyPath) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            here = (*path, len(items))
            self._places[here] = self._place(event)
            items.append(self._node(event, here))
        return items

    def _key(self, event: yaml.Event, path: KeyPath) -> str:
        if not isinstance(event, yaml.ScalarEvent) or event.anchor is not None or event.tag is not None:
            self._stop(
                self._place(event),
                path,
                "a key has to be plain text: no list, mapping, alias, anchor or tag",
                "write `key: value`, and quote a value that starts with {, [, *, & or !",
            )
        key = event.value
        here = (*path, key)
        if len(key) > KEY_AT_MOST:
            self._refuse(event, here, f"the key has {len(key):,} characters, at most {KEY_AT_MOST:,}", "shorten it")
        if (character := refused_in_key(key)) is not None:
            self._refuse(event, here, f"the key holds the invisible character {named(character)}", "remove it")
        if event.implicit[0]:
            if key == "<<":
                self._refuse(event, here, "merge keys are not allowed", "write the keys out")
            self._refuse_other_than_text(event, here)
        return key

    def _refuse_other_than_text(self, event: yaml.ScalarEvent, here: KeyPath) -> None:
        try:
            value = plain_value(event.value)
        except MlspecError:
            value = None
        if not isinstance(value, str):
            self._refuse(
                event, here, f"the key {shortened(event.value)!r} is not text", f"quote it: '{shortened(event.value)}'"
            )

    def _scalar(self, event: yaml.ScalarEvent, path: KeyPath) -> Any:
        text = event.value
        if len(text) > SCALAR_AT_MOST:
            self._refuse(
                event, path, f"the value has {len(text):,} characters, at most {SCALAR_AT_MOST:,}", "use a file"
            )
            return None
        if (character := refused_in_value(text)) is not None:
            self._refuse(event, path, f"the value holds the character {named(character)}", "remove it")
        if not event.implicit[0]:
            return text
        try:
            return plain_value(text)
        except MlspecError as error:
            self._refuse(event, path, error.message, error.advice)
            return None

    def _repeated(self, event: yaml.AliasEvent, path: KeyPath) -> Any:
        name = str(event.anchor)
        anchored = self._anchors.get(name)
        if anchored is not None:
            return self._copy(anchored.value, anchored.path, path, event)
        if name in self._anchors:
            self._refuse(
                event, path, f"the alias *{shortened(name)} stands inside what it repeats", "write the value out"
            )
        else:
            self._refuse(
                event, path, f"no anchor &{shortened(name)} before this alias", "quote a text that starts with '*'"
            )
        return None

    def _copy(self, value: Any, source: KeyPath, target: KeyPath, event: yaml.Event) -> Any:
        """A value of its own for each alias, so that a change below one key cannot show below another."""
        if not isinstance(value, dict | list):
            return value
        copied: dict[Any, Any] = {}
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            here = (*target, key)
            self._count(event, here)
            self._places[here] = self._places[(*source, key)]
            copied[key] = self._copy(item, (*source, key), here, event)
        return copied if isinstance(value, dict) else list(copied.values())

    def _count(self, event: yaml.Event, path: KeyPath) -> None:
        self._nodes += 1
        if self._nodes > self._nodes_at_most:
            limits = f"at most {NODES_OF_DOCUMENT_AT_MOST:,} in a document and {NODES_OF_FILE_AT_MOST:,} in a file"
            self._stop(
                self._place(event), path, f"too many values, each alias counted in full: {limits}", "split the file"
            )
        if len(path) > DEPTH_AT_MOST:
            self._stop(self._place(event), path[:3], f"nested deeper than {DEPTH_AT_MOST} levels", "flatten it")

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        return Place(self._shown, mark.line + 1, mark.column + 1) if mark else Place(self._shown, 1, 1)

    def _refuse(self, event: yaml.Event, path: KeyPath, message: str, advice: str) -> None:
        self.problems.append(Problem(self._place(event), dotted(path), message, advice))
        if len(self.problems) == PROBLEMS_AT_MOST:
            self._stop(
                self._place(event), (), f"the rest is not read after {PROBLEMS_AT_MOST} problems", "correct these"
            )

    def _stop(self, place: Place, path: KeyPath, message: str, advice: str) -> NoReturn:
        raise SpecError([*self.problems, Problem(place, dotted(path), message, advice)])
