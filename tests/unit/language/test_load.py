"""Spec files are read as strict plain data with places, and what cannot be used is named with its place and remedy."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_mlspec.errors import Place, SpecError
from pytest_mlspec.language.load import Document, dotted, is_spec, parse_text, read
from pytest_mlspec.language.load.files import BYTES_AT_MOST

NESTED_FLOW = "a: " + "[" * 100_000
MERGE_BOMB = "k0: &k0 {x: 1}\n" + "".join(
    f"k{n}: &k{n} {{<<: [{', '.join([f'*k{n - 1}'] * 9)}]}}\n" for n in range(1, 12)
)
ALIAS_BOMB = "k0: &k0 [lol]\n" + "".join(f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 9)}]\n" for n in range(1, 12))


@pytest.fixture(
    autouse=True,
    params=[
        pytest.param("CBaseLoader", marks=pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML lacks libyaml")),
        "BaseLoader",
    ],
)
def _parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs with the C parser and with the pure one."""
    monkeypatch.setattr("pytest_mlspec.language.load.compose.LOADER", getattr(yaml, request.param))


def value_of(scalar: str) -> Any:
    return parse_text(f"key: {scalar}\n", shown="s.yaml")[0].data["key"]


def problems_of(text: str | bytes) -> list[tuple[int, int, str, str]]:
    """Line, column, key and message of every problem."""
    with pytest.raises(SpecError) as caught:
        parse_text(text, shown="s.yaml")
    return [(each.place.line, each.place.column, each.key, each.message) for each in caught.value.problems]


def only_problem(text: str | bytes) -> str:
    """The only problem as `line:column key: message`."""
    ((line, column, key, message),) = problems_of(text)
    return f"{line}:{column} {key}: {message}"


# Scalars


@pytest.mark.parametrize(
    "text", ["NO", "on", "off", "yes", "12:30", "2024-01-01", "1_000", "nan", "inf", "0b1", "1.2.3"]
)
def test_what_only_yaml_1_1_reads_otherwise_is_text(text: str) -> None:
    """Booleans, base-60 numbers, dates and underscores of YAML 1.1 stay as written."""
    assert value_of(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("null", None),
        ("~", None),
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-17", -17),
        ("0x1F", 31),
        ("0o17", 15),
        ("-9223372036854775808", -(2**63)),
        ("9223372036854775807", 2**63 - 1),
        ("0x0000000000000000000000000000000001", 1),
        ("1e-3", 0.001),
        ("1E5", 1e5),
        (".5", 0.5),
        ("3.", 3.0),
        ("1.10", 1.1),
        ("-0.0", -0.0),
        ("'010'", "010"),
        ('"1e-3"', "1e-3"),
        ("'~'", "~"),
    ],
)
def test_core_scalars_have_their_value(text: str, value: object) -> None:
    """The core schema of YAML 1.2 decides, and quotes make text; the type is exact."""
    read_as = value_of(text)

    assert (read_as, type(read_as)) == (value, type(value))


@pytest.mark.parametrize("text", ["010", "-010", "00", "+007", "08"])
def test_an_integer_with_a_leading_zero_is_refused(text: str) -> None:
    """Readers of YAML disagree about its base."""
    assert f"key: {text} is ambiguous" in only_problem(f"key: {text}")


@pytest.mark.parametrize("text", [".nan", ".NaN", ".inf", "-.inf", "+.INF"])
def test_numbers_that_are_not_finite_are_refused(text: str) -> None:
    """NaN and infinity pass comparisons that they should fail."""
    assert only_problem(f"key: {text}") == f"1:6 key: {text} is not a finite number"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.0e+999", "would be read as infinity"),
        ("1e-999", "would be read as 0"),
        ("9223372036854775808", "outside the range of 64-bit integers"),
        ("-9223372036854775809", "outside the range of 64-bit integers"),
        ("9" * 5000, "outside the range of 64-bit integers"),
        ("0x" + "f" * 60_000, "outside the range of 64-bit integers"),
        ("0x" + "f" * 100_000, "100,002 characters, at most 64,000"),
        ("x" * 64_001, "64,001 characters, at most 64,000"),
    ],
)
def test_numbers_beyond_64_bits_and_huge_scalars_are_refused(text: str, message: str) -> None:
    """Nothing is rounded to infinity or zero in silence, and the message stays short."""
    problem = only_problem(f"key: {text}")

    assert message in problem
    assert len(problem) < 250


# Keys and their places


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


# Characters


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


# Tags, anchors, limits


