"""From bytes to documents: encodings, several documents in a file, and broken YAML told in words that help."""

from __future__ import annotations

import pytest

from pytest_mlspec.errors import Place
from pytest_mlspec.language.load import parse_text

from .reading import only_problem, problems_of

pytestmark = pytest.mark.usefixtures("both_parsers")


@pytest.mark.parametrize("raw", [b"\xef\xbb\xbfa: 1\nb: 2\n", b"a: 1\r\nb: 2\r\n", b"a: 1\rb: 2\r", b"a: 1\nb: 2"])
def test_a_byte_order_mark_and_other_line_ends_change_nothing(raw: bytes) -> None:
    """Data and places are those of the plain file."""
    assert parse_text(raw, shown="s.yaml") == parse_text("a: 1\nb: 2\n", shown="s.yaml")


def test_bytes_that_are_not_utf_8_are_refused_at_their_place() -> None:
    """The byte is named, counted from 1 in the file; the column counts characters."""
    assert only_problem("a: 1\nb: é".encode() + b"\xe9") == "2:5 : not UTF-8: byte 11 of the file is 0xE9"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_other_unicode_encodings_are_named(encoding: str) -> None:
    """Editors on Windows write them."""
    assert only_problem("a: 1".encode(encoding)) == f"1:1 : the file is {encoding.upper()}"


def test_a_file_can_hold_several_documents() -> None:
    """Each has data and places of its own."""
    first, second = parse_text("a: 1\n---\n# next\nb: 2\n...\n", shown="s.yaml")

    assert (first.data, second.data) == ({"a": 1}, {"b": 2})
    assert second.places == {(): Place("s.yaml", 4, 1), ("b",): Place("s.yaml", 4, 1)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1:1 : the file is empty"),
        ("# only a comment\n", "1:1 : the file is empty"),
        ("hello", "1:1 : the document is the value 'hello', not a mapping"),
        ("12", "1:1 : the document is the value '12', not a mapping"),
        ("- 1", "1:1 : the document is a list, not a mapping"),
        ("---\n", "2:1 : the document is empty"),
        ("null", "1:1 : the document is empty"),
        ("a: 1\n---\n---\nb: 1\n", "3:1 : the document is empty"),
        ("a: 1\n---\n", "3:1 : the document is empty"),
    ],
)
def test_a_document_that_is_no_mapping_is_refused(text: str, message: str) -> None:
    """Also an empty one among others."""
    assert only_problem(text).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:\n\tb: 1", "2:1 : the line is indented with a tab"),
        ("a:\n  b: 1\n\tc: 2", "3:1 : the line is indented with a tab"),
        ("a: @x", "1:4 : a value cannot start with '@'"),
        ("a: b: c", "1:5 : a ':' stands where no key can stand"),
        ("a: - 1", "1:4 : a '- ' stands where no list can start"),
        ("a: 'x\nb: 1", "1:4 : the quoted text is not closed"),
        ('a: "\\q"', ": the double-quoted text holds an unknown escape"),
        ('a: "\\UFFFFFFFF"', ": "),
        ("a: [1, 2\nb: 3", "2:2 : the list is not closed: ',' or ']' is missing (it starts in line 1, column 4)"),
        ("a: {x: 1\nb: 3", "2:2 : the mapping is not closed: ',' or '}' is missing (it starts in line 1, column 4)"),
        ("a: 1\nb\nc: 2", "2:1 : the key has no ':'"),
        ("a: 1\n- 2", "2:1 : this does not continue the mapping"),
        ("a:\n  - 1\n  b: 2", "3:3 : this does not continue the list"),
        ("a: *.csv", "1:5 : '*' and '&' at the start of a value make an alias or an anchor"),
        ("a: !e!x y", "1:4 : '!' at the start of a value makes a tag"),
        ("a: |x\n  b", "1:5 : only '+', '-' or a number may follow the '|' or '>'"),
        ("a: 1\n... x\n", "2:5 : text follows the end of a document"),
        ("a: ]", "1:4 : a value is missing before this"),
    ],
)
def test_broken_yaml_is_named_in_words_that_help(text: str, message: str) -> None:
    """One problem, at the place to correct."""
    assert message in only_problem(text)


def test_what_was_wrong_before_broken_yaml_is_reported_with_it() -> None:
    """One run shows all that can be told apart."""
    text = "a: 010\nb: 1\nb: 2\nc: {d: .nan}\n<<: {x: 1}\n~: 1\nz: *nope\nt: !env x\ny: [\n"

    assert [key for _, _, key, _ in problems_of(text)] == ["a", "b", "c.d", "<<", "~", "z", "t", ""]
