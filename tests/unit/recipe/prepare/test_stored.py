"""A stored preparation is read back whole, in any process, or refused."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from pytest_mlspec.errors import DataError
from pytest_mlspec.recipe.prepare.own import UsersStep
from pytest_mlspec.recipe.prepare.stored import load_fitted, save_fitted
from pytest_mlspec.recipe.prepare.values import UnstorableError
from pytest_mlspec.recipe.transform import Fitted, fit
from recipe.steps import fitted_on, rows_of

TABLE = pd.DataFrame(
    {"age": [20.0, None, 40.0, 60.0], "plan": ["a", "b", None, "b"], "text": ["to be", "or", "", "not"]}
)
STEPS: Any = ("impute", "standardize", {"use": "tokenize", "columns": ["text"]}, "ids")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A stored preparation of numbers, a category and a text."""
    save_fitted(fitted_on(TABLE, *STEPS), tmp_path / "stored")
    return tmp_path / "stored"


def test_the_folder_holds_files_that_people_can_read(folder: Path) -> None:
    """JSON, safetensors, the tokenizer as Hugging Face writes it, and digests as sha256sum writes them."""
    lines = (folder / "preparation.sha256").read_text().splitlines()

    assert sorted(path.name for path in folder.iterdir()) == [
        "arrays.safetensors",
        "preparation.json",
        "preparation.sha256",
        "tokenizer-3.json",
    ]
    assert json.loads((folder / "tokenizer-3.json").read_text())["model"]["type"] == "WordLevel"
    assert [line.split("  ")[1] for line in lines] == ["arrays.safetensors", "preparation.json", "tokenizer-3.json"]


def test_another_process_prepares_raw_rows_as_the_training_did(folder: Path) -> None:
    """It has seen neither the training rows nor the spec, and unpickles nothing."""
    code = """
import sys, pickle, pandas
pickle.loads = pickle.load = pickle.Unpickler = None
from pathlib import Path
from pytest_mlspec.recipe.prepare.stored import load_fitted
inputs = load_fitted(Path(sys.argv[1])).inputs(pandas.read_json(sys.stdin))
print({name: values.tobytes().hex() for name, values in inputs.items()})
"""
    found = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        input=TABLE.to_json(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    inputs: Any = fitted_on(TABLE, *STEPS).inputs(TABLE)

    assert found.stdout.strip() == str({name: values.tobytes().hex() for name, values in inputs.items()})


def _flipped(folder: Path, name: str, byte: int) -> None:
    content = bytearray((folder / name).read_bytes())
    content[byte] ^= 1
    (folder / name).write_bytes(content)


@pytest.mark.parametrize("name", ["arrays.safetensors", "preparation.json", "preparation.sha256", "tokenizer-3.json"])
@pytest.mark.parametrize("byte", [0, 60, -1])
def test_a_flipped_bit_is_found(folder: Path, name: str, byte: int) -> None:
    """In any file."""
    _flipped(folder, name, byte)

    with pytest.raises(DataError, match=r"cannot be used: .*SHA-256 differs"):
        load_fitted(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "arrays.safetensors").unlink(), "it lacks arrays.safetensors"),
        (lambda folder: (folder / "preparation.sha256").unlink(), "it lacks preparation.sha256"),
        (lambda folder: (folder / "tokenizer-3.json").unlink(), "SHA-256 differs"),
        (lambda folder: (folder / "more.json").write_text("{}"), "SHA-256 differs"),
        (lambda folder: (folder / "preparation.json").write_bytes(b""), "SHA-256 differs"),
        (lambda folder: [path.unlink() for path in folder.iterdir()], "it lacks"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(folder: Path, damage: Callable[[Path], Any], message: str) -> None:
    """Files missing, added or cut."""
    damage(folder)

    with pytest.raises(DataError, match=message):
        load_fitted(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Nothing is made anew in silence."""
    with pytest.raises(DataError, match="there is no stored preparation at"):
        load_fitted(tmp_path / "none")


def _rewritten(folder: Path, change: Callable[[Any], Any]) -> None:
    """Changes preparation.json and seals the folder again, as somebody would who means it."""
    path = folder / "preparation.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps(change(about) or about))
    files = [each for each in sorted(folder.iterdir()) if each.name != "preparation.sha256"]
    lines = [f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.name}\n" for each in files]
    (folder / "preparation.sha256").write_text("".join(lines))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda about: about.update(format=2), "its format is 2, and this version reads 1"),
        (lambda about: about["versions"].update({"scikit-learn": "0.1"}), r"fitted with scikit-learn 0\.1, and"),
        (lambda about: about.pop("steps"), "its content is none that pytest-mlspec writes"),
        (
            lambda about: about["steps"].append({"use": "os.system", "arguments": {}, "learned": {}}),
            "its content is none",
        ),
        (lambda about: about["steps"].append({"call": "os.system"}), "its content is none"),
        (lambda about: about["steps"][1].update(learned={"object": ["Popen", {}]}), "its content is none"),
        (lambda about: about["steps"][1].update(learned={"array": "999"}), "its content is none"),
        (lambda about: ["not a mapping"], "its content is none"),
    ],
)
def test_content_from_elsewhere_is_refused(folder: Path, change: Callable[[Any], Any], message: str) -> None:
    """Even under a valid seal; no class outside the table is made."""
    _rewritten(folder, change)

    with pytest.raises(DataError, match=message):
        load_fitted(folder)


def _of_own(transformer: Any, features: Any) -> Fitted:
    return fit([lambda: UsersStep(transformer, "team:make")], rows_of(features))


def test_a_pipeline_of_scikit_learn_that_the_team_made_is_stored(tmp_path: Path) -> None:
    """It holds nothing of the team's own."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    table = TABLE[["age", "plan"]]
    fitted = _of_own(make_column_transformer((numbers, ["age"]), (OneHotEncoder(), ["plan"])), table)
    save_fitted(fitted, tmp_path / "stored")
    inputs: Any = load_fitted(tmp_path / "stored").inputs(table)

    np.testing.assert_array_equal(inputs, fitted.inputs(table))


class Own(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, features: Any, targets: Any = None) -> Own:
        self.mean_ = features.mean()
        return self

    def transform(self, features: Any) -> Any:
        return features - self.mean_


@pytest.mark.parametrize("transformer", [Own(), FunctionTransformer(np.log1p), make_pipeline(Own())])
def test_a_transformer_of_the_team_is_not_stored(transformer: Any, tmp_path: Path) -> None:
    """That would need a pickle, which runs code when it is read."""
    with pytest.raises(UnstorableError, match=r"step team:make: a .* cannot be stored without pickling it"):
        save_fitted(_of_own(transformer, np.ones((4, 2))), tmp_path / "stored")
    assert not (tmp_path / "stored").exists()