@pytest.mark.parametrize(
    ("tagged", "tag"),
    [
        ("!!python/object/apply:os.system ['true']", "!!python/object/apply:os.system"),
        ("!env HOME", "!env"),
        ("!include other.yaml", "!include"),
        ("!!binary aGk=", "!!binary"),
        ("!!set {a}", "!!set"),
        ("!!str 1", "!!str"),
        ("! 1", "!"),
    ],
)
def test_tags_are_refused(tagged: str, tag: str) -> None:
    """Even harmless ones: quotes say the same."""
    assert only_problem(f"key: {tagged}") == f"1:6 key: the tag {tag} is not allowed"


@pytest.mark.parametrize("line", ["%YAML 1.1", "%YAML 2.0", "%TAG !e! tag:example.com,2000:"])
def test_directives_other_than_yaml_1_2_are_refused(line: str) -> None:
    """`%YAML 1.2` itself is accepted."""
    assert "a directive other than `%YAML 1.2` is not allowed" in only_problem(f"{line}\n---\na: 1\n")
    assert parse_text("%YAML 1.2\n---\na: 1\n", shown="s.yaml")[0].data == {"a": 1}


def test_an_alias_gives_a_value_of_its_own() -> None:
    """A change below one key does not show below the other; places below an alias are those of the anchored text."""
    (document,) = parse_text("a: &a {x: [1]}\nb: *a\nc: *a\n", shown="s.yaml")
    document.data["b"]["x"].append(2)

    assert document.data == {"a": {"x": [1]}, "b": {"x": [1, 2]}, "c": {"x": [1]}}
    assert document.places[("b",)] == Place("s.yaml", 2, 1)
    assert document.places[("b", "x", 0)] == Place("s.yaml", 1, 12)


def test_an_alias_inside_what_it_repeats_is_refused() -> None:
    """The data would have no end."""
    assert only_problem("a: &a [*a]") == "1:8 a[0]: the alias *a stands inside what it repeats"


def test_an_alias_without_an_anchor_is_refused() -> None:
    """Anchors end with their document."""
    assert only_problem("a: &a 1\n---\nb: *a\n") == "3:4 b: no anchor &a before this alias"


@pytest.mark.parametrize(
    "text",
    [
        ALIAS_BOMB,
        "a:\n" + "- 1\n" * 10_001,
        ("---\na: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\nb: &b [*a, *a, *a, *a, *a, *a]\nc: [*b, *b, *b]\n") * 1000,
    ],
    ids=["aliases", "list", "documents"],
)
def test_too_many_values_are_refused(text: str) -> None:
    """Each alias counts as often as it repeats: 400 bytes can stand for 9**11 values."""
    assert "too many values, each alias counted in full" in only_problem(text)


def test_a_merge_key_bomb_is_refused() -> None:
    """500 bytes of merge keys keep other readers of YAML busy for hours."""
    assert {message for *_, message in problems_of(MERGE_BOMB)} >= {"merge keys are not allowed"}


@pytest.mark.parametrize(
    "text",
    [
        NESTED_FLOW,
        "a: " + "{a: " * 10_000,
        "".join(" " * level + "a:\n" for level in range(900)),
        "a:\n" + "- " * 2000,
        "a: &a " + "[" * 40 + "1" + "]" * 40 + "\nb: " + "[" * 40 + "*a" + "]" * 40,
    ],
    ids=["lists", "mappings", "indented", "dashes", "alias"],
)
def test_deep_nesting_is_refused(text: str) -> None:
    """The limit holds before anything is built that recursion could fail on."""
    assert "nested deeper than 64 levels" in only_problem(text)


def test_the_reading_ends_after_a_hundred_problems() -> None:
    """A file of 100,000 mistakes gives a report that can be read."""
    problems = problems_of("a: 1\n" * 100_000)

    assert len(problems) == 101
    assert problems[-1][3] == "the rest is not read after 100 problems"


def test_a_file_above_one_megabyte_is_refused() -> None:
    """The size is checked before anything else."""
    assert only_problem(b"#" * (BYTES_AT_MOST + 1)) == "1:1 : the file is larger than 1 MB"


# Encodings


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


# Documents


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


# Syntax


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


# Files


def test_the_path_is_shown_relative_to_the_root(tmp_path: Path) -> None:
    """A file elsewhere keeps the path that was given."""
    spec = tmp_path / "specs" / "a.yaml"
    spec.parent.mkdir()
    spec.write_text("a: 1\n", encoding="utf-8")

    (inside,) = read(spec, root=tmp_path)
    (outside,) = read(spec, root=tmp_path / "other")

    assert inside == Document("specs/a.yaml", {"a": 1}, inside.places)
    assert outside.path == spec.as_posix()


