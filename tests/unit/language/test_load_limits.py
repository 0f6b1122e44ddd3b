"""No tag, alias or depth makes a small file do harm: what has no end is refused before anything is built."""

from __future__ import annotations

import pytest

from pytest_mlspec.errors import Place
from pytest_mlspec.language.load import parse_text
from pytest_mlspec.language.load.files import BYTES_AT_MOST

from .reading import only_problem, problems_of

pytestmark = pytest.mark.usefixtures("both_parsers")

NESTED_FLOW = "a: " + "[" * 100_000
MERGE_BOMB = "k0: &k0 {x: 1}\n" + "".join(
    f"k{n}: &k{n} {{<<: [{', '.join([f'*k{n - 1}'] * 9)}]}}\n" for n in range(1, 12)
)
ALIAS_BOMB = "k0: &k0 [lol]\n" + "".join(f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 9)}]\n" for n in range(1, 12))


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
