from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytest_mlspec.errors import MlspecError, RecipeError, UserCodeError
from pytest_mlspec.language.spec import Spec
from pytest_mlspec.recipe.preparation import prepare_all
from pytest_mlspec.recipe.protocol import Recipe
from pytest_mlspec.recipe.taken import resolve_recipe

from .conftest import Project

TEAM = """
import numpy as np
def load(): return np.arange(40.0).reshape(20, 2), np.arange(20) % 2
def fit(examples, *, seed): return seed
def predict(fitted, inputs): return inputs
"""


def _spec(**keys: Any) -> Spec:
    return Spec.model_validate({"mlspec": 1, "name": "x", "task": "binary", **keys})


def _resolve(project: Project, **keys: Any) -> Recipe:
    return resolve_recipe(_spec(**keys), root=project.root)


def _refused(project: Project, **keys: Any) -> MlspecError:
    with pytest.raises(RecipeError) as caught:
        _resolve(project, **keys)
    return caught.value


def test_a_module_supplies_its_points(project: Project) -> None:
    """The rest is built from the spec, and `given` tells which is which."""
    project.write("team.py", TEAM)
    recipe = _resolve(project, recipe={"use": "team"}, train={"engine": "callable"})

    assert recipe.given == {"load", "fit", "predict"}
    assert recipe.fit is not None
    assert recipe.fit({}, seed=3) == 3
    assert prepare_all(recipe).prepared.classes == ("0", "1")


@pytest.mark.parametrize("use", ["team:Recipe", "team:make", "team:ready"])
def test_an_object_or_what_makes_one_supplies_points(project: Project, use: str) -> None:
    """A class and a function are called; an object is taken as it is."""
    project.write(
        "team.py",
        """
        class Recipe:
            def load(self): return [[1.0], [2.0]], [0, 1]
            def fit(self, examples, *, seed): return self
            def predict(self, fitted, inputs): return inputs
        def make(): return Recipe()
        ready = Recipe()
        """,
    )

    assert _resolve(project, recipe={"use": use}, train={"engine": "callable"}).given == {"load", "fit", "predict"}


def test_arguments_go_to_what_makes_the_recipe(project: Project) -> None:
    """As `with:` gives them."""
    project.write(
        "team.py",
        """
        class Recipe:
            def __init__(self, rows): self.rows = rows
            def load(self): return [[float(row)] for row in range(self.rows)], [row % 2 for row in range(self.rows)]
            def fit(self, examples, *, seed): return self
            def predict(self, fitted, inputs): return inputs
        """,
    )
    recipe = _resolve(project, recipe={"use": "team:Recipe", "with": {"rows": 6}}, train={"engine": "callable"})

    assert len(recipe.load()) == 6
    refused = _refused(project, recipe={"use": "team:Recipe", "with": {"row": 6}}, train={"engine": "callable"})
    assert (refused.key, refused.advice) == ("recipe.with", "it is team:Recipe(rows)")


def test_a_module_takes_no_arguments(project: Project) -> None:
    """Only what can be called does."""
    project.write("team.py", TEAM)
    refused = _refused(project, recipe={"use": "team", "with": {"rows": 6}}, train={"engine": "callable"})

    assert refused.key == "recipe.with"
    assert "team is a module" in refused.message


@pytest.mark.parametrize(
    ("text", "keys", "key"),
    [
        ("def load(): pass", {"data": {"source": "sklearn.wine"}}, "data.source"),
        ("def split(rows): pass", {"data": {"source": "sklearn.wine", "split": {"test": 0.3}}}, "data.split"),
        ("def prepare(rows, fitted): pass", {"data": {"source": "sklearn.wine", "prepare": "none"}}, "data.prepare"),
        ("def build_model(): pass", {}, "model"),
        ("def loss(outputs, batch): pass", {"train": {"loss": "mse"}}, "train.loss"),
        ("def optimizer(model): pass", {"train": {"optimizer": "sgd"}}, "train.optimizer"),
        ("def schedule(optimizer, steps): pass", {"train": {"schedule": "cosine"}}, "train.schedule"),
    ],
)
def test_a_point_given_twice_is_an_error(project: Project, text: str, keys: dict[str, Any], key: str) -> None:
    """By the recipe and by a key of the spec."""
    project.write("team.py", text)
    refused = _refused(project, recipe={"use": "team"}, model="mlp", **keys)

    assert refused.key == key
    assert "both give the same" in refused.message


