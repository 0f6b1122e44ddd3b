"""Spec files as strict plain data, with the line and column of every key.

    files.py        path -> bytes -> text; which files are specs
    characters.py   the characters that may stand in a spec
    compose.py      PyYAML's events -> documents, within limits; its own composer reads YAML 1.1 and hangs on hostile files
    scalars.py      one plain scalar -> its value, YAML 1.2 core
    syntax.py       what PyYAML says about broken YAML, as a sentence that helps
    document.py     what comes out

Nothing here knows what the keys of a spec mean; that is the business of `spec`.
"""

from pytest_mlspec.language.load.document import Document, KeyPath, dotted
from pytest_mlspec.language.load.files import is_spec, parse_text, read

__all__ = ["Document", "KeyPath", "dotted", "is_spec", "parse_text", "read"]
