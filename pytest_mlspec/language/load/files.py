"""From a path to text, and which files are specs."""

from __future__ import annotations

import codecs
import os
import re
import stat
from pathlib import Path

from pytest_mlspec.errors import Place, Problem, SpecError
from pytest_mlspec.language.load.characters import named, refused_in_file
from pytest_mlspec.language.load.document import Document

BYTES_AT_MOST = 1_000_000

_BYTES_OF_START = 8192
# What may stand before the first key: comments, directives, the start of the document, a brace.
_STARTS_WITH_MLSPEC = re.compile(
    rb"(?:\xef\xbb\xbf)?"
    rb"(?:[ \t]*(?:#[^\r\n]*)?[\r\n]|%[^\r\n]*[\r\n]|---[ \t]*(?:[ \t]#[^\r\n]*)?[\r\n])*"
    rb"(?:---[ \t]+)?(?:\{\s*)?(?P<quote>[\"']?)mlspec(?P=quote)[ \t]*:(?:\s|\Z)"
)
_OTHER_ENCODINGS = [
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
]


def is_spec(path: Path) -> bool:
    """Whether the file is a spec: by its name, or a YAML file whose first key is `mlspec`. Never raises."""
    name = path.name.lower()
    if name.endswith((".mlspec.yaml", ".mlspec.yml")):
        return True
    if not name.endswith((".yaml", ".yml")):
        return False
    try:
        start = _start_of(path, _BYTES_OF_START)
    except (OSError, ValueError):
        return False
    return _STARTS_WITH_MLSPEC.match(start) is not None


def read(path: Path, *, root: Path) -> list[Document]:
    """The documents of the file, its path shown relative to `root`; raises SpecError with every problem found."""
    shown = _shown(path, root)
    try:
        raw = _start_of(path, BYTES_AT_MOST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise SpecError([Problem(Place(shown, 1, 1), "", f"the file cannot be read: {reason}")]) from None
    return parse_text(raw, shown=shown)


def parse_text(text: str | bytes, *, shown: str) -> list[Document]:
    """The documents of `text`; raises SpecError with every problem found. `shown` is the path in messages."""
    if len(text) > BYTES_AT_MOST:
        message = f"the file is larger than {BYTES_AT_MOST / 1e6:g} MB"
        raise SpecError([Problem(Place(shown, 1, 1), "", message, "keep data in data files; split a spec")])
    decoded = (_decoded(text, shown) if isinstance(text, bytes) else text).removeprefix("\ufeff")
    index = refused_in_file(decoded)
    if index is not None:
        message = f"the character {named(decoded[index])} cannot stand in a spec: it is not shown as it is read"
        raise SpecError([Problem(_place_after(decoded[:index], shown), "", message, "remove it")])

    # Imported here because PyYAML takes 10 ms, which a run that finds all its specs in the store need not spend.
    from pytest_mlspec.language.load.compose import compose

    return compose(decoded, shown=shown)


def _start_of(path: Path, size: int) -> bytes:
    """The first `size` bytes; raises OSError for what is not a regular file, as opening a pipe would wait for ever."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise OSError("it is a directory" if stat.S_ISDIR(mode) else "it is not a regular file")
    with path.open("rb") as file:
        return file.read(size)


def _shown(path: Path, root: Path) -> str:
    # Lexically, without following links: users know the path that they gave.
    absolute, base = (Path(os.path.normpath(each.absolute())) for each in (path, root))
    return (absolute.relative_to(base) if absolute.is_relative_to(base) else path).as_posix()


def _decoded(raw: bytes, shown: str) -> str:
    for mark, encoding in _OTHER_ENCODINGS:
        if raw.startswith(mark):
            raise SpecError([Problem(Place(shown, 1, 1), "", f"the file is {encoding}", "save it as UTF-8")])
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"not UTF-8: byte {error.start + 1} of the file is 0x{raw[error.start]:02X}"
        before = raw[: error.start].decode("utf-8").removeprefix("\ufeff")
        raise SpecError([Problem(_place_after(before, shown), "", message, "save the file as UTF-8")]) from None


def _place_after(before: str, shown: str) -> Place:
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Place(shown, len(lines), len(lines[-1]) + 1)