def test_data_says_how_the_rows_of_a_recipe_are_split_and_prepared(project: Project) -> None:
    """`source` is left out: the recipe gives load."""
    project.write("team.py", TEAM)
    recipe = _resolve(
        project,
        recipe={"use": "team"},
        data={"split": {"test": 0.5}, "prepare": "none"},
        train={"engine": "callable"},
    )

    assert len(prepare_all(recipe).prepared.splits["test"]) == 10


@pytest.mark.parametrize("name", ["trainig_step", "training_steps", "builds_model", "optimiser", "fit_prepared"])
def test_a_function_that_is_almost_a_point_is_an_error(project: Project, name: str) -> None:
    """It would never be called, and nobody would notice."""
    project.write("team.py", f"def build_model(): pass\ndef {name}(state, batch): pass")
    refused = _refused(project, recipe={"use": "team"}, data={"source": "sklearn.wine"})

    assert f"team has {name}, which is no extension point" in refused.message
    assert "did you mean" in refused.advice


def test_functions_of_other_names_are_the_teams_own(project: Project) -> None:
    """They are left alone."""
    project.write("team.py", f"{TEAM}\ndef read_files(): pass\ndef report(metrics): pass\ndef _loads(): pass")

    assert _resolve(project, recipe={"use": "team"}, train={"engine": "callable"}).given == {"load", "fit", "predict"}


@pytest.mark.parametrize(
    ("engine", "text", "missing"),
    [
        ("torch", "def build_model(): pass", "load"),
        ("torch", "def load(): pass", "build_model"),
        ("sklearn", "def load(): pass", "build_model"),
        ("callable", "def load(): pass\ndef fit(examples, *, seed): pass", "predict"),
        ("callable", "def load(): pass\ndef predict(fitted, inputs): pass", "fit"),
    ],
)
def test_a_point_that_nobody_gives_is_an_error(project: Project, engine: str, text: str, missing: str) -> None:
    """Neither the spec nor the recipe."""
    project.write("team.py", text)
    refused = _refused(project, recipe={"use": "team"}, train={"engine": engine})

    assert refused.message == f"the engine {engine} needs {missing}"
    assert f"{missing}(" in refused.advice


def test_a_point_of_another_engine_is_an_error(project: Project) -> None:
    """The engine would never call it."""
    project.write("team.py", f"{TEAM}\ndef build_model(): pass")
    refused = _refused(project, recipe={"use": "team"}, train={"engine": "callable"})

    assert refused.key == "recipe.build_model"
    assert "the engine callable never calls it" in refused.message


def test_a_point_of_other_arguments_is_an_error(project: Project) -> None:
    """Both signatures are shown."""
    project.write("team.py", "def build_model(): pass\ndef loss(outputs, targets): pass")
    refused = _refused(project, recipe={"use": "team"}, data={"source": "sklearn.wine"})

    assert (refused.key, refused.message) == ("recipe.loss", "loss(outputs, targets) does not fit")
    assert "loss(outputs, batch)" in refused.advice


def test_a_point_imported_from_elsewhere_is_an_error(project: Project) -> None:
    """`from json import load` is no loader of rows."""
    project.write("team.py", f"{TEAM}\nfrom json import load")
    refused = _refused(project, recipe={"use": "team"}, train={"engine": "callable"})

    assert refused.key == "recipe.load"
    assert "team:load is json.load" in refused.message


