"""Each model that goes by name, made from prepared examples and trained through the engine to a clear result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from projects import Project

from pytest_mlspec.errors import DataError, MlspecError, RecipeError
from pytest_mlspec.language.spec import Use
from pytest_mlspec.recipe.models.building import build
from pytest_mlspec.recipe.protocol import Examples, Inputs, Prepared

ROWS = """
import numpy as np
from pytest_mlspec.recipe.protocol import Examples

def draw(seed=0):
    return np.random.default_rng(seed)

class Given:
    '''Rows that enter the model as they are: `kind` names what they look like.'''

    def __init__(self, kind):
        self.kind = kind

    def load(self):
        inputs, targets = globals()[self.kind]()
        self.inputs = inputs
        return np.arange(len(targets), dtype=np.float32).reshape(-1, 1), targets

    def prepare(self, rows, fitted):
        at = rows.index
        inputs = self.inputs
        taken = {name: values[at] for name, values in inputs.items()} if isinstance(inputs, dict) else inputs[at]
        return Examples(taken, rows.targets, rows.index)

def images():
    '''A bright bar: upright or lying.'''
    targets = draw().integers(0, 2, 120)
    pixels = 0.3 * draw(1).normal(size=(120, 1, 10, 10)).astype(np.float32)
    at = draw(2).integers(2, 8, 120)
    for row, (target, place) in enumerate(zip(targets, at)):
        pixels[row, 0, :, place] += 2.0 * target
        pixels[row, 0, place, :] += 2.0 * (1 - target)
    return pixels, targets

def words():
    '''The class is told by one word of a text, anywhere in it; padding behind.'''
    targets = draw().integers(0, 3, 150)
    ids = draw(1).integers(5, 40, (150, 8))
    ids[np.arange(150), draw(2).integers(0, 4, 150)] = 2 + targets
    ids[np.arange(8) >= draw(3).integers(4, 9, 150)[:, None]] = 0
    return ids, targets

def order():
    '''The class is told by the order of two words that every text holds.'''
    targets = draw().integers(0, 2, 200)
    ids = draw(1).integers(5, 20, (200, 8))
    first = draw(2).integers(0, 3, 200)
    ids[np.arange(200), first] = 2 + targets
    ids[np.arange(200), first + 1 + draw(3).integers(0, 3, 200)] = 3 - targets
    return ids, targets

def table():
    '''The value adds a number to what a category is worth.'''
    numbers = draw().normal(size=(200, 2)).astype(np.float32)
    categories = draw(1).integers(2, 7, (200, 2))
    worth = np.array([0, 0, -2.0, 3.0, 0.5, -1.0, 2.0])
    return {"numbers": numbers, "categories": categories}, numbers[:, 0] + worth[categories[:, 1]]
