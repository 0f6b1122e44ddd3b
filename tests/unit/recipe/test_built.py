from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from pytest_mlspec.errors import RecipeError, UserCodeError
from pytest_mlspec.language.spec import Spec
from pytest_mlspec.recipe.preparation import prepare_all
from pytest_mlspec.recipe.protocol import Recipe
from pytest_mlspec.recipe.taken import resolve_recipe

from .conftest import Project

torch = pytest.importorskip("torch")


def _resolve(project: Project, **keys: Any) -> Recipe:
    whole = {"mlspec": 1, "name": "x", "data": {"source": "sklearn.wine"}, "model": "mlp", **keys}
    return resolve_recipe(Spec.model_validate(whole), root=project.root)


def _made(recipe: Recipe) -> Any:
    assert recipe.build_model is not None
    return recipe.build_model(prepare_all(recipe).prepared)


@pytest.mark.parametrize(
    ("source", "train", "outputs"),
    [
        ("sklearn.wine", {}, 3),
        ("sklearn.breast_cancer", {}, 2),
        ("sklearn.breast_cancer", {"loss": "binary_cross_entropy_with_logits"}, 1),
        ("sklearn.diabetes", {}, 1),
    ],
)
def test_the_mlp_has_the_outputs_of_task_and_loss(
    project: Project, source: str, train: dict[str, Any], outputs: int
) -> None:
    """A logit for each class, or one output a row."""
    model = _made(_resolve(project, data={"source": source}, train=train))

    assert model.layers[-1].out_features == outputs


def test_the_mlp_takes_its_arguments(project: Project) -> None:
    """Widths, dropout, activation; images are flattened."""
    recipe = _resolve(project, model={"use": "mlp", "hidden": [8, 4], "dropout": 0.5, "activation": "tanh"})
    model = _made(recipe)

    assert [type(layer).__name__ for layer in model.layers] == [
        "Flatten", "Linear", "Tanh", "Dropout", "Linear", "Tanh", "Dropout", "Linear",
    ]  # fmt: skip
    assert model(torch.zeros(5, 13, 1)).shape == (5, 3)


def test_an_unknown_activation_gets_the_near_miss(project: Project) -> None:
    """Of the few that there are."""
    with pytest.raises(RecipeError, match="unknown activation 'rleu'") as caught:
        _made(_resolve(project, model={"use": "mlp", "activation": "rleu"}))
    assert caught.value.advice == "did you mean 'relu'?"


def test_the_loss_is_that_of_the_task(project: Project) -> None:
    """Cross-entropy for classes, the squared error for values; nothing of it is given by the team."""
    classes, values = _resolve(project), _resolve(project, data={"source": "sklearn.diabetes"})

    assert getattr(classes.loss, "name", "") == "cross_entropy"
    assert getattr(values.loss, "name", "") == "mse"
    assert classes.given == frozenset()


def test_paths_in_the_spec_are_the_teams_code(project: Project) -> None:
    """Each becomes the point, called with the arguments of the spec."""
    project.write(
        "team.py",
        """
        import torch
        def rows(count): return [[float(row), 1.0] for row in range(count)], [row % 3 for row in range(count)]
        class Net(torch.nn.Linear):
            def __init__(self, width): super().__init__(2, width)
        def loss(outputs, batch, scale): return outputs.sum() * scale
        def adam(model, lr): return torch.optim.Adam(model.parameters(), lr=lr)
        def falling(optimizer, steps): return torch.optim.lr_scheduler.LinearLR(optimizer, total_iters=steps)
        class Plus:
            def __init__(self, value): self.value = value
            def fit(self, X, y): pass
            def transform(self, X): return X + self.value
        """,
    )
    recipe = _resolve(
        project,
        task="multiclass",
        data={"source": {"use": "team:rows", "count": 30}, "prepare": [{"use": "team:Plus", "value": 5}]},
        model={"use": "team:Net", "width": 3},
        train={
            "loss": {"use": "team:loss", "scale": 2.0},
            "optimizer": {"use": "team:adam", "lr": 0.5},
            "schedule": "team:falling",
        },
    )
    model = _made(recipe)
    assert recipe.optimizer is not None
    assert recipe.schedule is not None
    assert recipe.loss is not None
    optimizer = recipe.optimizer(model)

    assert recipe.given == {"load", "fit_prepare", "prepare", "build_model", "loss", "optimizer", "schedule"}
    assert model.out_features == 3
    assert optimizer.defaults["lr"] == 0.5
    assert recipe.schedule(optimizer, 7).total_iters == 7
    assert recipe.loss(torch.ones(2), None) == 4.0
    inputs = prepare_all(recipe).prepared.splits["train"].inputs
    assert isinstance(inputs, np.ndarray)
    assert (inputs[:, 1] == 6.0).all()


