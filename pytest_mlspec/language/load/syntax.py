"""What PyYAML says about broken YAML, as a Problem whose words say what to change."""

from __future__ import annotations

import re

import yaml

from pytest_mlspec.errors import Place, Problem

# The first pattern that is found in "context: problem" decides. The C parser and the pure one word things differently.
_SENTENCES = [
    (
        r"mapping values are not allowed",
        "a ':' stands where no key can stand",
        "correct the indentation, or quote a value that holds ': '",
    ),
    (
        r"sequence entries are not allowed",
        "a '- ' stands where no list can start",
        "put the list on lines of its own below its key",
    ),
    (r"quoted scalar: found unexpected (end|document)", "the quoted text is not closed", "close the quotes"),
    (
        r"(quoted|double-quoted) scalar",
        "the double-quoted text holds an unknown escape",
        r"write the text in single quotes, or \\ for a backslash",
    ),
    (
        r"flow sequence",
        "the list is not closed: ',' or ']' is missing",
        "close it, or quote an item that holds one of [ ] { } , :",
    ),
    (
        r"flow mapping",
        "the mapping is not closed: ',' or '}' is missing",
        "close it, or quote a value that holds one of [ ] { } , :",
    ),
    (r"could not find expected ':'", "the key has no ':'", "write `key: value`"),
    (
        r"block mapping",
        "this does not continue the mapping",
        "start all keys of one mapping in the same column, and quote a value that goes on after a closing quote",
    ),
    (
        r"block (sequence|collection)",
        "this does not continue the list",
        "start all items of one list with '- ' in the same column",
    ),
    (
        r"an (alias|anchor)",
        "'*' and '&' at the start of a value make an alias or an anchor, and no name follows",
        "quote the value",
    ),
    (
        r"tag",
        "'!' at the start of a value makes a tag, and tags are not allowed",
        "quote the value if it is meant as text",
    ),
    (r"directive|incompatible YAML", "a directive other than `%YAML 1.2` is not allowed", "remove the line"),
    (
        r"block scalar",
        "only '+', '-' or a number may follow the '|' or '>' that starts a text of several lines",
        "start the text on the next line",
    ),
    (r"document start", "text follows the end of a document", "start the next document with ---"),
    (r"node content", "a value is missing before this", "write the value, or quote it"),
]
# Where PyYAML looked on for the rest of something, the mistake is where that began.
_MISTAKE_AT_START = re.compile(r"could not find expected ':'|quoted scalar: found unexpected (end|document)")


def syntax_problem(error: yaml.YAMLError, *, lines: list[str], shown: str) -> Problem:
    """The Problem for `error`, which PyYAML raised on the text with these `lines`."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return Problem(Place(shown, 1, 1), "", f"not YAML: {error}")
    mark, start = error.problem_mark, error.context_mark
    said = f"{error.context or ''}: {error.problem or ''}"
    if start is not None and _MISTAKE_AT_START.search(said):
        mark = start
    place = Place(shown, mark.line + 1, mark.column + 1)
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return Problem(place, "", "the line is indented with a tab", "indent with spaces")
    message, advice = _sentence(said, character=line[mark.column : mark.column + 1])
    if start is not None and start.line != mark.line:
        message += f" (it starts in line {start.line + 1}, column {start.column + 1})"
    return Problem(place, "", message, advice)


def _sentence(said: str, *, character: str) -> tuple[str, str]:
    if "cannot start any token" in said:
        return f"a value cannot start with {character!r}", "quote the value"
    for pattern, message, advice in _SENTENCES:
        if re.search(pattern, said):
            return message, advice
    return f"not YAML: {said}", ""