"""


def spec_of(kind: str, task: str, model: dict[str, Any], train: dict[str, Any]) -> dict[str, Any]:
    return {
        "task": task,
        "recipe": {"use": "rows:Given", "with": {"kind": kind}},
        "data": {"split": {"test": 0.3}},
        "model": model,
        "train": {"batch_size": 16, **train},
    }


@pytest.mark.parametrize(
    ("kind", "model", "train"),
    [
        ("images", {"use": "cnn", "channels": [8], "hidden": 16}, {"epochs": 6}),
        ("images", {"use": "cnn", "channels": [8], "norm": "none"}, {"epochs": 12, "loss": "focal"}),
        ("words", {"use": "mean_embedding", "dim": 32, "dropout": 0.1}, {"epochs": 40}),
        ("words", {"use": "text_cnn", "dim": 16, "filters": 16, "widths": [1, 2]}, {"epochs": 15}),
        ("order", {"use": "text_cnn", "dim": 16, "filters": 32, "widths": [4], "dropout": 0.0}, {"epochs": 15}),
        ("order", {"use": "transformer", "dim": 32, "layers": 1, "dropout": 0.0}, {"epochs": 15}),
    ],
    ids=["cnn", "cnn-focal", "mean_embedding", "text_cnn", "text_cnn-order", "transformer"],
)
def test_a_classifier_learns_what_its_inputs_tell(
    project: Project, kind: str, model: dict[str, Any], train: dict[str, Any]
) -> None:
    """The loss on rows that it never saw falls to a fraction of its start."""
    project.write("rows", ROWS)
    optimizer = {"optimizer": {"use": "adamw", "lr": 5e-3}}
    run = project.train(spec_of(kind, "multiclass", model, {**optimizer, **train}))

    assert run.losses["test"] < 0.35 * run.losses_before["test"]


def test_a_mean_of_words_knows_no_order(project: Project) -> None:
    """The same words in two orders: where the order alone tells the class, nothing is learned."""
    project.write("rows", ROWS)
    train = {"epochs": 20, "optimizer": {"use": "adamw", "lr": 5e-3}}
    run = project.train(spec_of("order", "multiclass", {"use": "mean_embedding"}, train))

    assert run.losses["test"] > 0.9 * run.losses_before["test"]


def test_a_table_learns_from_its_categories(project: Project) -> None:
    """What a category is worth cannot be told from the numbers."""
    project.write("rows", ROWS)
    train = {"epochs": 40, "optimizer": {"use": "adamw", "lr": 1e-2}}
    run = project.train(spec_of("table", "regression", {"use": "tabular", "hidden": [32]}, train))

    assert run.losses["test"] < 0.05 * run.losses_before["test"]


def prepared(inputs: Inputs, test: Inputs | None = None, **vocabularies: tuple[int, ...]) -> Prepared:
    """Examples with these inputs in both splits; the vocabulary of a text goes by `text`."""
    rows = len(inputs["categories"]) if isinstance(inputs, dict) else len(inputs)
    splits = {
        "train": Examples(inputs, np.zeros(rows), np.arange(rows)),
        "test": Examples(inputs if test is None else test, np.zeros(rows), 100 + np.arange(rows)),
    }
    return Prepared(splits, (), "", {"" if name == "text" else name: ids for name, ids in vocabularies.items()})


TEXT_NL = np.array([[2, 3, 0], [4, 5, 6]])
NUMBERS_NF = np.zeros((2, 3), dtype=np.float32)
TABLE = {"numbers": NUMBERS_NF, "categories": TEXT_NL[:, :2]}


def test_the_vocabulary_is_that_of_the_preparation() -> None:
    """It may know more words than the training rows hold."""
    model = build(Use(use="mean_embedding"), prepared(TEXT_NL, text=(50,)), outputs=2)

    assert model.embedding.num_embeddings == 50  # type: ignore[union-attr]


def test_without_a_vocabulary_the_training_rows_tell_it() -> None:
    """Where the team's own `prepare` made the ids."""
    text = build(Use(use="mean_embedding"), prepared(TEXT_NL), outputs=2)
    table = build(Use(use="tabular"), prepared(TABLE), outputs=2)

    assert text.embedding.num_embeddings == 7  # type: ignore[union-attr]
    assert [embedding.num_embeddings for embedding in table.embeddings] == [5, 6]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("model", "inputs", "message", "advice"),
    [
        (
            "mean_embedding",
            NUMBERS_NF,
            "integers [N, L], and prepare gives float32 [N, 3]",
            "{use: tokenize, length: 32}",
        ),
        ("text_cnn", np.array(["a text"], dtype=object), "and prepare gives texts [N]", "{use: tokenize, length: 32}"),
        ("transformer", TEXT_NL[:, 0], "and prepare gives int64 [N]", "{use: tokenize, length: 32}"),
        ("causal_lm", TABLE, "takes one array, and prepare gives 2: numbers, categories", "model: tabular"),
        ("mlp", TEXT_NL, "mlp takes floats, and prepare gives int64 [N, 3]", "for texts as ids: model mean_embedding"),
        ("mlp", TABLE, "takes one array, and prepare gives 2: numbers, categories", "model: tabular"),
        ("cnn", NUMBERS_NF, "floats [N, C, H, W], and prepare gives float32 [N, 3]", "write `prepare: images`"),
        ("cnn", np.zeros((2, 4, 4), dtype=np.uint8), "and prepare gives uint8 [N, 4, 4]", "write `prepare: images`"),
        ("tabular", NUMBERS_NF, "and prepare gives one array", "write `prepare: [impute, standardize, ids]`"),
        ("tabular", {"categories": NUMBERS_NF}, "categories as ids", "write `prepare: [impute, standardize, ids]`"),
        ("tabular", {"categories": TEXT_NL, "x": TEXT_NL}, "arrays called categories, x", "[impute, standardize, ids]"),
    ],
)
def test_inputs_of_another_form_are_refused_with_the_line_to_write(
    model: str, inputs: Inputs, message: str, advice: str
) -> None:
    """Before the model is made."""
    with pytest.raises(RecipeError) as caught:
        build(Use(use=model), prepared(inputs), outputs=2)

    assert message in caught.value.message
    assert advice in caught.value.advice


@pytest.mark.parametrize(
    ("inputs", "test", "vocabularies", "message"),
    [
        (TEXT_NL, TEXT_NL + 5, {}, "row 100 of split test has the id 7: allowed are 0 … 6"),
        (TEXT_NL, None, {"text": (6,)}, "row 1 of split train has the id 6: allowed are 0 … 5"),
        (TEXT_NL - 3, None, {"text": (9,)}, "row 0 of split train has the id -1: allowed are 0 … 8"),
        (TABLE, None, {"categories": (5, 5)}, "row 1 of split train has the id 5: allowed are 0 … 4"),
    ],
)
def test_an_id_beyond_the_vocabulary_is_told_with_its_row(
    inputs: Inputs, test: Inputs | None, vocabularies: dict[str, tuple[int, ...]], message: str
) -> None:
    """Torch would fail in the midst of a training."""
    model = "tabular" if isinstance(inputs, dict) else "text_cnn"
    with pytest.raises(DataError, match=message) as caught:
        build(Use(use=model), prepared(inputs, test, **vocabularies), outputs=2)

    assert "1 is the id of what the training rows do not hold" in caught.value.advice


def test_a_collate_may_change_types() -> None:
    """The inputs that enter the model are not those that were prepared."""
    model = build(Use(use="mlp"), prepared(TEXT_NL), outputs=2, collated=True)

    assert sum(parameter.numel() for parameter in model.parameters()) == 3 * 128 + 128 + 128 * 2 + 2


def test_an_unknown_model_gets_the_near_miss() -> None:
    """A spec that was not validated."""
    with pytest.raises(MlspecError, match="unknown model 'nmlp'") as caught:
        build(Use(use="nmlp"), prepared(NUMBERS_NF), outputs=2)
    assert caught.value.advice == "did you mean 'mlp'?"
