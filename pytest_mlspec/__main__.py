"""`python -m pytest_mlspec`: show a spec with every default, tell what engines can be asked, look after the evidence store.

show SPEC                         every key with the value that it has, as YAML
engines                           which check and gate can be asked of which engine, as Markdown
store                             what is stored, least recently used first
store --keep 2GB                  remove the least recently used beyond a size
store --unused-for 30d            remove what has not been used for so long
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlspec.engines import ENGINES
from pytest_mlspec.errors import MlspecError
from pytest_mlspec.language.embedding import NO_TABLE

if TYPE_CHECKING:
    from pytest_mlspec.language.spec import Spec

DAY_S = 86_400.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code is 2 where a spec or an argument cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m pytest_mlspec", description="Look at specs and at stored evidence."
    )
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="pytest's root directory (default: this folder)")
    commands = parser.add_subparsers(dest="command", required=True)
    show = commands.add_parser("show", help="print a spec with every default")
    show.add_argument("spec", type=Path)
    commands.add_parser("engines", help="print what can be asked of which engine, as Markdown")
    store = commands.add_parser("store", help="list stored evidence, or remove some")
    store.add_argument(
        "--keep", type=_size, metavar="SIZE", help="remove the least recently used beyond this, such as 2GB"
    )
    store.add_argument(
        "--unused-for", type=_days, metavar="DAYS", help="remove what was not used for so long, such as 30d"
    )
    options = parser.parse_args(arguments)
    try:
        if options.command == "show":
            _show(options.spec, options.root)
        elif options.command == "engines":
            _engines()
        else:
            _store(options.root, keep=options.keep, unused_for=options.unused_for)
    except MlspecError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _show(path: Path, root: Path) -> None:
    """Prints the specs of a file, each as a document that says what it left open and can be read again."""
    import yaml

    from pytest_mlspec.language.declared import read

    for declared in read(path, root=root):
        print("---")
        print(yaml.safe_dump(_as_written(declared.spec), sort_keys=False, allow_unicode=True, width=110), end="")


def _engines() -> None:
    """Prints the page of the documentation."""
    from pytest_mlspec.report import engines_page

    print(engines_page(), end="")


def _as_written(spec: Spec) -> dict[str, Any]:
    """`spec` in the language that users write; what it does not have is left out."""
    data: dict[str, Any] = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    data["limits"]["time"] = f"{spec.limits.time:g}s"
    if spec.limits.memory is not None:
        data["limits"]["memory"] = f"{spec.limits.memory}B"
    train = data["train"]
    split = data.get("data", {}).get("split", {})
    for name in ("test", "val") if "files" in split else ():
        if name in split["files"]:
            del split[name]  # a rule refuses a share beside a file
    for node, key in ((train, "timeout"), (train.get("checkpoint", {}), "time")):
        if key in node:
            node[key] = f"{node[key]:g}s"
    if not spec.train.workers:
        train.pop("timeout", None)  # a rule refuses it there
    if spec.train.steps is not None:
        train.pop("epochs", None)  # a rule refuses it there
    if spec.task is not None and spec.task.use == "embedding":
        for name in NO_TABLE:
            data["data"].pop(name, None)  # a rule refuses them there
    for name in ENGINES.find(spec.train.engine.use).refuses:
        data["train"].pop(name, None)
    data["checks"] = [
        {"skip": {"check": use.check, "why": use.skip}}
        if use.skip
        else {use.check: dict(use.params)}
        if use.params
        else use.check
        for use in spec.checks
    ]
    flattened: dict[str, Any] = _flattened(data)
    return flattened


def _flattened(value: Any) -> Any:
    """`value` with the arguments of each `use` beside it."""
    if isinstance(value, list):
        return [_flattened(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"use", "arguments"}:
        return {"use": value["use"], **value["arguments"]}
    return {name: _flattened(item) for name, item in value.items()}


def _store(root: Path, *, keep: int | None, unused_for: float | None) -> None:
    """Prints what is stored, or what was removed."""
    from pytest_mlspec.store import Store

    store = Store(root)
    removes = keep is not None or unused_for is not None
    found = store.prune(keep_bytes=keep, older_than_s=unused_for) if removes else store.entries()
    for entry in found:
        print(f"{entry.size_bytes / 1e6:>10.2f} MB  {entry.location}  {entry.label}")
    print(f"{sum(entry.size_bytes for entry in found) / 1e6:>10.2f} MB {'removed' if removes else 'in all'}")


def _size(text: str) -> int:
    from pytest_mlspec.language.units import size

    try:
        return size(text)
    except MlspecError as error:
        raise argparse.ArgumentTypeError(f"{error}; {error.advice}") from None


def _days(text: str) -> float:
    number = text.removesuffix("d")
    if number == text or not number.replace(".", "", 1).isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days, such as 30d")
    return float(number) * DAY_S


if __name__ == "__main__":
    raise SystemExit(main())
