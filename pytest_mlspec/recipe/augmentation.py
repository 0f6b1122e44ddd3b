"""`data.augment`: changes by name, and the team's own functions of one image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlspec.errors import RecipeError
from pytest_mlspec.language.spec import Use
from pytest_mlspec.recipe.calls import check_arguments, check_call, guarded
from pytest_mlspec.recipe.resolve import resolve

if TYPE_CHECKING:
    from pytest_mlspec.training.augment import Change

_KEY = "data.augment"


def changes(uses: Sequence[Use], *, root: Path, allowed: Sequence[str] = ()) -> tuple[Change, ...]:
    """The changes that `uses` declare, in their order; raises RecipeError where one does not fit."""
    if not uses:
        return ()
    from pytest_mlspec.training import augment

    return tuple(_users(use, root, allowed) if use.is_path else augment.build(use.use, use.arguments) for use in uses)


def _users(use: Use, root: Path, allowed: Sequence[str]) -> Change:
    """The team's `f(image, **arguments) -> image`, or what its class makes of the arguments, called with one image."""
    from pytest_mlspec.training import augment

    found = resolve(use.use, root=root, key=_KEY, allowed=allowed)
    arguments = use.arguments
    if isinstance(found, type):
        check_call(found, (), arguments, key=_KEY, name=use.use)
        found = guarded(found, key=_KEY, name=use.use)(**arguments)
        arguments = {}
    if not callable(found):
        raise RecipeError(f"{use.use} is a {type(found).__name__}, and no function of an image", key=_KEY)
    if not arguments:
        check_arguments(found, ("image",), key=_KEY, name=use.use)
    check_call(found, ("image",), arguments, key=_KEY, name=use.use)
    return augment.image_by_image(partial(guarded(found, key=_KEY, name=use.use), **arguments))
