"""Golden rows: a committed file of raw rows with the outputs that are expected for them.

{"rows": [{"plan": "basic", "monthly_fee": 21.3}, …],        raw rows by column, or as lists of numbers
 "outputs": [{"no": 0.91, "yes": 0.09}, …]}                  by class, or in the order of the classes; labels; values
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_mlspec.errors import DataError, MlspecError
from pytest_mlspec.probes import answers, requests
from pytest_mlspec.probes.answers import Answers, Form

CANDIDATE = "golden.json"
"""The file of a job that holds the present outputs, for a team to look at and to commit."""

_KEY = "checks"
_DIGITS = 8
_FORM = 'write {"rows": […], "outputs": […]}, one output for each row'


def read(path: Path, form: Form, *, like: Any) -> tuple[Any, Answers]:
    """The raw rows of the file, as a service makes them of JSON, and the outputs expected; `like` are raw test rows.

    Raises FileNotFoundError where there is no file, DataError where it is none of golden rows.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path.name} is no JSON: {error}", key=_KEY, advice=_FORM) from error
    match found:
        case {"rows": [_, *_] as rows, "outputs": list(outputs)} if len(rows) == len(outputs):
            pass
        case _:
            raise DataError(f"{path.name} holds no golden rows", key=_KEY, advice=_FORM)
    try:
        return requests.from_records(rows, like), answers.read(outputs, len(rows), replace(form, source=path.name))
    except (MlspecError, TypeError, ValueError) as error:
        raise DataError(f"{path.name} cannot be read: {error}", key=_KEY, advice=_FORM) from error


def write(path: Path, features: Any, served: Answers, form: Form) -> None:
    """Writes `features` with what was served for them."""
    outputs: list[Any] = served.values.round(_DIGITS).tolist()
    if served.kind == "labels":
        outputs = [form.classes[number] for number in served.values.argmax(axis=1)]
    elif served.kind == "probabilities":
        outputs = [dict(zip(form.classes, row, strict=True)) for row in outputs]
    rows = requests.records(features)
    text = json.dumps({"rows": rows, "outputs": outputs}, indent=1, default=str, ensure_ascii=False)
    path.write_text(f"{text}\n", encoding="utf-8")
