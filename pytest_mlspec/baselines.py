"""The baseline file: descriptions of the specs of one file as text that a reviewer can read, and back.

It is JSON beside the spec, one line for each split, column, input, class of golden rows and parameter, in an order that no run
changes; numbers have six significant digits. So a change of the data is a change of few lines. Raw rows are never written:
golden rows are hashes, and texts stand there only where several rows share them. Each entry ends with a digest of its own, so
that one that was edited, cut, or merged line by line is refused, and two branches that record different specs still merge.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from pytest_mlspec.errors import DataError
from pytest_mlspec.evidence import (
    ColumnDescription,
    Description,
    GoldenRow,
    InputDescription,
    SplitDescription,
    Structure,
    Values,
)

FORMAT = 1
SUFFIX = ".baseline.json"

_FORMAT_KEY = "mlspec_baseline"
_DIGEST_KEY = "digest"
_ABOUT = "Recorded by `pytest --mlspec SPEC --mlspec-update`. Review its changes, commit it, edit nothing."
# Sketches of so many golden rows stand in a file; the others follow rows, labels and splits.
_SKETCHED = 16
_BETWEEN = " "

Entries = Mapping[str, Description]
"""Descriptions by the names of their specs."""


def file_of(spec_file: str) -> str:
    """The baseline file of the specs in `spec_file`.

    >>> file_of("specs/churn.mlspec.yaml")
    'specs/churn.mlspec.baseline.json'
    """
    return str(PurePosixPath(spec_file).with_suffix(SUFFIX))


def text_of(entries: Entries) -> str:
    """The file of these descriptions: equal descriptions give equal bytes."""
    specs = {name: _sealed(name, _plain(entries[name])) for name in sorted(entries)}
    return f"{_lines({_FORMAT_KEY: FORMAT, 'about': _ABOUT, 'specs': specs}, 0)}\n"


def read(text: str, file: str) -> dict[str, Description]:
    """The descriptions in the `text` of `file`; raises DataError where it is not what `text_of` writes."""
    try:
        found = json.loads(text, parse_constant=_no_number, object_pairs_hook=_each_once)
        version = found[_FORMAT_KEY]
    except json.JSONDecodeError as error:
        raise _unreadable(file, f"{error.msg} in line {error.lineno}") from None
    except (KeyError, TypeError):
        raise _unreadable(file, "it names no format") from None
    except ValueError as error:
        raise _unreadable(file, str(error)) from None
    if version != FORMAT:
        raise DataError(
            f"the baseline {file} has the format {version!r:.20}, and this version reads {FORMAT}",
            key="checks",
            advice="install the pytest-mlspec that wrote it, or record it again with --mlspec-update",
        )
    try:
        return {name: _unsealed(name, entry) for name, entry in found["specs"].items()}
    except (KeyError, TypeError, AttributeError):
        raise _unreadable(file, "an entry is not what --mlspec-update writes") from None
    except ValueError as error:
        raise _unreadable(file, str(error)) from None


def _unreadable(file: str, why: str) -> DataError:
    advice = "take it from version control, or record it again: pytest --mlspec-update"
    return DataError(f"the baseline {file} is unreadable: {why}", key="checks", advice=advice)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} stands where a number belongs")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, _ in pairs if [other for other, _ in pairs].count(name) > 1)
        raise ValueError(f"{twice!r} stands there twice, as after a merge")
    return found


def _sealed(name: str, plain: Mapping[str, Any]) -> dict[str, Any]:
    """The entry of the spec `name` with its digest at the end."""
    return {**plain, _DIGEST_KEY: _digest(name, plain)}


def _unsealed(name: str, entry: Mapping[str, Any]) -> Description:
    """The description in an entry; raises ValueError where its digest is that of another one."""
    plain = {key: value for key, value in entry.items() if key != _DIGEST_KEY}
    if entry[_DIGEST_KEY] != _digest(name, plain):
        raise ValueError(f"the entry of {name} was changed by hand, merged, or is that of another spec")
    return _description(plain)


def _digest(name: str, plain: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([name, plain], sort_keys=True).encode()).hexdigest()[:12]


def same(one: Description, other: Description) -> bool:
    """Whether a file would hold the same of both."""
    return _plain(one) == _plain(other)


def changes(old: Description, new: Description) -> list[str]:
    """What a file holds otherwise of `new`, by its parts: `columns: age, plan`; parts that are new or gone too."""
    before, after = _plain(old), _plain(new)
    told = []
    for part in after:
        one, other = before[part], after[part]
        if one == other:
            continue
        named = isinstance(one, dict) and isinstance(other, dict)
        names = [name for name in {**one, **other} if one.get(name) != other.get(name)] if named else []
        shown = [name for name in names if name][:4]
        told.append(f"{part}: {', '.join(shown)}{', …' if len(names) > 4 else ''}" if shown else part)
    return told


def _plain(entry: Description) -> dict[str, Any]:
    """What a file holds of a description, as plain data in the order of its lines."""
    golden = {key: row for key, row in sorted(entry.golden.items()) if len(row.splits) == len(row.labels) == 1}
    sketched = list(golden)[:_SKETCHED]
    by_label: dict[str, dict[str, list[str]]] = {}
    for key, row in golden.items():
        # The label of a row without classes is a hash of its own; that of a class stands once for all its rows.
        own = "" if entry.classes else f"={row.labels[0]}".removesuffix("=")
        group = row.labels[0] if entry.classes else ""
        by_label.setdefault(row.splits[0], {}).setdefault(group, []).append(f"{key}:{row.place}{own}")
    order = [*entry.classes, ""]
    return {
        "declared": dict(sorted(entry.declared.items())),
        "split": entry.split,
        "split_by": entry.split_by,
        "order": entry.order,
        "fits": entry.fits,
        "classes": list(entry.classes),
        "splits": {
            name: {
                "rows": split.rows,
                **({"digest": split.digest} if split.digest else {}),
                **({"classes": dict(split.classes)} if split.classes else {}),
                **({"targets": _of_values(split.targets)} if split.targets else {}),
            }
            for name, split in entry.splits.items()
        },
        "columns": {name: _of_column(column) for name, column in entry.columns.items()},
        "inputs": {
            name: {
                "dtype": given.dtype,
                "shape": list(given.shape),
                "values": {split: _of_values(values) for split, values in given.values.items()},
                "spread": _rounded(given.spread),
                "sketches": {
                    key: _rounded(golden[key].sketches[name]) for key in sketched if name in golden[key].sketches
                },
            }
            for name, given in entry.inputs.items()
        },
        "golden": {
            "asked": entry.asked,
            **{
                split: {label: _BETWEEN.join(labels[label]) for label in sorted(labels, key=_place_in(order))}
                for split, labels in sorted(by_label.items())
            },
        },
        "model": {
            "declared": entry.model.declared,
            "parts": dict(entry.model.parts),
            "layers": dict(entry.model.layers),
            "answers": _rounded(entry.model.answers),
            **({"missing": entry.model.missing} if entry.model.missing else {}),
        },
    }


def _place_in(order: list[str]) -> Callable[[str], tuple[int, str]]:
    return lambda label: (order.index(label) if label in order else len(order), label)


def _of_column(column: ColumnDescription) -> dict[str, Any]:
    named = {"categories": dict(column.categories), "other": column.other} if column.categories else {}
    return {
        "kind": column.kind,
        "count": column.count,
        "missing": _number(column.missing),
        **named,
        **({"identifies": True} if column.identifies else {}),
        "values": _of_values(column.values),
    }


def _of_values(values: Values) -> dict[str, Any]:
    common = {} if values.common is None else {"common": [_number(values.common), _number(values.common_share)]}
    return {"count": values.count, "cuts": _rounded(values.cuts), "shares": _rounded(values.shares), **common}


def _description(entry: Mapping[str, Any]) -> Description:
    asked = entry["golden"]["asked"]
    classes = tuple(entry["classes"])
    golden: dict[str, GoldenRow] = {}
    for split, labels in entry["golden"].items():
        for label, keys in labels.items() if split != "asked" else ():
            for shown in keys.split(_BETWEEN):
                key, _, rest = shown.partition(":")
                place, _, own = rest.partition("=")
                sketches = {
                    name: tuple(given["sketches"][key])
                    for name, given in entry["inputs"].items()
                    if key in given["sketches"]
                }
                golden[key] = GoldenRow((split,), (label if classes else own,), sketches, place)
    return Description(
        declared=dict(entry["declared"]),
        splits={
            name: SplitDescription(
                split["rows"],
                dict(split.get("classes", {})),
                _values(split["targets"]) if "targets" in split else None,
                split.get("digest", ""),
            )
            for name, split in entry["splits"].items()
        },
        split_by=entry["split_by"],
        classes=classes,
        columns={name: _column(column) for name, column in entry["columns"].items()},
        inputs={
            name: InputDescription(
                given["dtype"],
                tuple(given["shape"]),
                {split: _values(values) for split, values in given["values"].items()},
                tuple(given["spread"]),
            )
            for name, given in entry["inputs"].items()
        },
        model=_structure(entry["model"]),
        golden=golden,
        asked=asked,
        split=entry["split"],
        order=entry["order"],
        fits=entry["fits"],
    )


def _structure(model: Mapping[str, Any]) -> Structure:
    return Structure(
        model["declared"],
        dict(model["parts"]),
        dict(model["layers"]),
        tuple(model["answers"]),
        model.get("missing", ""),
    )


def _column(column: Mapping[str, Any]) -> ColumnDescription:
    return ColumnDescription(
        kind=column["kind"],
        count=column["count"],
        missing=float(column["missing"]),
        values=_values(column["values"]),
        categories=dict(column.get("categories", {})),
        other=column.get("other", 0),
        identifies=column.get("identifies", False),
    )


def _values(values: Mapping[str, Any]) -> Values:
    common, share = values.get("common", (None, 0.0))
    return Values(values["count"], tuple(values["cuts"]), tuple(values["shares"]), common, float(share))


def _rounded(numbers: Iterable[float]) -> list[float]:
    return [_number(number) for number in numbers]


def _number(number: float) -> float:
    """`number` to six significant digits, without a fraction where it has none."""
    rounded = float(f"{number:.6g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


# How deep mappings are written one key a line: a spec, its parts, their names; golden rows by split and label.
_DEEPEST = {"golden": 4, "inputs": 5, "model": 4}


def _lines(value: Any, depth: int, deepest: int = 3) -> str:
    """`value` as JSON, mappings down to the depth `deepest` with one key a line."""
    if not isinstance(value, Mapping) or not value or depth > deepest:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    indent = "  " * (depth + 1)
    inner = (
        f"{indent}{json.dumps(key, ensure_ascii=False)}:"
        f" {_lines(each, depth + 1, _DEEPEST.get(key, 3) if depth == 2 else deepest)}"
        for key, each in value.items()
    )
    return "{\n" + ",\n".join(inner) + "\n" + "  " * depth + "}"
