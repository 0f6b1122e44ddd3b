"""Keys are plain text that says what it seems to say, each once, and each with its place."""

from __future__ import annotations

import pytest

from pytest_mlspec.errors import Place
from pytest_mlspec.language.load import dotted, parse_text

from .reading import only_problem, problems_of

pytestmark = pytest.mark.usefixtures("both_parsers")


def test_every_key_and_item_has_its_place() -> None:
    """Lines and columns count from 1; the empty path is the document's first node."""
    (document,) = parse_text("# spec\na:\n  b: [x, {c: 1}]\n'd': |\n  text\n", shown="s.yaml")

    assert document.data == {"a": {"b": ["x", {"c": 1}]}, "d": "text\n"}
    assert {dotted(key): str(place) for key, place in document.places.items()} == {
        "": "s.yaml:2:1",
        "a": "s.yaml:2:1",
        "a.b": "s.yaml:3:3",
        "a.b[0]": "s.yaml:3:7",
        "a.b[1]": "s.yaml:3:10",
        "a.b[1].c": "s.yaml:3:11",
        "d": "s.yaml:4:1",
    }


def test_a_missing_key_has_the_place_of_what_should_hold_it() -> None:
    """The nearest mapping or list around a key answers for it."""
    (document,) = parse_text("a: {b: 1}\n", shown="s.yaml")

    assert document.place(("a", "c", 0)) == Place("s.yaml", 1, 1)
    assert document.place(("a", "b", "c")) == Place("s.yaml", 1, 5)
    assert document.place(("x",)) == Place("s.yaml", 1, 1)


def test_duplicate_keys_are_all_reported_with_both_places() -> None:
    """Also nested ones, each at its second place with the first one named."""
    text = "lr: 1\ntrain:\n  epochs: 1\n  epochs: 2\nlr: 2\nlr: 3\n"

    assert problems_of(text) == [
        (4, 3, "train.epochs", "the key stands twice; first in line 3, column 3"),
        (5, 1, "lr", "the key stands twice; first in line 1, column 1"),
        (6, 1, "lr", "the key stands twice; first in line 1, column 1"),
    ]


@pytest.mark.parametrize("key", ["1", "true", "null", "~", "1e-3", "010", ".nan", "0x1F"])
def test_a_key_that_is_not_text_is_refused(key: str) -> None:
    """The message names the key and the advice quotes it."""
    assert only_problem(f"{key}: 1") == f"1:1 {key}: the key {key!r} is not text"


def test_keys_that_only_yaml_1_1_reads_otherwise_are_text() -> None:
    """`on`, `yes` and times need no quotes."""
    (document,) = parse_text("on: 1\nyes: 2\n12:30: 3\n'1': 4\n", shown="s.yaml")

    assert document.data == {"on": 1, "yes": 2, "12:30": 3, "1": 4}


@pytest.mark.parametrize(
    "text", ["? [a, b]\n: 1", "a: {{ name }}", "? {a: 1}\n: 2", "&a k: 1", "!!str k: 1", "a: &a b\n*a : c"]
)
def test_a_key_that_is_more_than_text_is_refused(text: str) -> None:
    """Lists, mappings, aliases, anchors and tags cannot be keys; a template's braces get here too."""
    assert "a key has to be plain text" in only_problem(text)


def test_a_key_of_a_thousand_characters_is_refused() -> None:
    """A key marked with '?' could otherwise be as long as the file."""
    assert "the key has 2,000 characters, at most 1,024" in only_problem("? " + "k" * 2000 + "\n: 1")


def test_merge_keys_are_refused() -> None:
    """With the key in quotes it is an ordinary one."""
    assert only_problem("a: &a {x: 1}\nb:\n  <<: *a\n") == "3:3 b.<<: merge keys are not allowed"
    assert parse_text("'<<': 1", shown="s.yaml")[0].data == {"<<": 1}


@pytest.mark.parametrize(
    ("character", "named"),
    [
        ("\u200b", "U+200B (zero width space)"),
        ("\u00a0", "U+00A0 (no-break space)"),
        ("\u00ad", "U+00AD (soft hyphen)"),
        ("\u3164", "U+3164 (hangul filler)"),
        ("\ufe0f", "U+FE0F (variation selector-16)"),
        ("\U000e0001", "U+E0001 (language tag)"),
    ],
)
def test_an_invisible_character_in_a_key_is_named(character: str, named: str) -> None:
    """`l<zero width space>r` looks like `lr`."""
    assert f"the key holds the invisible character {named}" in only_problem(f"l{character}r: 1")


@pytest.mark.parametrize("character", ["\u202e", "\u2066", "\u200f", "\u061c"])
@pytest.mark.parametrize("text", ["{}ab: 1", "key: a{}b", "key: 'a{}b'", "key: 1  # {}"])
def test_a_character_that_changes_the_order_of_text_is_refused(character: str, text: str) -> None:
    """In keys, values and comments: what a reviewer sees has to be what is read."""
    assert f"the character U+{ord(character):04X} (" in only_problem(text.format(character))


@pytest.mark.parametrize("escape", [r"\u202e", r"\0", r"\u2066"])
def test_an_escape_brings_no_harmful_character_into_a_value(escape: str) -> None:
    """Escapes in double quotes are checked as well."""
    assert "1:6 key: the value holds the character U+" in only_problem(f'key: "{escape}"')


def test_an_escape_brings_no_invisible_character_into_a_key() -> None:
    """A key with a line end in it could not be told apart in a message."""
    assert only_problem(r'"l\nr": 1') == r"1:1 l\nr: the key holds the invisible character U+000A (control character)"


def test_text_of_other_scripts_and_escaped_separators_are_accepted() -> None:
    """Values hold what is visible, and a control where it is written as an escape."""
    (document,) = parse_text('größe: "日本 \U0001f600"\nsep: "\\x01"\ntab: "\\t"\n', shown="s.yaml")

    assert document.data == {"größe": "日本 \U0001f600", "sep": "\x01", "tab": "\t"}


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x7f", "\x85", "\u2028", "\ufeff", "\uffff", "\ud800"])
def test_a_control_character_is_refused_at_its_place(character: str) -> None:
    """Also line ends that only some programs know, and halves of a character."""
    assert f"2:5 : the character U+{ord(character):04X} (" in only_problem(f"a: 1\r\nb: x{character}")