@pytest.mark.parametrize(
    ("keys", "key", "message"),
    [
        ({"model": {"use": "team:Net", "widht": 3}}, "model", "cannot be called"),
        ({"model": "team:NUMBER"}, "model", "is a int, and no function"),
        ({"data": {"source": "team:needs_path"}, "task": "binary"}, "data.source", "cannot be called"),
        ({"train": {"loss": "team:of_targets"}}, "train.loss", "does not fit"),
        ({"train": {"optimizer": {"use": "team:adam"}}}, "train.optimizer", "cannot be called"),
        (
            {"data": {"source": "sklearn.wine", "prepare": {"use": "team:ready", "x": 1}}},
            "data.prepare",
            "takes no arguments",
        ),
    ],
)
def test_a_path_that_does_not_fit_its_point_is_refused(
    project: Project, keys: dict[str, Any], key: str, message: str
) -> None:
    """When the recipe is resolved, before any data are read."""
    project.write(
        "team.py",
        """
        class Net:
            def __init__(self, width): pass
        NUMBER = 3
        def needs_path(path): pass
        def of_targets(outputs, targets): pass
        def adam(model, lr): pass
        class Ready:
            def fit(self, X): pass
            def transform(self, X): return X
        ready = Ready()
        """,
    )

    with pytest.raises(RecipeError, match=message) as caught:
        _made(_resolve(project, **keys))
    assert caught.value.key == key


def test_a_model_of_another_kind_is_refused(project: Project) -> None:
    """Torch trains modules, scikit-learn estimators."""
    project.write("team.py", "def Net(): return 3")

    with pytest.raises(RecipeError, match=r"team:Net gives a int, and the engine torch trains an nn\.Module"):
        _made(_resolve(project, model="team:Net"))
    with pytest.raises(RecipeError, match="needs an estimator with fit and predict"):
        _made(_resolve(project, model="team:Net", train={"engine": "sklearn"}))


def test_an_exception_of_the_model_is_the_teams(project: Project) -> None:
    """With its path."""
    project.write("team.py", "def Net(): raise OSError('no weights')")

    with pytest.raises(UserCodeError, match="team:Net raised OSError: no weights"):
        _made(_resolve(project, model="team:Net"))


def test_an_estimator_goes_by_its_class_name(project: Project) -> None:
    """With scikit-learn's own arguments; a misspelt one gets the near miss."""
    keys: dict[str, Any] = {"train": {"engine": "sklearn"}}
    model = _made(_resolve(project, model={"use": "LogisticRegression", "C": 0.5}, **keys))

    assert model.C == 0.5
    with pytest.raises(RecipeError, match="LogisticRegression takes no argument 'max_iters'") as caught:
        _made(_resolve(project, model={"use": "LogisticRegression", "max_iters": 5}, **keys))
    assert caught.value.advice == "did you mean 'max_iter'?"
    with pytest.raises(RecipeError, match="unknown estimator 'LogisticRegresion'"):
        _made(_resolve(project, model="LogisticRegresion", **keys))


def test_an_estimator_sees_the_columns_where_nothing_prepares_them(project: Project) -> None:
    """By name, in double precision."""
    recipe = _resolve(
        project,
        data={"source": "sklearn.wine", "prepare": "none"},
        model="LogisticRegression",
        train={"engine": "sklearn"},
    )
    inputs = prepare_all(recipe).prepared.splits["train"].inputs

    assert isinstance(inputs, dict)
    assert inputs["alcohol"].dtype == np.float64


def test_splits_of_the_source_exclude_a_declared_split(project: Project) -> None:
    """The declaration would be ignored."""
    project.write("team.py", "def load(): return {'train': ([[1.0]], [1]), 'test': ([[2.0]], [2])}")
    recipe = _resolve(project, data={"source": "team:load", "split": {"test": 0.5}}, task="binary")

    with pytest.raises(RecipeError, match="team:load gives its own splits") as caught:
        recipe.load()
    assert caught.value.key == "data.split.test"


def test_the_engine_sklearn_never_imports_torch(project: Project) -> None:
    """Nor does the preparation of its data."""
    project.write(
        "prepare.py",
        """
        import sys
        from pathlib import Path
        from pytest_mlspec.recipe.preparation import prepare_all
        from pytest_mlspec.recipe.taken import resolve_recipe
        from pytest_mlspec.language.spec import Spec
        spec = {"mlspec": 1, "name": "x", "data": {"source": "sklearn.wine"}, "model": "SVC", "train": {"engine": "sklearn"}}
        recipe = resolve_recipe(Spec.model_validate(spec), root=Path("."))
        recipe.build_model(prepare_all(recipe).prepared)
        sys.exit("torch" in sys.modules)
        """,
    )
    command = [sys.executable, str(project.root / "prepare.py")]
    ended = subprocess.run(command, env={"PYTHONPATH": ":".join(sys.path)}, timeout=60, check=False)

    assert ended.returncode == 0