def test_fitting_without_preparing_is_an_error(project: Project) -> None:
    """What fit_prepare returns would be lost."""
    project.write("team.py", f"{TEAM}\ndef fit_prepare(train_rows): pass")

    assert (
        "fit_prepare without prepare" in _refused(project, recipe={"use": "team"}, train={"engine": "callable"}).message
    )


def test_a_recipe_without_points_is_an_error(project: Project) -> None:
    """And so is one that is None."""
    project.write("team.py", "x = 1\ndef make(): pass")

    assert "gives no extension point" in _refused(project, recipe={"use": "team"}).message
    assert "team:make returned None" in _refused(project, recipe={"use": "team:make"}).message


def test_a_task_that_nothing_tells_is_an_error(project: Project) -> None:
    """The team's code does not say what is learned."""
    project.write("team.py", TEAM)
    spec = Spec.model_validate({"mlspec": 1, "name": "x", "recipe": {"use": "team"}, "train": {"engine": "callable"}})

    with pytest.raises(RecipeError, match="what is learned cannot be told") as caught:
        resolve_recipe(spec, root=project.root)
    assert caught.value.key == "task"


def test_what_a_point_raises_is_the_teams(project: Project) -> None:
    """With the name of the point."""
    project.write("team.py", TEAM.replace("return np.arange(40.0).reshape(20, 2), np.arange(20) % 2", "return 1 / 0"))
    recipe = _resolve(project, recipe={"use": "team"}, train={"engine": "callable"})

    with pytest.raises(UserCodeError, match="load raised ZeroDivisionError") as caught:
        recipe.load()
    assert caught.value.key == "recipe.load"


def test_the_floor_of_the_loss_may_be_declared(project: Project) -> None:
    """By an attribute of the recipe; 0 where it says nothing."""
    project.write("team.py", f"loss_floor = -2.5\n{TEAM}")
    project.write("plain.py", TEAM)

    assert _resolve(project, recipe={"use": "team"}, train={"engine": "callable"}).loss_floor == -2.5
    assert _resolve(project, recipe={"use": "plain"}, train={"engine": "callable"}).loss_floor == 0.0


def test_prepare_alone_fits_nothing(project: Project) -> None:
    """It is given None."""
    project.write(
        "team.py", f"{TEAM}\ndef prepare(rows, fitted): return rows.features + (fitted is None), rows.targets"
    )
    recipe = _resolve(project, recipe={"use": "team"}, train={"engine": "callable"})
    loaded = prepare_all(recipe)

    inputs = loaded.prepared.splits["train"].inputs
    assert isinstance(inputs, np.ndarray)
    assert (inputs == loaded.rows["train"].features + 1).all()


@pytest.mark.parametrize("engine", ["torch", "sklearn"])
def test_a_serving_path_gets_the_trained_model_and_raw_rows(project: Project, engine: str) -> None:
    """Of every engine whose own predictions are not the team's."""
    project.write("team.py", "def predict(trained, rows): return [trained, rows]")
    keys = {"data": {"source": "sklearn.breast_cancer"}, "model": "mlp" if engine == "torch" else "GaussianNB"}
    recipe = _resolve(project, recipe={"use": "team"}, train={"engine": engine}, **keys)

    assert "predict" in recipe.given
    assert recipe.predict is not None
    assert recipe.predict("a model", "rows") == ["a model", "rows"]


def test_a_serving_path_of_rows_alone_is_an_error(project: Project) -> None:
    """What it is given is shown."""
    project.write("team.py", "def predict(rows): return rows")
    refused = _refused(project, recipe={"use": "team"}, data={"source": "sklearn.breast_cancer"}, model="mlp")

    assert (refused.key, refused.message) == ("recipe.predict", "predict(rows) does not fit")
    assert "predict(trained, rows)" in refused.advice
