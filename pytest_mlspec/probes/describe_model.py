"""The structure of a model before its training: parameters, layers and answers of a module, or the settings of an estimator."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_mlspec.engines import ENGINES
from pytest_mlspec.evidence import Structure

if TYPE_CHECKING:
    from torch import nn

    from pytest_mlspec.recipe.work import Work

# A model of more parts than a reviewer reads is one line for each kind of them.
_MOST_PARTS = 300
# Engines whose trainer wraps the module that `assemble` builds.
_WRAPPED = ("lightning", "transformers")
# What decides how fast an estimator is or what it prints, and not what it learns; seeds may be others.
_IDLE = frozenset({"random_state", "n_jobs", "verbose"})
_INPLACE = re.compile(r"(, )?inplace=(True|False)")
_WITHOUT_EFFECT = ("Identity", "Dropout(p=0.0)")


def structure_of(work: Work) -> Structure:
    """The structure of the model of `work`; where it is not known before a training, why."""
    declared = _declared(work)
    engine = ENGINES.find(work.spec.train.engine.use)
    if engine.kind == "estimator":
        return _of_estimator(work, declared)
    if engine.kind == "own" or (engine.initial is None and engine.name not in _WRAPPED):
        return Structure(declared, missing=f"the engine {engine.name} shows no model before its training")
    if engine.name == "torch" or engine.name in _WRAPPED:
        from pytest_mlspec.probes.describe_answers import answers_of

        module = _assembled(work)
        return Structure(declared, _shortened(_parameters(module)), _shortened(_layers(module)), answers_of(work))
    assert engine.initial is not None, "it was looked for above"
    module = engine.initial(work).model
    return Structure(declared, _shortened(_parameters(module)), _shortened(_layers(module)))


def _declared(work: Work) -> str:
    """What the spec says of the model, as text; what decides how it learns is left out."""
    spec = work.spec
    said = {
        "model": spec.model and spec.model.model_dump(mode="json"),
        "loss": spec.train.loss and spec.train.loss.model_dump(mode="json"),
        "freeze": list(spec.train.freeze),
        "recipe": spec.recipe and spec.recipe.model_dump(mode="json"),
        "prepare": [step.model_dump(mode="json") for step in spec.data.prepare] if spec.data else [],
    }
    return json.dumps({name: value for name, value in said.items() if value}, sort_keys=True, ensure_ascii=False)


def _assembled(work: Work) -> nn.Module:
    from pytest_mlspec.engines.assembly import assemble
    from pytest_mlspec.engines.outside import from_outside

    with from_outside("the model", key="model"):
        return assemble(work).new_model(work.spec.train.seed)


def _parameters(module: nn.Module) -> dict[str, str]:
    parts = {
        name: f"{str(parameter.dtype).removeprefix('torch.')} {list(parameter.shape)}"
        f"{'' if parameter.requires_grad else ' frozen'}"
        for name, parameter in module.named_parameters()
    }
    buffers = {
        f"{name} (buffer)": f"{str(buffer.dtype).removeprefix('torch.')} {list(buffer.shape)}"
        for name, buffer in module.named_buffers()
    }
    return {**parts, **buffers}


def _layers(module: nn.Module) -> dict[str, str]:
    """The layers without children and their settings; without those that do nothing."""
    told = {
        name: f"{type(layer).__name__}({_INPLACE.sub('', layer.extra_repr())})"
        for name, layer in module.named_modules()
        if not list(layer.children())
    }
    return {name: text for name, text in told.items() if not text.startswith(_WITHOUT_EFFECT)}


def _of_estimator(work: Work, declared: str) -> Structure:
    """The settings of an estimator that are plain values as parts, the estimators that it is made of as layers."""
    from pytest_mlspec.engines.unfitted_estimator import new_estimator

    estimator, _ = new_estimator(work, seed=0)
    settings = estimator.get_params() if hasattr(estimator, "get_params") else {}
    settings = {name: value for name, value in sorted(settings.items()) if name.rpartition("__")[2] not in _IDLE}
    plain = {
        name: json.dumps(value)
        for name, value in settings.items()
        if value is None or isinstance(value, str | int | float)
    }
    kinds = {name: type(value).__name__ for name, value in settings.items() if hasattr(value, "get_params")}
    return Structure(declared, _shortened(plain), {"estimator": type(estimator).__name__, **kinds})


def _shortened(parts: Mapping[str, str]) -> Mapping[str, str]:
    if len(parts) <= _MOST_PARTS:
        return parts
    # by kind and not by name, so that a renaming stays one
    digest = hashlib.sha256(json.dumps(sorted(parts.values())).encode()).hexdigest()[:16]
    return {f"all {len(parts)}": digest}
