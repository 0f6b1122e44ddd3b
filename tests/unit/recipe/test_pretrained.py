"""Models that were trained before: found in a folder, by a function or on the hub, and which they are."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from pytest_mlspec.errors import DataError, RecipeError
from pytest_mlspec.language.spec import Use
from pytest_mlspec.recipe.pretrained import check_tokenizer, digest_of, locate

from .conftest import Project

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def pretrained(**arguments: Any) -> Use:
    return Use(use="pretrained", arguments=arguments)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds a model, as far as its names tell."""
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text("{}", "utf-8")
    (made / "model.safetensors").write_bytes(b"weights")
    return made


def test_a_folder_is_pinned_by_its_content(folder: Path) -> None:
    """Another byte is another model, and so is another name of a file."""
    first = locate(pretrained(path="model"), root=folder.parent)
    (folder / "model.safetensors").write_bytes(b"weightz")
    second = locate(pretrained(path="model"), root=folder.parent)
    (folder / "model.safetensors").rename(folder / "other.safetensors")

    assert (first.folder, first.name, len(first.revision)) == (folder, "model", 64)
    assert len({first.revision, second.revision, digest_of(folder)}) == 3


def test_a_function_of_the_project_names_the_folder(project: Project, folder: Path) -> None:
    """Where a package of the team brings the model, the function asks it."""
    project.write("models.py", f"def folder():\n    return {str(folder)!r}\n\ndef number():\n    return 3\n")

    assert locate(pretrained(path="models:folder"), root=project.root).folder == folder
    with pytest.raises(RecipeError, match="models:number returned a int, and no path of a folder"):
        locate(pretrained(path="models:number"), root=project.root)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nothing", "nothing is no folder"),
        (".", "holds no model: neither config.json nor modules.json"),
        ("../elsewhere", "lies outside the root directory"),
    ],
)
def test_a_folder_without_a_model_is_told(folder: Path, path: str, message: str) -> None:
    """With what would be one."""
    with pytest.raises(DataError, match=message):
        locate(pretrained(path=path), root=folder.parent)


def test_a_model_that_was_never_fetched_fails_within_seconds_without_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the remedy is told."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    began = time.monotonic()

    with pytest.raises(DataError, match="the hub cannot be reached, and the model 'org/model'") as caught:
        locate(pretrained(name="org/model", revision=COMMIT), root=tmp_path)
    assert time.monotonic() - began < 10
    assert "path: FOLDER" in caught.value.advice


@pytest.mark.parametrize(("ids", "rows", "padding"), [(100, 100, 0), (50_257, 50_304, None), (128_001, 128_100, 0)])
def test_an_embedding_may_have_rows_to_spare(ids: int, rows: int, padding: int | None) -> None:
    """Rounded up, or kept for later."""
    check_tokenizer(ids, rows, name="m", padding=padding)


@pytest.mark.parametrize(
    ("ids", "rows", "padding", "message"),
    [
        (
            50_257,
            30_522,
            0,
            "the tokenizer of m has 50257 ids, its embedding 30522 rows: some texts would have no embedding",
        ),
        (8_000, 30_522, 0, "22522 of them belong to no token"),
        (100, 100, 50_256, "and it pads with 50256"),
    ],
)
def test_a_tokenizer_of_another_model_is_told(ids: int, rows: int, padding: int, message: str) -> None:
    """Before it looks up rows that mean something else."""
    with pytest.raises(RecipeError, match=message) as caught:
        check_tokenizer(ids, rows, name="m", padding=padding)
    assert "a tokenizer of another model?" in caught.value.advice