def unreadable_of(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        read(path, root=path.parent)
    return str(caught.value)


def test_a_missing_file_is_a_problem_of_the_spec(tmp_path: Path) -> None:
    """It has a place, as every problem."""
    expected = f"a.yaml:1:1  the file cannot be read: {os.strerror(errno.ENOENT)}"

    assert unreadable_of(tmp_path / "a.yaml") == expected


def test_a_directory_is_a_problem_of_the_spec(tmp_path: Path) -> None:
    """Directories may be called like specs."""
    (tmp_path / "a.mlspec.yaml").mkdir()

    assert unreadable_of(tmp_path / "a.mlspec.yaml") == "a.mlspec.yaml:1:1  the file cannot be read: it is a directory"


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Opening it would block until somebody writes."""
    os.mkfifo(tmp_path / "a.yaml")

    assert unreadable_of(tmp_path / "a.yaml") == "a.yaml:1:1  the file cannot be read: it is not a regular file"


def test_a_loop_of_links_is_a_problem_of_the_spec(tmp_path: Path) -> None:
    """The path is shown as given."""
    (tmp_path / "a.yaml").symlink_to("b.yaml")
    (tmp_path / "b.yaml").symlink_to("a.yaml")

    assert unreadable_of(tmp_path / "a.yaml") == f"a.yaml:1:1  the file cannot be read: {os.strerror(errno.ELOOP)}"


def test_a_file_without_permission_is_a_problem_of_the_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated, since the superuser may read everything."""
    (tmp_path / "a.yaml").write_text("a: 1\n", encoding="utf-8")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", refuse)

    assert unreadable_of(tmp_path / "a.yaml") == f"a.yaml:1:1  the file cannot be read: {os.strerror(errno.EACCES)}"


def test_a_path_that_no_file_can_have_is_a_problem_of_the_spec(tmp_path: Path) -> None:
    """A name with a NUL is refused by Python itself."""
    assert "the file cannot be read: embedded null" in unreadable_of(tmp_path / "a\0.yaml")


# Which files are specs


@pytest.mark.parametrize(
    "start",
    [
        "mlspec: 1\n",
        "mlspec:\n",
        "\ufeffmlspec: 1\n",
        "# churn\r\n\r\n# model\r\nmlspec: 1\r\n",
        "%YAML 1.2\n---\nmlspec: 1\n",
        "--- # first\nmlspec: 1\n",
        "--- {mlspec: 1}\n",
        "{mlspec: 1, name: a}\n",
        '{\n  "mlspec": 1\n}',
        "'mlspec': 1\n",
        "mlspec : 1\n",
        "# " + "x" * 4000 + "\nmlspec: 1\n",
    ],
)
def test_a_yaml_file_whose_first_key_is_mlspec_is_a_spec(start: str, tmp_path: Path) -> None:
    """After comments, directives, the start of the document and a byte order mark; in flow style too."""
    (tmp_path / "a.yaml").write_text(start, encoding="utf-8", newline="")

    assert is_spec(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"name: a\nmlspec: 1\n",
        b"mlspecs: 1\n",
        b"mlspec:1\n",
        b"mlspec\n",
        b"# mlspec: 1\n",
        b"- mlspec: 1\n",
        b"a:\n  mlspec: 1\n",
        b"!!python/object {",
        b"\xff\xfe\x00\xe9",
        b"\x00" * 100,
        b"[" * 100_000,
        b"#" * 100_000 + b"\nmlspec: 1\n",
    ],
)
def test_any_other_yaml_is_left_alone(raw: bytes, tmp_path: Path) -> None:
    """Whatever it holds, nothing is raised."""
    (tmp_path / "a.yml").write_bytes(raw)

    assert not is_spec(tmp_path / "a.yml")


def test_a_file_with_the_name_of_a_spec_is_one_whatever_it_holds(tmp_path: Path) -> None:
    """An empty `a.mlspec.yaml` has to be an error, not a file that is passed over."""
    assert is_spec(tmp_path / "a.mlspec.yaml")
    assert is_spec(tmp_path / "a.mlspec.yml")
    assert not is_spec(tmp_path / "a.mlspec.json")


def test_what_cannot_be_read_is_not_a_spec(tmp_path: Path) -> None:
    """Looking for specs never raises."""
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")

    assert not is_spec(tmp_path / "missing.yaml")
    assert not is_spec(tmp_path / "folder.yaml")
    assert not is_spec(tmp_path / "pipe.yaml")
    assert not is_spec(tmp_path / "a\0.yaml")
